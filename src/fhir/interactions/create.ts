/** create and conditional create. Spec: https://hl7.org/fhir/R4/http.html#create, #ccreate */
import { randomUUID } from 'node:crypto';
import { fhirError } from '../../base/outcome.js';
import { requireScope } from '../access.js';
import { bodyResource, ifNoneExistOf, type Interaction } from './interaction.js';
import { binaryOf } from './native.js';
import { writeOne } from './write-one.js';

export const create: Interaction = async (services, request, context, { type = '' }) => {
  requireScope(context.principal, type, 'c');
  const { id, ...resource } = bodyResource({ ...request, body: binaryOf(request) }, type);
  if (id !== undefined && context.isBundleEntry !== true) {
    const diagnostics = `The body has the id "${id}", but the server assigns ids on create; use PUT ${type}/${id}.`;
    throw fhirError(400, 'invalid', diagnostics, `${type}.id`);
  }
  const condition = ifNoneExistOf(request.ifNoneExist, type);
  return writeOne(services, request, context, type, { interaction: 'create', id: randomUUID(), resource, condition });
};
