/**
 * Refusals, in one place for everything that the router does: each is recorded, and none tells by its time why it was given.
 *
 * An unknown id and a hidden one must look the same. Both leave a record in the access log, and both answers leave on a grid of time, so
 * that a decision that was or was not in memory, or a look-up more or less, does not show.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { FhirError } from '../base/outcome.js';
import { otherPatient } from './access.js';
import { hasRefusal, noteRequest, recordAccess } from './access-record.js';
import type { Context, FhirRequest, FhirResponse } from './request.js';
import type { FhirServices } from './services.js';

type Handle = (request: FhirRequest, context: Context) => Promise<FhirResponse>;

/** Answers of "not found" leave at multiples of this after their request came: longer than nearly every call of the contract on the embedded chain. */
export const refusalGridMs = 8;

export function withRefusals(services: Pick<FhirServices, 'accessLog' | 'clock'>, handle: Handle): Handle {
  return async (request, context) => {
    const cameAt = performance.now();
    noteRequest(context, request);
    try {
      return await handle(request, context);
    } catch (error) {
      if (!(error instanceof FhirError) || !isRefusal(error, request)) throw error;
      if (!hasRefusal(context)) await recordUnseen(services, request, context);
      if (error.status === 404 || isUnseen(error, request))
        await sleep(refusalGridMs - ((performance.now() - cameAt) % refusalGridMs));
      throw asTold(error, request, context);
    }
  };
}

/** Whoever may see one patient alone hears that of every other one, known or not. */
function asTold(error: FhirError, { path: [type = '', id] }: FhirRequest, { principal }: Context): FhirError {
  if (error.status !== 404 || id === undefined || id.startsWith('_') || id.startsWith('$')) return error;
  return otherPatient(principal, type, id) ?? error;
}

/** Forbidden, or "not known" of a single resource, or a PUT that does not create. */
function isRefusal(error: FhirError, request: FhirRequest): boolean {
  return error.status === 403 || isUnseen(error, request);
}

function isUnseen({ status }: FhirError, { method, path }: FhirRequest): boolean {
  return path.length >= 2 && (status === 404 || (status === 405 && method === 'PUT'));
}

/** What was asked for is named as the client named it: there may be nothing behind the name. */
function recordUnseen(
  services: Pick<FhirServices, 'accessLog' | 'clock'>,
  { method, path }: FhirRequest,
  context: Context,
): Promise<void> {
  const [type = '', id] = path;
  const last = path.at(-1) ?? '';
  const interaction = last.startsWith('$') ? last.slice(1) : interactions[method];
  const isInstance = id !== undefined && !id.startsWith('$') && !id.startsWith('_');
  return recordAccess(services, context, {
    interaction: interaction.slice(0, 64),
    outcome: 'deny',
    entities: isInstance ? [`${type}/${id}`.slice(0, 200)] : [],
    patients: [],
  });
}

const interactions: Record<FhirRequest['method'], string> = {
  GET: 'read',
  HEAD: 'read',
  POST: 'create',
  PUT: 'update',
  PATCH: 'patch',
  DELETE: 'delete',
};
