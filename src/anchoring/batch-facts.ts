/** What a batch's statement says about its leaves beside the root: ProfileSet, least level, root over the receipts. */
import { sameBytes, sha256, toHex } from '../base/bytes.js';
import { atOnce, inSlices, Slices } from '../base/pause.js';
import type { Hex } from '../chain/chain.js';
import type { VersionRow } from '../commit/catalog.js';
import { findLeafContext, newestContextId } from './leaf-context.js';
import { noReceipt, readOpening, type Level } from './leaf.js';
import { emptyRoot, hashBytes, hashChildren } from './merkle.js';
import type { StateStore } from './outbox.js';

export interface BatchFacts {
  /** End of the batch: less than asked for when the next leaf belongs to another ProfileSet. */
  readonly until: number;
  readonly profileSet: Hex;
  /** RFC 6962 root over the receipt digests as entries, in leaf order (deletions: 32 zero bytes; refused, erased, tombstones: 0xff). */
  readonly receiptsRoot: Hex;
  /** 3 when the batch has no version that is vouched for. */
  readonly leastLevel: Level;
  /** What `receiptsRoot` is the root of: 32 bytes a leaf, packed. */
  readonly receipts: Uint8Array;
  /** Leaves of the batch that are anchored without being attested: those given, and those that were erased before. */
  readonly refused: readonly number[];
}

/** Stands in the place of a refused leaf's receipt digest: the log has the leaf, validators vouch for nothing of it. */
export const refusedReceipt: Uint8Array = new Uint8Array(hashBytes).fill(0xff);

/** What is sealed in a version's header, as far as leaves go. */
export interface LeafHeader {
  readonly isDeleted: boolean;
  readonly level: Level;
  /** `opening` of the Leaf: 24 or 56 bytes. */
  readonly leafOpening: Uint8Array;
  readonly receiptDigest?: Uint8Array;
}

export interface FactsSource {
  versionsByLeaf(from: number, until: number): VersionRow[] | Promise<VersionRow[]>;
  header(row: VersionRow): LeafHeader;
  readonly state: StateStore;
}

/** A place in the log of which only the leaf is left (erased), or which never was a version (the tombstone of an erasure). */
export function isGone({ isErased, isTombstone }: Pick<VersionRow, 'isErased' | 'isTombstone'>): boolean {
  return isErased === true || isTombstone === true;
}

const chunkRows = 250;

/**
 * Facts of the leaves [from, until), `from < until`; yields to other work between chunks.
 * @param refused leaves that validators refused.
 */
export async function batchFacts(
  source: FactsSource,
  from: number,
  until: number,
  refused: ReadonlySet<number> = new Set(),
): Promise<BatchFacts> {
  const receipts: Uint8Array[] = [];
  const unattested: number[] = [];
  let contextId: Uint8Array | undefined;
  let leastLevel: Level = 3;
  let end = from;
  const slices = new Slices();
  reading: while (end < until) {
    const rows = await source.versionsByLeaf(end, Math.min(until, end + chunkRows));
    if (rows.length === 0) throw new Error(`the catalog has no version for leaf ${end}`);
    for (const row of rows) {
      if (isGone(row)) {
        unattested.push(end);
        receipts.push(refusedReceipt);
        end += 1;
        continue;
      }
      const header = source.header(row);
      const id = readOpening(header.leafOpening).contextId;
      if (contextId !== undefined && !sameBytes(contextId, id)) break reading;
      contextId = id;
      const isRefused = refused.has(end);
      if (isRefused) unattested.push(end);
      receipts.push(isRefused ? refusedReceipt : header.isDeleted ? noReceipt : (header.receiptDigest ?? noReceipt));
      if (!isRefused && !header.isDeleted && header.level < leastLevel) leastLevel = header.level;
      end += 1;
      await slices.turn();
    }
  }
  contextId ??= await newestContextId(source.state);
  const context = contextId && (await findLeafContext(source.state, contextId));
  if (context === undefined) throw new Error(`the context of leaf ${from} is not in the catalog`);
  return {
    until: end,
    profileSet: `0x${toHex(context.profileSetDigest)}`,
    receiptsRoot: `0x${toHex((await inSlices(growing(receipts), slices)).root())}`,
    leastLevel,
    receipts: Buffer.concat(receipts),
    refused: unattested,
  };
}

/** The tree over receipt digests as entries (RFC 6962). */
export function receiptTree(receipts: readonly Uint8Array[]): GrowingRoot {
  return atOnce(growing(receipts));
}

function* growing(receipts: readonly Uint8Array[]): Generator<void, GrowingRoot> {
  const tree = new GrowingRoot();
  for (const receipt of receipts) {
    tree.append(sha256(Buffer.of(0), receipt));
    yield;
  }
  return tree;
}

/** The root of a tree that grows leaf by leaf; keeps one hash per level. */
export class GrowingRoot {
  readonly #peaks: { height: number; hash: Uint8Array }[] = [];

  /** The tree of `size` leaves whose complete subtrees have these roots, largest first. @throws RangeError when their number does not fit. */
  static from(size: number, peaks: readonly Uint8Array[]): GrowingRoot {
    const tree = new GrowingRoot();
    const heights: number[] = [];
    for (let [height, rest] = [52, size]; height >= 0; height -= 1) {
      if (rest < 2 ** height) continue;
      heights.push(height);
      rest -= 2 ** height;
    }
    if (peaks.length !== heights.length || peaks.some(({ byteLength }) => byteLength !== hashBytes))
      throw new RangeError(`a tree of ${size} leaves is made of ${heights.length} complete ones`);
    peaks.forEach((hash, at) => tree.#peaks.push({ height: heights[at], hash }));
    return tree;
  }

  /** @param leaf a leaf hash, 32 bytes. */
  append(leaf: Uint8Array): void {
    if (leaf.byteLength !== hashBytes) throw new RangeError('a leaf has 32 bytes');
    let peak = { height: 0, hash: leaf };
    for (let last = this.#peaks.at(-1); last?.height === peak.height; last = this.#peaks.at(-1)) {
      peak = { height: peak.height + 1, hash: hashChildren(last.hash, peak.hash) };
      this.#peaks.pop();
    }
    this.#peaks.push(peak);
  }

  root(): Uint8Array {
    if (this.#peaks.length === 0) return emptyRoot;
    return this.#peaks.map(({ hash }) => hash).reduceRight((right, left) => hashChildren(left, right));
  }
}
