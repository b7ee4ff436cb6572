/**
 * Rotation of the index key: every version is blinded anew in the background, while searches are right all along.
 *
 * 1. `fill`: what is written carries terms of both keys; versions that are there get the new ones. Searches ask for old ones.
 * 2. `clear`: every version carries new terms; searches ask for them; old ones are removed. After a crash each step goes on where it was.
 */
import type { IndexBlinder, IndexKeys } from '../vault/index-blinder.js';
import type { Catalog, Link, VersionAmendment, VersionRow } from './catalog.js';
import type { Committer } from './committer.js';
import { advance, endRotation, readRotation, type RotationState } from './rotation.js';

/** Index entries of a version under one key. */
export interface Indexed {
  /** Packed, sorted. */
  readonly terms: Uint8Array;
  readonly links: readonly Link[];
}

export interface IndexRotationServices {
  readonly catalog: Catalog;
  readonly committer: Pick<Committer, 'alone'>;
  readonly blinder: IndexBlinder;
  /** Index entries of a version under each of the generations; undefined for a deletion, or one that was erased meanwhile. */
  readonly indexed: (row: VersionRow, generations: readonly number[]) => Promise<Indexed[] | undefined>;
  /** With several servers: how long searches of others may go on under the keys of before, once these are told of the new ones. */
  readonly graceMs: number;
  readonly onProgress?: (state: RotationState) => void | Promise<void>;
}

const generationKey = 'index/generation';
const versionsAtOnce = 200;

/** The generations in use, as the catalog says. */
export async function indexKeysOf(catalog: Pick<Catalog, 'getState'>): Promise<IndexKeys> {
  const state = await readRotation(catalog);
  if (state?.key === 'index') {
    const from = state.generation!;
    return state.step === 'fill'
      ? { searched: from, written: [from, from + 1] }
      : { searched: from + 1, written: [from + 1] };
  }
  const stored = await catalog.getState(generationKey);
  const generation = stored === undefined ? 0 : Number(Buffer.from(stored).toString());
  return { searched: generation, written: [generation] };
}

/** Rotates the index key, or goes on with it. */
export async function rotateIndex(services: IndexRotationServices): Promise<void> {
  const { catalog, blinder, committer, graceMs } = services;
  const total = () => catalog.head().leafCount;
  let state = await readRotation(catalog);
  const generation = state?.generation ?? blinder.keys.searched;
  // Also a rotation that is gone on with: whoever began it may not have come to telling the others.
  state = await changeKeys(
    services,
    state ?? { key: 'index', step: 'fill', next: 0, done: 0, total: total(), generation },
  );
  if (state.step === 'fill') {
    await waited(graceMs);
    state = await walk(services, state, async (row) => {
      const [renewed] = (await services.indexed(row, [generation + 1])) ?? [];
      return renewed && { leafIndex: row.leafIndex, addTerms: renewed.terms, addLinks: renewed.links };
    });
    state = await changeKeys(services, { ...state, step: 'clear', next: 0, done: 0, total: total() });
  }
  await waited(graceMs);
  await walk(services, state, async (row) => {
    const [old, renewed] = (await services.indexed(row, [generation, generation + 1])) ?? [];
    if (old === undefined || renewed === undefined) return undefined;
    return {
      leafIndex: row.leafIndex,
      // Names and types have the same terms under both.
      removeTerms: without(old.terms, renewed.terms),
      removeLinks: old.links,
    };
  });
  await committer.alone(async () => {
    await catalog.putState(generationKey, Buffer.from(String(generation + 1)));
    await endRotation(catalog);
  });
}

/**
 * Alone, and told to other servers: what was prepared under the keys of before, here or there, is prepared anew, so that no version is committed
 * with terms of too few keys.
 */
function changeKeys({ catalog, committer, blinder }: IndexRotationServices, state: RotationState) {
  return committer.alone(async () => {
    const changed = await advance(catalog, state);
    await catalog.announce?.();
    blinder.use(await indexKeysOf(catalog));
    return changed;
  });
}

/** Every version from `state.next` to the newest one, however many come meanwhile. */
async function walk(
  { catalog, onProgress }: IndexRotationServices,
  state: RotationState,
  amend: (row: VersionRow) => Promise<VersionAmendment | undefined>,
): Promise<RotationState> {
  let at = state;
  for (;;) {
    const from = at.next as number;
    const rows = await catalog.versionsByLeaf(from, from + versionsAtOnce);
    if (rows.length === 0) return at;
    const versions: VersionAmendment[] = [];
    for (const row of rows) {
      const amendment = row.isErased ? undefined : await amend(row);
      if (amendment !== undefined) versions.push(amendment);
    }
    const next = from + rows.length;
    at = await advance(catalog, { ...at, next, done: next, total: catalog.head().leafCount }, { versions });
    await onProgress?.(at);
  }
}

const termSize = 16;

/** The terms of `packed` that are not in `others`. Both are sorted. */
function without(packed: Uint8Array, others: Uint8Array): Uint8Array {
  const left: Uint8Array[] = [];
  for (let at = 0, other = 0; at < packed.byteLength; at += termSize) {
    const term = packed.subarray(at, at + termSize);
    while (other < others.byteLength && Buffer.compare(others.subarray(other, other + termSize), term) < 0)
      other += termSize;
    if (other >= others.byteLength || Buffer.compare(others.subarray(other, other + termSize), term) !== 0)
      left.push(term);
  }
  return Buffer.concat(left);
}

function waited(graceMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, graceMs));
}
