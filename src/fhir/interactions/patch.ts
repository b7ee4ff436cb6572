/** patch and conditional patch. Spec: https://hl7.org/fhir/R4/http.html#patch */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { applyFhirPathPatch } from '../patch/fhirpath-patch.js';
import { applyJsonPatch } from '../patch/json-patch.js';
import { applyMergePatch } from '../patch/merge-patch.js';
import { applyXmlPatch } from '../patch/xml-patch.js';
import type { FhirRequest } from '../request.js';
import type { FhirServices } from '../services.js';
import type { Interaction } from './interaction.js';
import { whichOne, writeOne } from './write-one.js';

export const patch: Interaction = async (services, request, context, parameters) => {
  const { type, ...which } = whichOne(request, context, parameters, 'u');
  const change = patchOf(services, request, type);
  return writeOne(services, request, context, type, { interaction: 'patch', ...which, patch: change });
};

/**
 * The change that a patch body asks for; id, type and meta.versionId stay whatever the patch says.
 * @throws FhirError 415 when the body is no patch.
 */
export function patchOf(
  services: Pick<FhirServices, 'definitions'>,
  { body, bodyFormat }: Pick<FhirRequest, 'body' | 'bodyFormat'>,
  type: string,
): (present: Resource) => Resource {
  const change = changeOf(services, body, bodyFormat);
  return (present) => {
    const changed = change(present);
    if (typeof changed !== 'object' || changed === null || changed.resourceType !== type) {
      throw fhirError(422, 'business-rule', `A patch must leave a ${type}.`, 'resourceType');
    }
    if (changed.id !== present.id) throw fhirError(422, 'business-rule', 'A patch cannot change the id.', `${type}.id`);
    return changed;
  };
}

function changeOf(
  { definitions }: Pick<FhirServices, 'definitions'>,
  body: unknown,
  bodyFormat: FhirRequest['bodyFormat'],
): (present: Resource) => Resource {
  if (bodyFormat === 'json-patch' || (bodyFormat === 'json' && Array.isArray(body))) {
    return (present) => applyJsonPatch(present, body);
  }
  if (bodyFormat === 'merge-patch') return (present) => applyMergePatch(present, body);
  if ((bodyFormat === 'json' || bodyFormat === 'xml') && typeof body === 'object' && body !== null) {
    return (present) => applyFhirPathPatch(definitions, present, body as Resource);
  }
  if (bodyFormat === 'xml-patch' && typeof body === 'string') {
    return (present) => applyXmlPatch(definitions, present, body);
  }
  throw fhirError(
    415,
    'not-supported',
    'A patch comes as application/json-patch+json, application/merge-patch+json, application/xml-patch+xml, or as Parameters (FHIRPath Patch).',
  );
}
