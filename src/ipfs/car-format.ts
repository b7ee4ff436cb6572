/**
 * The bytes of a CAR (version 1): what a segment file is made of.
 *
 * `varint length ‖ header` and then, for each block, `varint length ‖ CID ‖ bytes`.
 * Spec: https://ipld.io/specs/transport/car/carv1/
 */
import { sha256 } from '../base/bytes.js';
import type { BlockDigest } from '../base/ids.js';
import type { SealedBlock } from './block-store.js';
import { cidBytes, cidPrefix } from './cid.js';

/** DAG-CBOR of `{ roots: [], version: 1 }` behind its length. */
export const carHeader = Buffer.from('11a265726f6f7473806776657273696f6e01', 'hex');

/** A section as found in a file. */
export interface Section {
  readonly digest: BlockDigest;
  /** Where the block's bytes begin, counted from the start of what was parsed. */
  readonly start: number;
  readonly end: number;
}

/** Bytes of one block's section, without the block itself. */
export function sectionHead({ digest, bytes }: SealedBlock): Buffer {
  const length = varint(cidBytes + bytes.byteLength);
  return Buffer.concat([length, cidPrefix, digest]);
}

/**
 * The section that begins at `at`.
 * @returns `'cut'` when `bytes` ends before the section does, undefined when no section of a raw sha2-256 block begins here.
 */
export function parseSection(bytes: Buffer, at: number): Section | 'cut' | undefined {
  let length = 0;
  let scale = 1;
  let next = at;
  for (;;) {
    if (next >= bytes.byteLength) return 'cut';
    const byte = bytes[next]!;
    length += (byte & 0x7f) * scale;
    scale *= 128;
    next += 1;
    if (byte < 0x80) break;
    if (next - at > 5) return undefined;
  }
  if (length < cidBytes || length > 0x7fffffff) return undefined;
  const prefixEnd = Math.min(next + cidPrefix.byteLength, bytes.byteLength);
  if (bytes.compare(cidPrefix, 0, prefixEnd - next, next, prefixEnd) !== 0) return undefined;
  if (next + length > bytes.byteLength) return 'cut';
  return { digest: bytes.subarray(next + 4, next + cidBytes), start: next + cidBytes, end: next + length };
}

const holeMark = Buffer.from('mooring hole');

/** A block of `sizeBytes` that stands where a deleted one was, so that the file stays a valid CAR. */
export function hole(sizeBytes: number): SealedBlock {
  const bytes = Buffer.alloc(sizeBytes);
  holeMark.copy(bytes);
  return { digest: sha256(bytes), bytes };
}

export function isHole(bytes: Uint8Array): boolean {
  const marked = Math.min(holeMark.byteLength, bytes.byteLength);
  if (holeMark.compare(bytes, 0, marked, 0, marked) !== 0) return false;
  return bytes.subarray(marked).every((byte) => byte === 0);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  while (rest >= 0x80) {
    bytes.push((rest & 0x7f) | 0x80);
    rest = Math.floor(rest / 128);
  }
  bytes.push(rest);
  return Buffer.from(bytes);
}
