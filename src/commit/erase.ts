/**
 * Erasure: keys, salts and names of versions are destroyed in one entry of the log, then their blocks and terms are removed.
 *
 * 1. Alone, with nothing else being committed: the versions are chosen, and `Catalog.append` takes the entry. The commit point: from here on nothing
 *    opens, whatever happens. 2. Blocks are deleted and the store is swept. A crash between the two is made good by `finishErasures` at the next start.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../base/clock.js';
import type { BlockDigest, Term } from '../base/ids.js';
import { BlockMissing, type BlockStore } from '../ipfs/block-store.js';
import { KeyUnavailable } from '../vault/key-ring.js';
import { chunksOf } from '../vault/sealing.js';
import type { Vault } from '../vault/vault.js';
import { AppendConflict, type Catalog, type VersionRow } from './catalog.js';
import type { Committer } from './committer.js';
import { sealedReference, type Records } from './records.js';

export interface ErasureServices {
  readonly catalog: Catalog;
  readonly blocks: BlockStore;
  readonly vault: Vault;
  readonly records: Pick<Records, 'header'>;
  readonly committer: Pick<Committer, 'alone'>;
  readonly clock: Clock;
  /** Leaf of the tombstone (anchoring/tombstone.ts). */
  readonly tombstone: (leaves: readonly number[], time: number) => Uint8Array;
  /** Names this server among those that share the catalog. */
  readonly server?: string;
  /** Told after the commit point: caches of opened contents are emptied, the anchorer wakes up. */
  readonly onErased?: () => void;
}

/** What is to be erased, chosen while nothing else is committed. */
export interface ErasureChoice {
  /** Versions; if the current version of a resource is among them, all its versions go with it. */
  readonly rows: readonly VersionRow[];
  /** Compartments whose keys are destroyed. */
  readonly compartments: readonly Term[];
  /** Keys of small state that goes too. */
  readonly states: readonly string[];
}

export interface Erased {
  /** Sequence number of the entry; undefined when there was nothing to erase. */
  readonly seq?: number;
  /** Place of the tombstone in the anchored log. */
  readonly leafIndex?: number;
  readonly versions: number;
  readonly resources: number;
}

/** Another server may win the race for the next entry so many times. */
const mostAttempts = 20;
/** Versions of one resource at most. */
const mostVersions = 1_000_000;

/**
 * Erases what `choose` chooses. When this resolves nothing of it opens any more, here or from these stores.
 * @param choose runs alone, perhaps several times; it sees the state that the entry extends.
 * @throws CatalogUnavailable, BlockStoreUnavailable: after the commit point what is left is done at the next start.
 */
export async function erase(services: ErasureServices, choose: () => Promise<ErasureChoice>): Promise<Erased> {
  let erased: Erased;
  try {
    erased = await services.committer.alone(() => appendErasure(services, choose));
  } finally {
    // Also after a failure: the entry may be in the log, and only its reply lost.
    services.onErased?.();
  }
  await finishErasures(services);
  return erased;
}

async function appendErasure(services: ErasureServices, choose: () => Promise<ErasureChoice>): Promise<Erased> {
  const { catalog, clock, vault } = services;
  for (let attempt = 1; ; attempt += 1) {
    const head = catalog.head();
    const { rows: chosen, compartments: named, states } = await choose();
    const compartments = await withKeys(catalog, named);
    const rows = await wholeResources(catalog, chosen);
    if (rows.length === 0 && compartments.length === 0) return { versions: 0, resources: 0 };
    const leaves = rows.map(({ leafIndex }) => leafIndex);
    const blocks = await blocksOf(services, rows);
    const time = Math.max(clock.now(), head.time);
    const leaf = services.tombstone(leaves, time);
    const entry = { seq: head.seq + 1, time, versions: [], newKeys: [] };
    try {
      // The commit point: wraps, salts and names are gone with it.
      await catalog.append([{ ...entry, erasure: { leaf, leaves, compartments, blocks, states } }]);
    } catch (error) {
      if (!(error instanceof AppendConflict) || attempt === mostAttempts) throw error;
      continue;
    } finally {
      for (const compartment of compartments) vault.forget(compartment);
    }
    const resources = new Set(rows.map(({ resource }) => Buffer.from(resource).toString('latin1'))).size;
    return { seq: entry.seq, leafIndex: head.leafCount, versions: rows.length, resources };
  }
}

