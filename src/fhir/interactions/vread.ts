/** vread: one version. Spec: https://hl7.org/fhir/R4/http.html#vread */
import { fhirError } from '../../base/outcome.js';
import { requireScope } from '../access.js';
import { readAuditEvent } from '../audit/read-audit.js';
import { shapeOf, shaped } from '../summary/shape.js';
import { instanceOf, type Interaction } from './interaction.js';
import { nativeIfWanted } from './native.js';
import { notModifiedOr } from './read.js';
import { beginRelease, onceRecorded } from './release.js';

export const vread: Interaction = async (services, request, context, parameters) => {
  const { type, id } = instanceOf(parameters);
  const { versionId = '' } = parameters;
  requireScope(context.principal, type, 'r');
  if (type === 'AuditEvent' && versionId === '1') {
    const resource = await readAuditEvent(services, context, id);
    if (resource !== undefined) return shaped(services, shapeOf(request.query), resource);
  }
  const isNumber = /^[1-9][0-9]{0,9}$/.test(versionId);
  const row = isNumber
    ? await services.catalog.version(services.names.resource(type, id), Number(versionId))
    : undefined;
  const place = `${type}/${id}/_history/${versionId.slice(0, 64)}`;
  if (row === undefined) throw fhirError(404, 'not-found', `${place} is not known.`);
  const { permit, recorded } = await beginRelease(services, context, 'vread', row);
  return onceRecorded(recorded, async () => {
    if (!permit) throw fhirError(404, 'not-found', `${place} is not known.`);
    if (row.isDeleted) throw fhirError(410, 'deleted', `${type}/${id} was deleted in version ${versionId}.`);
    const answer = await notModifiedOr(services, request, row, context.principal);
    return nativeIfWanted(request, shaped(services, shapeOf(request.query), answer));
  });
};
