/** Entries out of the catalog's file, read by a thread of its own, so that a backup does not hold up requests. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { CatalogUnavailable, type Entry } from '../catalog.js';
import { unpackEntries } from './packed-entries.js';

/** What the thread answers: some entries, packed; `done` with the last of them. */
export interface ExportReply {
  readonly entries: ArrayBuffer;
  readonly done: boolean;
}

/** The entries [from, until). @throws CatalogUnavailable while it is read. */
export async function* exportEntries(file: string, from: number, until: number): AsyncIterable<Entry> {
  if (from >= until) return;
  const worker = new Worker(new URL('./exporter.js', import.meta.url), { workerData: { file, from, until } });
  try {
    for (;;) {
      worker.postMessage('more');
      const [reply] = (await once(worker, 'message')) as [ExportReply];
      yield* unpackEntries(reply.entries);
      if (reply.done) return;
    }
  } catch (error) {
    throw new CatalogUnavailable(`the log cannot be read: ${(error as Error).message}`);
  } finally {
    await worker.terminate();
  }
}
