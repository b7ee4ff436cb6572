/**
 * batch: each entry for itself, as if it had come alone.
 *
 * Entries that depend on nothing before them run together, so that they share group commits; one with a conditional reference or a condition
 * waits for all before it.
 *
 * Spec: https://hl7.org/fhir/R4/http.html#batch
 */
import { renderError } from '../outcome.js';
import type { Context, FhirRequest, FhirResponse } from '../request.js';
import type { FhirServices } from '../services.js';
import { findReferences } from './references.js';
import { requestEntry } from './request-entry.js';
import { responseEntry, type ResponseEntry } from './response-entry.js';
import type { Handle } from './transaction.js';

/** Entries that are worked on at the same time. */
const together = 32;

/** @returns a batch-response with one entry for each of `entries`, in their order. */
export async function batch(
  services: Pick<FhirServices, 'reportDefect'>,
  handle: Handle,
  request: FhirRequest,
  context: Context,
  entries: readonly unknown[],
): Promise<FhirResponse> {
  const answers: ResponseEntry[] = new Array<ResponseEntry>(entries.length);
  const underWay = new Set<Promise<void>>();
  for (let index = 0; index < entries.length; index += 1) {
    if (mustWait(entries[index])) await Promise.all(underWay);
    const run = answerEntry(services, handle, request, context, entries[index], index).then((answer) => {
      answers[index] = answer;
      underWay.delete(run);
    });
    underWay.add(run);
    if (underWay.size >= together) await Promise.race(underWay);
  }
  await Promise.all(underWay);
  return {
    status: 200,
    resource: { resourceType: 'Bundle', type: 'batch-response', ...(answers.length > 0 ? { entry: answers } : {}) },
  };
}

function mustWait(entry: unknown): boolean {
  const { request, resource } = (entry ?? {}) as {
    request?: { method?: unknown; url?: unknown; ifNoneExist?: unknown };
    resource?: object;
  };
  if (request?.method !== 'POST') return true;
  if (typeof resource !== 'object' || resource === null) return true;
  return findReferences(resource, '').some(({ reference }) => reference.includes('?'));
}

async function answerEntry(
  services: Pick<FhirServices, 'reportDefect'>,
  handle: Handle,
  request: FhirRequest,
  context: Context,
  entry: unknown,
  index: number,
): Promise<ResponseEntry> {
  try {
    const parsed = requestEntry(entry, index, context.baseUrl, request.prefer);
    const { method } = parsed.request;
    const last = parsed.request.path.at(-1) ?? '';
    const isRead = method === 'GET' || method === 'HEAD' || last.startsWith('$') || last === '_search';
    const answer = await handle(parsed.request, { ...context, isBundleEntry: true });
    return responseEntry(answer, context.baseUrl, isRead || parsed.request.prefer.return === 'representation');
  } catch (error) {
    const { status, outcome, isDefect } = renderError(error, context.requestId);
    if (isDefect) services.reportDefect(context.requestId, error);
    return responseEntry({ status, resource: outcome }, context.baseUrl, false);
  }
}
