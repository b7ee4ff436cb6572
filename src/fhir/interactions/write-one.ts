/** The one write of a request: what create, update, patch and delete have in common. */
import { fhirError } from '../../base/outcome.js';
import { requireScope } from '../access.js';
import type { Permission } from '../../smart/scopes.js';
import type { Context, FhirRequest, FhirResponse } from '../request.js';
import type { FhirServices } from '../services.js';
import { answerOf } from '../write/answer.js';
import type { WriteOperation } from '../write/operation.js';
import { write } from '../write/write.js';
import { conditionOf, ifMatchOf, instanceOf, versionIdOf, type PathParameters } from './interaction.js';

/** What distinguishes one write from another; the place and the preconditions are the request's. */
export type OneWrite = Pick<WriteOperation, 'interaction' | 'id' | 'condition' | 'resource' | 'patch' | 'dropsLabels'>;

/** Writes and answers. @throws FhirError with everything that speaks against it. */
export async function writeOne(
  services: FhirServices,
  request: FhirRequest,
  context: Context,
  type: string,
  one: OneWrite,
): Promise<FhirResponse> {
  const [written] = await write(services, context, [
    {
      ...one,
      resourceType: type,
      ifMatch: ifMatchOf(request.ifMatch),
      ifNoneMatch: versionIdOf(request.ifNoneMatch),
      place: type,
    },
  ]);
  return answerOf(services, request, context, written);
}

/**
 * Which resource a write is about: the id of the URL, or the search criteria of a conditional one.
 * @throws FhirError 403 without a scope for it; 404 for an id that can be none; 400 `invalid` without id and criteria.
 */
export function whichOne(
  { method, query }: FhirRequest,
  { principal }: Context,
  parameters: PathParameters,
  permission: Permission,
): { readonly type: string; readonly id?: string; readonly condition?: string } {
  const { type = '' } = parameters;
  if (parameters.id !== undefined) {
    const { id } = instanceOf(parameters);
    requireScope(principal, type, permission);
    return { type, id };
  }
  requireScope(principal, type, permission);
  const condition = conditionOf(query);
  if (condition !== undefined) return { type, condition };
  throw fhirError(400, 'invalid', `${method} ${type} needs an id in the URL or search criteria.`);
}