async function withKeys(catalog: Catalog, compartments: readonly Term[]): Promise<Term[]> {
  const held: Term[] = [];
  for (const compartment of compartments) {
    if ((await catalog.compartmentKey(compartment)) !== undefined) held.push(compartment);
  }
  return held;
}

/** The rows, and all versions of the resources whose current version is among them; in log order. */
async function wholeResources(catalog: Catalog, chosen: readonly VersionRow[]): Promise<VersionRow[]> {
  const rows = new Map(chosen.map((row) => [row.leafIndex, row]));
  const asOf = catalog.head().seq;
  for (const { resource } of chosen) {
    const current = await catalog.current(resource, asOf);
    if (current === undefined || !rows.has(current.leafIndex)) continue;
    const versions = current.versionId === 1 ? [] : await catalog.history({ resource, asOf, limit: mostVersions });
    for (const version of versions) rows.set(version.leafIndex, version);
  }
  return [...rows.values()].sort((a, b) => a.leafIndex - b.leafIndex);
}

/** Blocks of the versions, chunks of large contents too. */
async function blocksOf(services: ErasureServices, rows: readonly VersionRow[]): Promise<BlockDigest[]> {
  const { blocks, vault, records } = services;
  const digests: BlockDigest[] = [];
  for (const row of rows) {
    if (row.block === undefined) continue;
    digests.push(row.block);
    try {
      const bytes = await blocks.get(row.block);
      digests.push(...chunksOf(await vault.dataKey(row.keyWraps), sealedReference(records.header(row)), bytes));
    } catch (error) {
      // What is missing already, or cannot be opened any more, has no chunks that could be named.
      if (!(error instanceof BlockMissing) && !(error instanceof KeyUnavailable)) throw error;
    }
  }
  return digests;
}

/** Each server has blocks to delete of its own: it may stand on other nodes than the rest. */
function finishedKey(server: string | undefined): string {
  return server === undefined ? 'erasure/finished' : `erasure/finished/${server}`;
}

const deletedAtOnce = 500;

/** Deletes the blocks of erasures and sweeps the catalog, as far as that was not done. Call it at start; repeating it changes nothing. */
export async function finishErasures({
  catalog,
  blocks,
  server,
}: Pick<ErasureServices, 'catalog' | 'blocks' | 'server'>): Promise<void> {
  const key = finishedKey(server);
  const stored = await catalog.getState(key);
  const finished = stored === undefined ? 0 : Number(Buffer.from(stored).toString());
  const erasures = await catalog.erasures(finished + 1);
  if (erasures.length === 0) return;
  for (const erasure of erasures) {
    for (let at = 0; at < erasure.blocks.length; at += deletedAtOnce) {
      await blocks.delete(erasure.blocks.slice(at, at + deletedAtOnce));
    }
  }
  await catalog.sweep();
  await catalog.putState(key, Buffer.from(String(erasures.at(-1)!.seq)));
}

const scannedAtOnce = 2_000;

/**
 * Finds every version of a compartment, whatever the index says of it: by the key wraps, deletions by their headers.
 *
 * `read` goes on where it ended: called before, the scan inside `alone` is short.
 */
export class CompartmentScan {
  readonly rows: VersionRow[] = [];
  private next = 0;

  constructor(
    private readonly services: Pick<ErasureServices, 'catalog' | 'records'>,
    private readonly compartment: Term,
    private readonly patientId: string,
  ) {}

  async read(): Promise<readonly VersionRow[]> {
    const { catalog } = this.services;
    const end = catalog.head().leafCount;
    while (this.next < end) {
      const until = Math.min(end, this.next + scannedAtOnce);
      for (const row of await catalog.versionsByLeaf(this.next, until)) if (this.isIn(row)) this.rows.push(row);
      this.next = until;
      await nextTurn();
    }
    return this.rows;
  }

  private isIn(row: VersionRow): boolean {
    if (row.isErased) return false;
    if (row.isDeleted) return this.services.records.header(row).attributes.patients.includes(this.patientId);
    return row.keyWraps.some(({ compartment }) => Buffer.compare(compartment, this.compartment) === 0);
  }
}
