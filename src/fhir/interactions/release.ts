/** The last step before something leaves: the decision, and its durable record. */
import type { VersionRow } from '../../commit/catalog.js';
import { mayRead } from '../access.js';
import { recordAccess } from '../access-record.js';
import type { Context } from '../request.js';
import type { FhirServices } from '../services.js';

export type ReleaseServices = Pick<
  FhirServices,
  'gate' | 'opened' | 'search' | 'extractor' | 'names' | 'accessLog' | 'clock'
>;

/** Decides on one version; resolves when the record of the access (or refusal) is durable. */
export async function release(
  services: ReleaseServices,
  context: Context,
  interaction: string,
  row: VersionRow,
): Promise<boolean> {
  const decision = mayRead(services, context.principal, 'r', row);
  const permit = typeof decision === 'boolean' ? decision : await decision;
  await recordRelease(services, context, interaction, permit ? 'permit' : 'deny', [row]);
  return permit;
}

/** Writes down what leaves (or is refused); resolves when that is durable. */
export function recordRelease(
  services: Pick<FhirServices, 'accessLog' | 'clock' | 'opened'>,
  context: Context,
  interaction: string,
  outcome: 'permit' | 'deny',
  rows: readonly VersionRow[],
): Promise<void> {
  const headers = rows.map((row) => services.opened.header(row));
  const patients =
    headers.length === 1
      ? headers[0].attributes.patients
      : [...new Set(headers.flatMap(({ attributes }) => attributes.patients))];
  return recordAccess(services, context, {
    interaction,
    outcome,
    entities: headers.map(({ resourceType, id, versionId }) => `${resourceType}/${id}/_history/${versionId}`),
    patients,
  });
}
