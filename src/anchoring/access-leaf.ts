/**
 * The leaf of an access head: how many records an access log has, and the digest of their chain, in the anchored log like everything else.
 *
 * Entry: `0x04 ‖ uint64 time ‖ SHA-256(server) ‖ uint64 count ‖ digest (32)`, big-endian, 81 bytes. Spec: docs/poi.md, "Access heads".
 */
import { sha256 } from '../base/bytes.js';
import { leafHash } from './leaf.js';

/** What an access log said of itself at a time. Tells nothing of what was accessed: records are sealed before they are chained. */
export interface AccessHead {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Name of the server whose log it is; empty where one server is alone. */
  readonly server: string;
  /** Records. */
  readonly count: number;
  /** 32 bytes: of the chain after that many records. */
  readonly digest: Uint8Array;
}

const format = 0x04;
/** Of an entry. */
const accessEntryBytes = 81;

export function encodeAccessHead({ time, server, count, digest }: AccessHead): Buffer {
  if (digest.byteLength !== 32) throw new RangeError('the digest of an access log has 32 bytes');
  const entry = Buffer.alloc(accessEntryBytes);
  entry[0] = format;
  entry.writeBigUInt64BE(BigInt(time), 1);
  entry.set(sha256(Buffer.from(server, 'utf8')), 9);
  entry.writeBigUInt64BE(BigInt(count), 41);
  entry.set(digest, 49);
  return entry;
}

/** True of the entry of an access head. */
export function isAccessEntry(entry: Uint8Array): boolean {
  return entry.byteLength === accessEntryBytes && entry[0] === format;
}

/** RFC 6962 leaf hash, 32 bytes. */
export function accessLeaf(head: AccessHead): Uint8Array {
  return leafHash(encodeAccessHead(head));
}
