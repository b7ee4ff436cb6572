/**
 * The leaf of an erasure: says which places of the log were erased, and when; nothing about what stood there.
 *
 * Entry: `0x03 ‖ uint64 time ‖ SHA-256(uint64 leafIndex, ascending, one after the other)`, big-endian, 41 bytes. Spec: docs/poi.md, "Tombstone".
 */
import { sha256 } from '../base/bytes.js';
import { leafHash } from './leaf.js';

const format = 0x03;

/**
 * @param leaves places in the log, ascending.
 * @param time milliseconds since 1970.
 */
function encodeTombstone(leaves: readonly number[], time: number): Buffer {
  const places = Buffer.alloc(8 * leaves.length);
  leaves.forEach((leafIndex, at) => places.writeBigUInt64BE(BigInt(leafIndex), 8 * at));
  const entry = Buffer.alloc(9);
  entry[0] = format;
  entry.writeBigUInt64BE(BigInt(time), 1);
  return Buffer.concat([entry, sha256(places)]);
}

/** RFC 6962 leaf hash of the tombstone, 32 bytes. */
export function tombstoneLeaf(leaves: readonly number[], time: number): Uint8Array {
  return leafHash(encodeTombstone(leaves, time));
}
