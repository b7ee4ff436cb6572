/** delete and conditional delete. Spec: https://hl7.org/fhir/R4/http.html#delete, #cdelete */
import { fhirError } from '../../base/outcome.js';
import { requireScope } from '../access.js';
import { answerOf } from '../write/answer.js';
import { write } from '../write/write.js';
import { conditionOf, instanceOf, versionIdOf, type Interaction } from './interaction.js';

export const deleteInstance: Interaction = async (services, request, context, parameters) => {
  const { type, id } = instanceOf(parameters);
  requireScope(context.principal, type, 'd');
  const [written] = await write(services, context, [
    { interaction: 'delete', resourceType: type, id, ifMatch: versionIdOf(request.ifMatch), place: type },
  ]);
  return answerOf(services, request, context, written);
};

export const conditionalDelete: Interaction = async (services, request, context, { type = '' }) => {
  requireScope(context.principal, type, 'd');
  const condition = conditionOf(request.query);
  if (condition === undefined) {
    throw fhirError(400, 'invalid', `DELETE ${type} needs an id in the URL or search criteria.`);
  }
  const [written] = await write(services, context, [
    { interaction: 'delete', resourceType: type, condition, ifMatch: versionIdOf(request.ifMatch), place: type },
  ]);
  return answerOf(services, request, context, written);
};
