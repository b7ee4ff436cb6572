/** delete and conditional delete. Spec: https://hl7.org/fhir/R4/http.html#delete, #cdelete */
import type { Interaction } from './interaction.js';
import { whichOne, writeOne } from './write-one.js';

export const deleteResource: Interaction = async (services, request, context, parameters) => {
  const { type, ...which } = whichOne(request, context, parameters, 'd');
  return writeOne(services, request, context, type, { interaction: 'delete', ...which });
};
