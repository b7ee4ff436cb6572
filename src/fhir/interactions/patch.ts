/** patch and conditional patch. Spec: https://hl7.org/fhir/R4/http.html#patch */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { requireScope } from '../access.js';
import { applyFhirPathPatch } from '../patch/fhirpath-patch.js';
import { applyJsonPatch } from '../patch/json-patch.js';
import type { FhirRequest } from '../request.js';
import type { FhirServices } from '../services.js';
import { answerOf } from '../write/answer.js';
import { write } from '../write/write.js';
import { conditionOf, instanceOf, versionIdOf, type Interaction } from './interaction.js';

export const patchInstance: Interaction = async (services, request, context, parameters) => {
  const { type, id } = instanceOf(parameters);
  requireScope(context.principal, type, 'u');
  const [written] = await write(services, context, [
    {
      interaction: 'patch',
      resourceType: type,
      id,
      patch: patchOf(services, request, type),
      ifMatch: versionIdOf(request.ifMatch),
      place: type,
    },
  ]);
  return answerOf(services, request, context, written);
};

export const conditionalPatch: Interaction = async (services, request, context, { type = '' }) => {
  requireScope(context.principal, type, 'u');
  const condition = conditionOf(request.query);
  if (condition === undefined) {
    throw fhirError(400, 'invalid', `PATCH ${type} needs an id in the URL or search criteria that find one resource.`);
  }
  const [written] = await write(services, context, [
    {
      interaction: 'patch',
      resourceType: type,
      condition,
      patch: patchOf(services, request, type),
      ifMatch: versionIdOf(request.ifMatch),
      place: type,
    },
  ]);
  return answerOf(services, request, context, written);
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
  if ((bodyFormat === 'json' || bodyFormat === 'xml') && typeof body === 'object' && body !== null) {
    return (present) => applyFhirPathPatch(definitions, present, body as Resource);
  }
  throw fhirError(
    415,
    'not-supported',
    'A patch comes as application/json-patch+json, or as Parameters (FHIRPath Patch).',
  );
}
