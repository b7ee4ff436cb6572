/** The sealing thread: compresses, seals and hashes the contents of a commit group. Answers `{ id, sealed }` or `{ id, failure }`. */
import { parentPort } from 'node:worker_threads';
import type { LeafContext } from '../../anchoring/leaf.js';
import { createLeafOf } from '../../anchoring/leaf-of.js';
import { LocalContentSealer } from '../../commit/content-sealer.js';
import { packSealed, unpackContents } from './messages.js';

export interface SealingRequest {
  readonly id: number;
  readonly contents: ArrayBuffer;
}

export type SealingReply =
  { readonly id: number; readonly sealed: ArrayBuffer } | { readonly id: number; readonly failure: string };

const port = parentPort!;

const sealer = new LocalContentSealer((version) => {
  const { leafContext, salt } = version as typeof version & { readonly leafContext: LeafContext };
  return createLeafOf(leafContext, () => salt)(version);
});

port.on('message', ({ id, contents }: SealingRequest) => {
  seal(contents)
    .then((sealed) => port.postMessage({ id, sealed } satisfies SealingReply, [sealed]))
    .catch((error: unknown) => port.postMessage({ id, failure: (error as Error).message } satisfies SealingReply));
});

async function seal(packed: ArrayBuffer): Promise<ArrayBuffer> {
  const sealed = await sealer.seal(unpackContents(packed));
  // It held data keys and plaintext.
  new Uint8Array(packed).fill(0);
  return packSealed(sealed);
}
