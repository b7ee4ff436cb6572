/** The committer's maker of leaves: one call for every version that is about to be written. */
import { randomFillSync } from 'node:crypto';
import { parseJson } from '../base/json.js';
import { saltBytes } from './keystream.js';
import { makeDeletionLeaf, makeLeaf, type Leaf, type LeafContext, type Level } from './leaf.js';

/** A version as the committer has it, sealed but not yet in the log. */
export interface VersionToLog {
  readonly resourceType: string;
  readonly id: string;
  readonly versionId: number;
  /** Milliseconds since 1970. */
  readonly lastUpdated: number;
  readonly isDeleted: boolean;
  readonly level: Level;
  readonly receiptDigest?: Uint8Array;
  /** The bytes that were sealed; empty for a deletion. */
  readonly json: Uint8Array;
  /** The same as a value, where it is at hand. */
  readonly resource?: { readonly resourceType: string };
  /** Digest of the sealed block; absent for a deletion. */
  readonly block?: Uint8Array;
}

/** @param salts 16 fresh random bytes a call. */
export function createLeafOf(
  context: LeafContext,
  salts: () => Uint8Array = randomSalts(),
): (version: VersionToLog) => Leaf {
  return (version) => {
    const reference = `${version.resourceType}/${version.id}/_history/${version.versionId}`;
    const salt = salts();
    if (version.isDeleted) return makeDeletionLeaf(context, { reference, salt, lastUpdated: version.lastUpdated });
    if (version.block === undefined) throw new TypeError(`${reference} has no sealed block`);
    const resource =
      version.resource ?? (parseJson(Buffer.from(version.json).toString('utf8')) as { resourceType: string } & object);
    const { level, receiptDigest, block } = version;
    return makeLeaf(context, { reference, salt, resource, block, level, ...(receiptDigest && { receiptDigest }) });
  };
}

/** Salts from the system's random source, drawn 256 at a time. */
function randomSalts(): () => Uint8Array {
  const pool = Buffer.alloc(256 * saltBytes);
  let used = pool.length;
  return () => {
    if (used === pool.length) {
      randomFillSync(pool);
      used = 0;
    }
    used += saltBytes;
    return Buffer.from(pool.subarray(used - saltBytes, used));
  };
}
