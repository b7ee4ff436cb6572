/** read and vread of an AuditEvent of the access log. */
import { grantFor } from '../../smart/scopes.js';
import { matchesFilterOn } from '../access.js';
import { recordAccess } from '../access-record.js';
import type { Context, FhirResponse } from '../request.js';
import type { FhirServices } from '../services.js';
import { unknown } from '../write/targets.js';
import { recordNumberOf } from './audit-event.js';
import { audienceOf, auditEvent } from './audit-search.js';

/**
 * @returns undefined when the id is not one of the access log's.
 * @throws FhirError 404 when there is none, or not for this reader.
 */
export async function readAuditEvent(
  services: FhirServices,
  context: Context,
  id: string,
): Promise<FhirResponse | undefined> {
  const number = recordNumberOf(id);
  const { audit } = services;
  if (number === undefined || audit === undefined) return undefined;
  const { principal } = context;
  const audience = audienceOf(services, principal);
  const resource = await auditEvent({ ...services, audit }, context, audience, number);
  const grant = grantFor(principal.scopes, principal.patient, 'AuditEvent', 'r');
  const isCovered =
    resource !== undefined &&
    (grant.kind === 'all' ||
      (grant.kind !== 'none' &&
        grant.alternatives.some(
          ({ patientOnly, filter }) =>
            (!patientOnly || (audience.kind === 'patient' && audience.id === principal.patient)) &&
            matchesFilterOn(services, resource, filter),
        )));
  const patients = audience.kind === 'patient' ? [audience.id] : [];
  const outcome = isCovered ? 'permit' : 'deny';
  await recordAccess(services, context, { interaction: 'read', outcome, entities: [`AuditEvent/${id}`], patients });
  if (!isCovered) throw unknown('AuditEvent', id);
  return { status: 200, versionId: '1', lastModified: Date.parse(String(resource['recorded'])), resource };
}
