/** Copies one store into another over the ports: blocks, keys, state, entries. What is there already is passed over, so it can be repeated. */
import type { Catalog, Entry } from '../../commit/catalog.js';
import type { BlockStore, SealedBlock } from '../../ipfs/block-store.js';
import { DigestSet } from '../../ipfs/digest-set.js';
import { ArchiveBroken } from './archive.js';

const blocksAtOnce = 500;
const bytesAtOnce = 8 * 1024 * 1024;
const keysAtOnce = 500;
const statesAtOnce = 16;
/** Each append to MongoDB tells of each resource that it supersedes: few large ones cost less. */
const versionsAtOnce = 5_000;

/** Called now and then. */
export type OnProgress = (what: string, done: number, total: number) => void;

/** State that is about one process or procedure, not about what is kept. */
export const passingStates = ['migration', 'health'];

/** The stores of one installation. */
export interface Stores {
  readonly catalog: Catalog;
  readonly blocks: BlockStore;
}

/**
 * Brings everything of `from` into `to`, where a part that is the same store stays as it is. After a failure anywhere it is done again: what is there is
 * passed over. Blocks come before the entries that name them.
 * @throws ArchiveBroken when the target has another, longer log.
 */
export async function moveAll(from: Stores, to: Stores, onProgress?: OnProgress): Promise<void> {
  if (to.blocks !== from.blocks) await copyBlocks(from.blocks, to.blocks, onProgress);
  if (to.catalog === from.catalog) return;
  await copyKeys(from.catalog, to.catalog);
  await copyStates(from.catalog, to.catalog);
  const { seq } = from.catalog.head();
  const next = to.catalog.head().seq + 1;
  if (next > seq + 1) throw new ArchiveBroken('the target has more entries than the source');
  await appendAll(to.catalog, from.catalog.entries(next, seq + 1), seq, onProgress);
}

/** @returns how many blocks were copied. */
async function copyBlocks(from: BlockStore, to: BlockStore, onProgress?: OnProgress): Promise<number> {
  const { blocks: total } = await from.size();
  const known = new DigestSet();
  for await (const digest of to.list()) known.add(digest);
  let batch: SealedBlock[] = [];
  let [size, done, copied] = [0, 0, 0];
  // One batch is on its way while the next is read.
  let sent: Promise<void> = Promise.resolve();
  const flush = async () => {
    const blocks = batch;
    [batch, size] = [[], 0];
    await sent;
    copied += blocks.length;
    sent = to.put(blocks);
    // Reported by the next to wait for it.
    sent.catch(() => undefined);
    onProgress?.('blocks', done, total);
  };
  for await (const block of from.readAll()) {
    done += 1;
    if (!known.add(block.digest)) continue;
    batch.push(block);
    size += block.bytes.byteLength;
    if (batch.length >= blocksAtOnce || size >= bytesAtOnce) await flush();
  }
  await flush();
  await sent;
  return copied;
}

async function copyKeys(from: Catalog, to: Catalog): Promise<void> {
  for (let after: Uint8Array | undefined; ;) {
    const keys = await from.compartmentKeys(after, keysAtOnce);
    if (keys.length > 0) await to.amend({ keys, addsKeys: true });
    if (keys.length < keysAtOnce) return;
    after = keys.at(-1)!.compartment;
  }
}

async function copyStates(from: Catalog, to: Catalog): Promise<void> {
  for (let after: string | undefined; ;) {
    const states = await from.states(after, keysAtOnce);
    const kept = states.filter(({ key }) => !passingStates.includes(key));
    for (let at = 0; at < kept.length; at += statesAtOnce) {
      await Promise.all(kept.slice(at, at + statesAtOnce).map(({ key, value }) => to.putState(key, value)));
    }
    if (states.length < keysAtOnce) return;
    after = states.at(-1)!.key;
  }
}

/** Appends entries in groups. @param entries that follow the head of `to`. */
export async function appendAll(
  to: Catalog,
  entries: AsyncIterable<Entry>,
  total: number,
  onProgress?: OnProgress,
): Promise<void> {
  let group: Entry[] = [];
  let versions = 0;
  const flush = async () => {
    await to.append(group);
    [group, versions] = [[], 0];
    onProgress?.('entries', to.head().seq, total);
  };
  for await (const entry of entries) {
    group.push(entry);
    versions += entry.versions.length;
    if (versions >= versionsAtOnce || group.length >= versionsAtOnce) await flush();
  }
  if (group.length > 0) await flush();
}

/**
 * The first difference between two catalogs, record by record, and the first block that `blocks` cannot give; undefined when there is none. Every block
 * is read and has the digest that it is named by.
 * @returns how many versions were compared.
 */
export async function compare(
  from: Catalog,
  to: Catalog,
  blocks: BlockStore,
  onProgress?: OnProgress,
): Promise<{ readonly versions: number; readonly problem?: string }> {
  const [here, there] = [from.head(), to.head()];
  if (here.seq !== there.seq || here.leafCount !== there.leafCount) {
    return { versions: 0, problem: `the log has ${here.seq} entries, the copy ${there.seq}` };
  }
  const held = new DigestSet();
  for await (const { digest } of blocks.readAll()) held.add(digest);
  const copies = to.entries(1, there.seq + 1)[Symbol.asyncIterator]();
  let versions = 0;
  try {
    for await (const entry of from.entries(1, here.seq + 1)) {
      const { value } = (await copies.next()) as IteratorResult<Entry, undefined>;
      if (value === undefined || plainOf(entry) !== plainOf(value)) {
        return { versions, problem: `entry ${entry.seq} of the copy differs` };
      }
      if (entry.versions.some(({ block }) => block !== undefined && !held.has(block))) {
        return { versions, problem: `a block of entry ${entry.seq} is missing in the copy` };
      }
      versions += entry.versions.length;
      if (versions % 1_000 < entry.versions.length) onProgress?.('verified', versions, here.leafCount);
    }
    return { versions };
  } finally {
    // Ends the thread that reads the copy.
    await copies.return?.();
  }
}

/** An entry as text that is equal for equal entries, whatever order a store gives terms and links in. */
function plainOf({ seq, time, versions, erasure }: Entry): string {
  const hex = (bytes: Uint8Array | undefined) =>
    bytes === undefined ? '' : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
  const rows = versions.map((row) => [
    hex(row.resource),
    row.versionId,
    row.isDeleted,
    row.isErased ?? false,
    row.lastUpdated,
    hex(row.block),
    row.keyWraps.map(({ compartment, wrapped }) => hex(compartment) + hex(wrapped)),
    hex(row.header),
    hex(row.leaf),
    hex(row.terms)
      .match(/.{32}/g)
      ?.map((term) => term.slice(0, 20))
      .sort() ?? [],
    row.links.map(({ param, target }) => hex(param) + hex(target)).sort(),
  ]);
  const erased = erasure && [hex(erasure.leaf), erasure.leaves, erasure.compartments.map(hex), erasure.blocks.map(hex)];
  return JSON.stringify([seq, time, rows, erased]);
}
