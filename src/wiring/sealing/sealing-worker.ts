/**
 * The sealing thread: compresses, seals and hashes the contents of a commit group; opens those of a long answer. Answers `{ id, done }` or
 * `{ id, failure }`.
 */
import type { KeyObject } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import type { LeafContext } from '../../anchoring/leaf.js';
import { createLeafOf } from '../../anchoring/leaf-of.js';
import { LocalContentSealer } from '../../commit/content-sealer.js';
import { unwrapKey } from '../../vault/key-wrap.js';
import { openSingle } from '../../vault/sealing.js';
import { packOpened, packSealed, unpackContents, unpackSealedToOpen } from './messages.js';

export type SealingRequest =
  | { readonly id: number; readonly contents: ArrayBuffer }
  | { readonly id: number; readonly toOpen: ArrayBuffer; readonly keys: readonly KeyObject[] };

export type SealingReply =
  { readonly id: number; readonly done: ArrayBuffer } | { readonly id: number; readonly failure: string };

const port = parentPort!;

const sealer = new LocalContentSealer((version) => {
  const { leafContext, salt } = version as typeof version & { readonly leafContext: LeafContext };
  return createLeafOf(leafContext, () => salt)(version);
});

port.on('message', (request: SealingRequest) => {
  const { id } = request;
  answer(request)
    .then((done) => port.postMessage({ id, done } satisfies SealingReply, [done]))
    .catch((error: unknown) => port.postMessage({ id, failure: (error as Error).message } satisfies SealingReply));
});

async function answer(request: SealingRequest): Promise<ArrayBuffer> {
  return 'contents' in request ? await seal(request.contents) : opened(request.toOpen, request.keys);
}

function opened(packed: ArrayBuffer, keys: readonly KeyObject[]): ArrayBuffer {
  return packOpened(
    unpackSealedToOpen(packed).map(({ keyAt, wrapped, reference, block }) => {
      try {
        return openSingle(unwrapKey(keys[keyAt], wrapped), reference, block);
      } catch {
        return undefined;
      }
    }),
  );
}

async function seal(packed: ArrayBuffer): Promise<ArrayBuffer> {
  const sealed = await sealer.seal(unpackContents(packed));
  // It held data keys and plaintext.
  new Uint8Array(packed).fill(0);
  return packSealed(sealed);
}
