/** Copies one store into another over the ports: blocks, keys, state, entries. What is there already is passed over, so it can be repeated. */
import type { BlockDigest } from '../../base/ids.js';
import type { Catalog, Entry } from '../../commit/catalog.js';
import type { BlockStore, SealedBlock } from '../../ipfs/block-store.js';
import type { SmartStore } from '../../smart/store/smart-store.js';
import { ArchiveBroken } from './archive.js';

const blocksAtOnce = 500;
const bytesAtOnce = 8 * 1024 * 1024;
const keysAtOnce = 500;
const versionsAtOnce = 1_000;

/** Called now and then. */
export type OnProgress = (what: 'blocks' | 'entries' | 'verified', done: number, total: number) => void;

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
export async function copyBlocks(from: BlockStore, to: BlockStore, onProgress?: OnProgress): Promise<number> {
  const { blocks: total } = await from.size();
  let batch: SealedBlock[] = [];
  let [size, done, copied] = [0, 0, 0];
  const flush = async () => {
    await to.put(batch);
    copied += batch.length;
    [batch, size] = [[], 0];
    onProgress?.('blocks', done, total);
  };
  for await (const digest of from.list()) {
    done += 1;
    if (await to.has(digest)) continue;
    const bytes = await from.get(digest);
    batch.push({ digest: Uint8Array.from(digest), bytes });
    size += bytes.byteLength;
    if (batch.length >= blocksAtOnce || size >= bytesAtOnce) await flush();
  }
  await flush();
  return copied;
}

export async function copyKeys(from: Catalog, to: Catalog): Promise<void> {
  for (let after: Uint8Array | undefined; ;) {
    const keys = await from.compartmentKeys(after, keysAtOnce);
    if (keys.length > 0) await to.amend({ keys, addsKeys: true });
    if (keys.length < keysAtOnce) return;
    after = keys.at(-1)!.compartment;
  }
}

export async function copyStates(from: Catalog, to: Catalog): Promise<void> {
  for (let after: string | undefined; ;) {
    const states = await from.states(after, keysAtOnce);
    for (const { key, value } of states) if (!passingStates.includes(key)) await to.putState(key, value);
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

/** The first difference between two catalogs, record by record; undefined when there is none. @returns how many versions were compared. */
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
  const copies = to.entries(1, there.seq + 1)[Symbol.asyncIterator]();
  let versions = 0;
  try {
    for await (const entry of from.entries(1, here.seq + 1)) {
      const { value } = (await copies.next()) as IteratorResult<Entry, undefined>;
      if (value === undefined || plainOf(entry) !== plainOf(value)) {
        return { versions, problem: `entry ${entry.seq} of the copy differs` };
      }
      const missing = await firstMissing(
        blocks,
        entry.versions.flatMap(({ block }) => (block === undefined ? [] : [block])),
      );
      if (missing) return { versions, problem: `a block of entry ${entry.seq} is missing in the copy` };
      versions += entry.versions.length;
      if (versions % 1_000 < entry.versions.length) onProgress?.('verified', versions, here.leafCount);
    }
    return { versions };
  } finally {
    // Ends the thread that reads the copy.
    await copies.return?.();
  }
}

async function firstMissing(blocks: BlockStore, digests: readonly BlockDigest[]): Promise<boolean> {
  const held = await Promise.all(digests.map((digest) => blocks.has(digest)));
  return held.includes(false);
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

/** Accounts, apps, grants and tokens, sealed as they are: both stores are of the same key ring. @returns how many entries. */
export async function copyAccounts(from: SmartStore, to: SmartStore): Promise<number> {
  let copied = 0;
  for (const kind of await from.kinds()) {
    for (const entry of await from.list(kind)) {
      await to.put(kind, entry);
      copied += 1;
    }
  }
  return copied;
}
