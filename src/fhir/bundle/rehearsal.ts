/**
 * Reads of a transaction are tried before anything is written: a transaction takes effect only when each of its entries succeeds.
 *
 * Spec: https://hl7.org/fhir/R4/http.html#transaction-response. What an entry writes counts as there (or as deleted) for the reads of the same
 * transaction. A rehearsal releases nothing, so only what it refuses is recorded.
 */
import { fhirError } from '../../base/outcome.js';
import type { Context } from '../request.js';
import type { Problems } from '../write/problems.js';
import type { WriteOperation } from '../write/operation.js';
import type { RequestEntry } from './request-entry.js';
import type { Handle } from './transaction.js';

/** Adds to `problems` what the reads among `entries` would end in, whatever `writes` do. */
export async function rehearse(
  handle: Handle,
  context: Context,
  entries: readonly RequestEntry[],
  writes: Iterable<WriteOperation>,
  problems: Problems,
): Promise<void> {
  const written = new Map<string, WriteOperation['interaction']>();
  for (const { resourceType, id, interaction } of writes) written.set(`${resourceType}/${id}`, interaction);
  for (const { request, place } of entries) {
    if (request.method !== 'GET' && request.method !== 'HEAD') continue;
    const name = request.path.slice(0, 2).join('/');
    const write = written.get(name);
    if (write === 'delete' && request.path.length === 2) {
      await problems.collect(`${place}.request`, () => Promise.reject(deletedHere(name)));
    } else if (write === undefined) {
      await problems.collect(`${place}.request`, () => handle(request, { ...context, isRehearsal: true }));
    }
  }
}

function deletedHere(name: string) {
  return fhirError(410, 'deleted', `${name} is deleted by the same transaction.`);
}
