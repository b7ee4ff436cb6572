/** update, conditional update, update as create. Spec: https://hl7.org/fhir/R4/http.html#update, #cond-update, #upsert */
import { fhirError } from '../../base/outcome.js';
import { bodyResource, type Interaction } from './interaction.js';
import { binaryOf } from './native.js';
import { whichOne, writeOne } from './write-one.js';

export const update: Interaction = async (services, request, context, parameters) => {
  const { type, ...which } = whichOne(request, context, parameters, 'u');
  const resource = bodyResource({ ...request, body: binaryOf(request, which.id) }, type);
  if (which.id !== undefined && resource.id === undefined) {
    throw fhirError(400, 'invalid', `The body has no id; expected "${which.id}" as in the URL.`, `${type}.id`);
  }
  return writeOne(services, request, context, type, { interaction: 'update', ...which, resource });
};
