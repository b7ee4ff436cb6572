/**
 * The bytes from which everything secret about one leaf is derived: salts, the places of elements, decoys.
 *
 * `SHAKE128("mooring/leaf/1" ‖ leaf salt)`, read front to back. Whoever has the leaf salt can derive all of it; whoever has a part of the stream
 * (a disclosed element's salt) learns nothing about the rest. Byte layout: docs/poi.md, "Keystream". Spec: FIPS 202.
 */
import { createHash } from 'node:crypto';

/** Bytes of a leaf salt, of an element salt and of a URL salt. */
export const saltBytes = 16;

const label = Buffer.from('mooring/leaf/1', 'latin1');

/** The first `sizeBytes` bytes of the stream of `leafSalt` (16 bytes). */
export function keystream(leafSalt: Uint8Array, sizeBytes: number): Buffer {
  if (leafSalt.byteLength !== saltBytes) throw new RangeError(`a leaf salt has ${saltBytes} bytes`);
  return createHash('shake128', { outputLength: sizeBytes }).update(label).update(leafSalt).digest();
}
