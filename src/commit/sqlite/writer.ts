/**
 * The writer's thread: owns the one writing connection. Answers each message with `{ id }` or `{ id, failure }`.
 *
 * A thread of its own, so that inserting and syncing never hold up the event loop that answers requests.
 */
import { parentPort, workerData } from 'node:worker_threads';
import { AppendConflict, type Amendment } from '../catalog.js';
import { Connection } from './connection.js';
import { EntryWriter } from './entry-writer.js';
import { unpackEntries } from './packed-entries.js';
import { schema, schemaVersion, writerPragmas } from './schema.js';

export type WriterRequest =
  | { readonly id: number; readonly kind: 'append'; readonly entries: ArrayBuffer }
  | { readonly id: number; readonly kind: 'put-state'; readonly key: string; readonly value: Uint8Array }
  | { readonly id: number; readonly kind: 'amend'; readonly amendment: Amendment }
  | { readonly id: number; readonly kind: 'sweep'; readonly after: string }
  | { readonly id: number; readonly kind: 'close' };

export interface WriterReply {
  readonly id: number;
  /** Of a step of a sweep: where the next one begins. */
  readonly next?: string;
  readonly failure?: { readonly kind: 'conflict' | 'unavailable'; readonly message: string };
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
    const kind = error instanceof AppendConflict ? 'conflict' : 'unavailable';
    port.postMessage({ id: request.id, failure: { kind, message: (error as Error).message } } satisfies WriterReply);
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

function handle(request: WriterRequest): string | undefined {
  switch (request.kind) {
    case 'append':
      writer.append(unpackEntries(request.entries));
      return undefined;
    case 'put-state':
      writer.putState(request.key, request.value);
      return undefined;
    case 'amend':
      writer.amend(request.amendment);
      return undefined;
    case 'sweep':
      return writer.sweep(request.after);
    case 'close':
      db.close();
      return undefined;
  }
}
