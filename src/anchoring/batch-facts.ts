/** What a batch's statement says about its leaves beside the root: ProfileSet, least level, root over the receipts. */
import { sameBytes, sha256, toHex } from '../base/bytes.js';
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
  /** RFC 6962 root over the receipt digests as entries, in leaf order (deletions, erased versions and tombstones: 32 zero bytes). */
  readonly receiptsRoot: Hex;
  /** 3 when the batch has no version that can be opened: deletions, erased ones. */
  readonly leastLevel: Level;
}

/** What is sealed in a version's header, as far as leaves go. */
export interface LeafHeader {
  readonly isDeleted: boolean;
  readonly level: Level;
  /** `opening` of the Leaf: 24 bytes. */
  readonly leafOpening: Uint8Array;
  readonly receiptDigest?: Uint8Array;
}

export interface FactsSource {
  versionsByLeaf(from: number, until: number): VersionRow[] | Promise<VersionRow[]>;
  header(row: VersionRow): LeafHeader;
  readonly state: StateStore;
}

const chunkRows = 1000;

/** Facts of the leaves [from, until), `from < until`; yields to other work between chunks. */
export async function batchFacts(source: FactsSource, from: number, until: number): Promise<BatchFacts> {
  const receipts = new GrowingRoot();
  let contextId: Uint8Array | undefined;
  let leastLevel: Level = 3;
  let end = from;
  reading: while (end < until) {
    const rows = await source.versionsByLeaf(end, Math.min(until, end + chunkRows));
    if (rows.length === 0) throw new Error(`the catalog has no version for leaf ${end}`);
    for (const row of rows) {
      if (row.isErased) {
        receipts.append(sha256(Buffer.of(0), noReceipt));
        end += 1;
        continue;
      }
      const header = source.header(row);
      const id = readOpening(header.leafOpening).contextId;
      if (contextId !== undefined && !sameBytes(contextId, id)) break reading;
      contextId = id;
      receipts.append(sha256(Buffer.of(0), header.isDeleted ? noReceipt : (header.receiptDigest ?? noReceipt)));
      if (!header.isDeleted && header.level < leastLevel) leastLevel = header.level;
      end += 1;
    }
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
  contextId ??= await newestContextId(source.state);
  const context = contextId && (await findLeafContext(source.state, contextId));
  if (context === undefined) throw new Error(`the context of leaf ${from} is not in the catalog`);
  return {
    until: end,
    profileSet: `0x${toHex(context.profileSetDigest)}`,
    receiptsRoot: `0x${toHex(receipts.root())}`,
    leastLevel,
  };
}

/** The root of a tree that grows leaf by leaf; keeps one hash per level. */
export class GrowingRoot {
  readonly #peaks: { height: number; hash: Uint8Array }[] = [];

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
