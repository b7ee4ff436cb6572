/** Whole groups out of Kubo: one CAR a pin, several on their way, instead of one call a block. Spec: https://ipld.io/specs/transport/car/carv1/ */
import { CarBlockIterator } from '@ipld/car';
import type { CID } from 'multiformats/cid';
import { sameBytes, sha256 } from '../base/bytes.js';
import { BlockCorrupt, type SealedBlock } from './block-store.js';
import { digestOfCid } from './cid.js';
import { isManifest, isSealedBlock, membersOf } from './kubo-group.js';
import type { KuboNode } from './kubo-node.js';

/** CARs that are on their way or wait to be read. */
const mostExports = 4;

/**
 * The sealed blocks of the group at `root` as the node itself has them, each checked against its digest; none when it is not a group of ours.
 * @throws BlockCorrupt; BlockStoreUnavailable also when the node lacks one of them.
 */
export async function exportGroup(node: KuboNode, root: CID): Promise<SealedBlock[]> {
  const blocks: SealedBlock[] = [];
  for await (const { cid, bytes } of await CarBlockIterator.fromBytes(await node.export(root))) {
    if (!sameBytes(sha256(bytes), cid.multihash.digest)) throw new BlockCorrupt(cid.toString());
    if (isManifest(cid) && membersOf(bytes) === undefined) return [];
    if (isSealedBlock(cid)) blocks.push({ digest: digestOfCid(cid), bytes });
  }
  return blocks;
}

/** `work` of each of `items`, in their order, begun for the next few while the first is read. */
export async function* ahead<T, R>(items: AsyncIterable<T>, work: (item: T) => Promise<R>): AsyncIterable<R> {
  const begun: Promise<R>[] = [];
  for await (const item of items) {
    const task = work(item);
    // Reported when its turn comes.
    task.catch(() => undefined);
    begun.push(task);
    if (begun.length >= mostExports) yield await begun.shift()!;
  }
  for (const task of begun) yield await task;
}
