/**
 * The writer's thread: owns the one writing connection. Answers each message with `{ id }` or `{ id, failure }`.
 *
 * A thread of its own, so that inserting and syncing never hold up the event loop that answers requests.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Amendment } from '../catalog.js';
import { Connection } from './connection.js';
import { EntryWriter } from './entry-writer.js';
import { unpackEntries } from './packed-entries.js';
import { schema, schemaVersion, writerPragmas } from './schema.js';

export type WriterRequest =
  | {
      readonly id: number;
      readonly kind: 'apply';
      /** Entries, packed, in order. */
      readonly records: readonly ArrayBuffer[];
      readonly isDurable: boolean;
    }
  | { readonly id: number; readonly kind: 'put-state'; readonly key: string; readonly value: Uint8Array }
  | { readonly id: number; readonly kind: 'amend'; readonly amendment: Amendment }
  | { readonly id: number; readonly kind: 'sweep'; readonly after: string }
  | { readonly id: number; readonly kind: 'close' };

export interface WriterReply {
  readonly id: number;
  /** Of a step of a sweep: where the next one begins. */
  readonly next?: string;
  readonly failure?: string;
}

const port = parentPort!;
const { file } = workerData as { file: string };
const db = new Connection(file, 5_000);
db.exec(writerPragmas);
checkVersion();
db.exec(schema);
const writer = new EntryWriter(db);

port.on('message', (request: WriterRequest) => {
  try {
    const next = handle(request);
    port.postMessage({ id: request.id, ...(next === undefined ? {} : { next }) } satisfies WriterReply);
  } catch (error) {
    port.postMessage({ id: request.id, failure: (error as Error).message } satisfies WriterReply);
  }
  if (request.kind === 'close') port.close();
});
port.postMessage({ id: 0 } satisfies WriterReply);

/** @throws Error when the tables were made by a version of this server that keeps them otherwise. */
function checkVersion(): void {
  const found = db.prepare('PRAGMA user_version').get([])![0];
  if (found !== 0 && found !== schemaVersion) {
    throw new Error(
      `its tables are of version ${String(found)}, this server reads and writes version ${schemaVersion}`,
    );
  }
}

function handle(request: WriterRequest): string | undefined | void {
  switch (request.kind) {
    case 'apply': {
      const work = () => writer.apply(request.records.flatMap(unpackEntries));
      return request.isDurable ? durably(work) : work();
    }
    case 'put-state':
      return durably(() => writer.putState(request.key, request.value));
    case 'amend':
      return durably(() => writer.amend(request.amendment));
    case 'sweep':
      return durably(() => writer.sweep(request.after));
    case 'close':
      db.close();
      return undefined;
  }
}

/** What `work` commits survives power loss, and with it everything that was committed before. */
function durably<T>(work: () => T): T {
  db.exec('PRAGMA synchronous = FULL');
  try {
    return work();
  } finally {
    db.exec('PRAGMA synchronous = NORMAL');
  }
}
