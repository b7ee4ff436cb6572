/** read: the present version. Spec: https://hl7.org/fhir/R4/http.html#read, #cread */
import { fhirError } from '../../base/outcome.js';
import type { VersionRow } from '../../commit/catalog.js';
import { requireScope } from '../access.js';
import type { FhirRequest, FhirResponse } from '../request.js';
import { readAuditEvent } from '../audit/read-audit.js';
import type { Principal } from '../../consent/gate.js';
import { contentOf, type ContentServices } from '../visible-content.js';
import { shapeOf, shaped } from '../summary/shape.js';
import { unknown } from '../write/targets.js';
import { instanceOf, versionIdOf, type Interaction } from './interaction.js';
import { nativeIfWanted } from './native.js';
import { beginRelease, onceRecorded } from './release.js';

export const read: Interaction = async (services, request, context, parameters) => {
  const { type, id } = instanceOf(parameters);
  requireScope(context.principal, type, 'r');
  if (type === 'AuditEvent') {
    const resource = await readAuditEvent(services, context, id);
    if (resource !== undefined) return shaped(services, shapeOf(request.query), resource);
  }
  const found = services.catalog.current(services.names.resource(type, id), services.catalog.head().seq);
  const row = found instanceof Promise ? await found : found;
  if (row === undefined) throw unknown(type, id);
  const { permit, recorded } = await beginRelease(services, context, 'read', row);
  return onceRecorded(recorded, async () => {
    if (!permit) throw unknown(type, id);
    if (row.isDeleted) throw fhirError(410, 'deleted', `${type}/${id} is deleted.`);
    const answer = await notModifiedOr(services, request, row, context.principal);
    return nativeIfWanted(request, shaped(services, shapeOf(request.query), answer));
  });
};

/** The version, or 304 when the client has it already. */
export async function notModifiedOr(
  services: ContentServices,
  request: FhirRequest,
  row: VersionRow,
  principal: Principal,
): Promise<FhirResponse> {
  const headers = { versionId: String(row.versionId), lastModified: row.lastUpdated };
  if (isKnown(request, row)) return { status: 304, ...headers };
  return { status: 200, ...headers, resource: await contentOf(services, principal, row) };
}

function isKnown({ ifNoneMatch, ifModifiedSince }: FhirRequest, row: VersionRow): boolean {
  if (ifNoneMatch !== undefined) {
    return ifNoneMatch.split(',').some((tag) => tag.trim() === '*' || versionIdOf(tag) === String(row.versionId));
  }
  // HTTP dates have no fractions of a second.
  return ifModifiedSince !== undefined && Math.floor(row.lastUpdated / 1000) * 1000 <= ifModifiedSince;
}
