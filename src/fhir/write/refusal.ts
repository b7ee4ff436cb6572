/** A write that consent does not permit. */
import { fhirError } from '../../base/outcome.js';
import type { RecordAttributes } from '../../consent/gate.js';
import { recordAccess } from '../access-record.js';
import type { Context } from '../request.js';
import type { WriteOperation } from './operation.js';

/**
 * Refuses when the record of the refusal is durable.
 * @throws FhirError 403 `forbidden`
 */
export async function refuseByConsent(
  services: Parameters<typeof recordAccess>[0],
  context: Context,
  { interaction, place, requestPlace }: WriteOperation,
  { resourceType, id, patients }: RecordAttributes,
): Promise<never> {
  await recordAccess(services, context, {
    interaction,
    outcome: 'deny',
    entities: [`${resourceType}/${id}`],
    patients,
  });
  throw fhirError(403, 'forbidden', 'Consent does not permit this write.', requestPlace ?? place);
}
