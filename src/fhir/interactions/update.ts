/** update, conditional update, update as create. Spec: https://hl7.org/fhir/R4/http.html#update, #cond-update, #upsert */
import { fhirError } from '../../base/outcome.js';
import { requireScope } from '../access.js';
import { answerOf } from '../write/answer.js';
import { write } from '../write/write.js';
import { bodyResource, conditionOf, instanceOf, versionIdOf, type Interaction } from './interaction.js';
import { binaryOf } from './native.js';

export const update: Interaction = async (services, request, context, parameters) => {
  const { type, id } = instanceOf(parameters);
  requireScope(context.principal, type, 'u');
  const resource = bodyResource({ ...request, body: binaryOf(request, id) }, type);
  if (resource.id === undefined) {
    throw fhirError(400, 'invalid', `The body has no id; expected "${id}" as in the URL.`, `${type}.id`);
  }
  const [written] = await write(services, context, [
    {
      interaction: 'update',
      resourceType: type,
      id,
      resource,
      ifMatch: versionIdOf(request.ifMatch),
      ifNoneMatch: versionIdOf(request.ifNoneMatch),
      place: type,
    },
  ]);
  return answerOf(services, request, context, written);
};

export const conditionalUpdate: Interaction = async (services, request, context, { type = '' }) => {
  requireScope(context.principal, type, 'u');
  const condition = conditionOf(request.query);
  if (condition === undefined) {
    throw fhirError(400, 'invalid', `PUT ${type} needs an id in the URL or search criteria that find one resource.`);
  }
  const [written] = await write(services, context, [
    {
      interaction: 'update',
      resourceType: type,
      condition,
      resource: bodyResource(request, type),
      ifMatch: versionIdOf(request.ifMatch),
      ifNoneMatch: versionIdOf(request.ifNoneMatch),
      place: type,
    },
  ]);
  return answerOf(services, request, context, written);
};
