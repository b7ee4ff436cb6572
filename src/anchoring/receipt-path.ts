/** The path from a leaf's receipt entry to the `receiptsRoot` of its batch: that validators vouched for this leaf, not only for the log. */
import { sha256, toHex } from '../base/bytes.js';
import type { HeadStatement } from '../chain/anchor-log.js';
import { refusedReceipt } from './batch-facts.js';
import { noReceipt, type LeafParts } from './leaf.js';
import { hashBytes, hashRow, inclusionProof, rootFromInclusion, type NodeSource } from './merkle.js';

/** @param receipts entries of the batch, 32 bytes each, packed. @param place of the leaf in the batch. */
export function receiptPath(receipts: Uint8Array, place: number): Uint8Array[] {
  return inclusionProof(place, receipts.byteLength / hashBytes, rowsOf(receipts));
}

export type Vouched = 'attested' | 'refused' | 'unknown';

/** What the validators said of the leaf: `unknown` when the path leads nowhere. */
export function vouched(
  parts: LeafParts,
  leafIndex: number,
  statement: HeadStatement,
  path: readonly Uint8Array[],
): Vouched {
  const leadsFrom = (entry: Uint8Array) => {
    const [place, count] = [leafIndex - statement.prevSize, statement.size - statement.prevSize];
    const root = rootFromInclusion(sha256(Buffer.of(0), entry), place, count, path);
    return root !== undefined && `0x${toHex(root)}` === statement.receiptsRoot;
  };
  if (leadsFrom(parts.kind === 'version' ? parts.receiptDigest : noReceipt)) return 'attested';
  return leadsFrom(refusedReceipt) ? 'refused' : 'unknown';
}

/** Complete subtrees over the entries, each level hashed once. */
function rowsOf(receipts: Uint8Array): NodeSource {
  const hashes = new Map<string, Uint8Array>();
  const entries = Buffer.from(receipts.buffer, receipts.byteOffset, receipts.byteLength);
  const leaves = Buffer.alloc(entries.byteLength);
  for (let at = 0; at < entries.byteLength; at += hashBytes) {
    const entry = entries.subarray(at, at + hashBytes);
    // Few receipts differ.
    const key = entry.toString('latin1');
    let hash = hashes.get(key);
    if (hash === undefined) hashes.set(key, (hash = sha256(Buffer.of(0), entry)));
    leaves.set(hash, at);
  }
  const rows: Buffer[] = [leaves];
  for (let below: Buffer = leaves; below.byteLength >= 2 * hashBytes;) {
    below = hashRow(below.subarray(0, below.byteLength - (below.byteLength % (2 * hashBytes))));
    rows.push(below);
  }
  return (level, index) => rows[level].subarray(index * hashBytes, (index + 1) * hashBytes);
}
