/**
 * Who may write Consents: else somebody whom one lets see everything could let in others, or take back what the patient denied.
 *
 * The patient herself, and the organisation that runs this server with its members, write Consents about her. Others may hand in one that is
 * not active (a draft), and change what they wrote themselves as long as it stays so.
 */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { Principal, RecordAttributes } from '../../consent/gate.js';
import type { FhirServices } from '../services.js';

/**
 * @param before attributes of the version that is replaced.
 * @param resource the new content; absent for a deletion.
 * @throws FhirError 403 `forbidden`.
 */
export function requireConsentAuthor(
  { config }: Pick<FhirServices, 'config'>,
  principal: Principal,
  patients: readonly string[],
  before: RecordAttributes | undefined,
  resource: Resource | undefined,
  place: string,
): void {
  if (config.consentAuthors === 'any') return;
  const { actor, memberships, patient } = principal;
  const [type, id = ''] = actor.split('/');
  if (type === 'Patient' && patients.every((one) => one === id)) return;
  // A RelatedPerson whom the contract lets act for the patient has her in context.
  if (type === 'RelatedPerson' && patient !== undefined && patients.every((one) => one === patient)) return;
  if (actor === config.organization || memberships.includes(config.organization)) return;
  const isOwn = before === undefined || before.author === actor || memberships.includes(before.author ?? '');
  if (isOwn && resource !== undefined && resource['status'] !== 'active' && before === undefined) return;
  throw fhirError(
    403,
    'forbidden',
    'Consents in force are written by the patient or the organisation that runs this server.',
    place,
  );
}
