/** Blocks out to and in from CAR files, as IPFS tools read and write them. */
import { CarBlockIterator, CarWriter } from '@ipld/car';
import { sameBytes, sha256 } from '../base/bytes.js';
import type { BlockDigest } from '../base/ids.js';
import { BlockCorrupt, type BlockStore, type SealedBlock } from './block-store.js';
import { cidOf, digestOfCid } from './cid.js';
import { DigestSet } from './digest-set.js';

const batchBytes = 4 * 1024 * 1024;

/**
 * The bytes of a CAR (version 1, raw blocks) with `digests` out of `store`.
 * @param roots what the CAR is about; by default nothing.
 * @throws BlockMissing, BlockCorrupt, BlockStoreUnavailable while it is read.
 */
export function exportCar(
  store: BlockStore,
  digests: AsyncIterable<BlockDigest> | Iterable<BlockDigest>,
  roots: readonly BlockDigest[] = [],
): AsyncIterable<Uint8Array> {
  return carOf(blocksOf(store, digests), roots);
}

async function* blocksOf(store: BlockStore, digests: AsyncIterable<BlockDigest> | Iterable<BlockDigest>) {
  for await (const digest of digests) yield { digest, bytes: await store.get(digest) };
}

/** The bytes of a CAR (version 1, raw blocks) with `blocks`, each once. @param roots what the CAR is about; by default nothing. */
export async function* carOf(
  blocks: AsyncIterable<SealedBlock>,
  roots: readonly BlockDigest[] = [],
): AsyncIterable<Uint8Array> {
  const { writer, out } = CarWriter.create(roots.map(cidOf));
  const written = new DigestSet();
  const feed = (async () => {
    try {
      for await (const { digest, bytes } of blocks) {
        if (written.add(digest)) await writer.put({ cid: cidOf(digest), bytes });
      }
    } finally {
      await writer.close();
    }
  })();
  // Whoever stops reading early leaves the feed waiting; its failure is reported below when all was read.
  feed.catch(() => undefined);
  yield* out;
  await feed;
}

/**
 * Stores every block of a CAR.
 * @returns how many blocks the CAR held.
 * @throws RangeError on blocks other than raw with sha2-256, BlockCorrupt when bytes do not match their CID, BlockStoreUnavailable.
 */
export async function importCar(store: BlockStore, car: AsyncIterable<Uint8Array>): Promise<number> {
  const blocks = await CarBlockIterator.fromIterable(car);
  let batch: SealedBlock[] = [];
  let size = 0;
  let count = 0;
  for await (const { cid, bytes } of blocks) {
    const digest = digestOfCid(cid.toString());
    if (!sameBytes(sha256(bytes), digest)) throw new BlockCorrupt(cid.toString());
    batch.push({ digest, bytes });
    count += 1;
    size += bytes.byteLength;
    if (size < batchBytes) continue;
    await store.put(batch);
    batch = [];
    size = 0;
  }
  await store.put(batch);
  return count;
}
