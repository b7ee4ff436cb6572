/**
 * Reads of a transaction are tried before anything is written: a transaction takes effect only when each of its entries succeeds.
 *
 * Spec: https://hl7.org/fhir/R4/http.html#transaction-response. What an entry writes counts as there (or as deleted) for the reads of the same
 * transaction. A rehearsal releases nothing, so only what it refuses is recorded.
 */
import { fhirError } from '../../base/outcome.js';
import { inSlices, type Slices } from '../../base/pause.js';
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
  slices: Slices,
): Promise<void> {
  const reads = entries.filter(({ request }) => request.method === 'GET' || request.method === 'HEAD');
  if (reads.length === 0) return;
  const written = await inSlices(namesOf(writes), slices);
  for (const { request, place } of reads) {
    await slices.turn();
    const name = request.path.slice(0, 2).join('/');
    const write = written.get(name);
    if (write === 'delete' && request.path.length === 2) {
      await problems.collect(`${place}.request`, () => Promise.reject(deletedHere(name)));
    } else if (write === undefined) {
      await problems.collect(`${place}.request`, () => handle(request, { ...context, isRehearsal: true }));
    }
  }
}

function* namesOf(writes: Iterable<WriteOperation>): Generator<void, Map<string, WriteOperation['interaction']>> {
  const written = new Map<string, WriteOperation['interaction']>();
  for (const { resourceType, id, interaction } of writes) {
    written.set(`${resourceType}/${id}`, interaction);
    yield;
  }
  return written;
}

function deletedHere(name: string) {
  return fhirError(410, 'deleted', `${name} is deleted by the same transaction.`);
}
