/** Who may speak for the key of a patient, and about which patients: the opening of every operation on accounts. */
import { fhirError } from '../../../base/outcome.js';
import { rolesOf } from '../../../smart/roles.js';
import { hasScope } from '../../access.js';
import { recordAccess } from '../../access-record.js';
import type { PathParameters } from '../../interactions/interaction.js';
import { instanceOf } from '../../interactions/interaction.js';
import type { Context } from '../../request.js';
import type { FhirServices } from '../../services.js';
import { unknown } from '../../write/targets.js';

/**
 * The patient herself. With `isSigned`, also an operator: who only passes on what her own key signed can speak for nobody.
 * @returns id of the patient. @throws FhirError 403 `forbidden` alike for patients who are here and who are not; 404.
 */
export async function accountHolder(
  services: FhirServices,
  { principal }: Context,
  place: PathParameters,
  isSigned: boolean,
): Promise<string> {
  const { type, id } = instanceOf(place);
  const isHerself = principal.actor === `Patient/${id}`;
  const isRelay = isSigned && rolesOf(principal, services.config.organization).includes('operator');
  if (!hasScope(principal, 'Consent', 'u') || !(isHerself || isRelay)) {
    const who = isSigned ? 'the patient herself, and for operators who pass on what she signed' : 'the patient herself';
    throw fhirError(403, 'forbidden', `This is for ${who}.`);
  }
  const row = await services.catalog.current(services.names.resource(type, id), services.catalog.head().seq);
  if (row === undefined || row.isDeleted) throw unknown(type, id);
  return id;
}

/** The record of it in the access log; durable before the answer leaves. */
export function recordAccountAccess(
  services: Pick<FhirServices, 'accessLog' | 'clock'>,
  context: Context,
  interaction: string,
  patientId: string,
): Promise<void> {
  return recordAccess(services, context, {
    interaction,
    outcome: 'permit',
    entities: [`Patient/${patientId}`],
    patients: [patientId],
  });
}
