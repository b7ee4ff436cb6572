/** Byte strings: the few conversions that every part needs. */
import { hash } from 'node:crypto';

/** Lower-case hexadecimal text of `bytes`, without prefix. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex');
}

/** Bytes of hexadecimal text, with or without `0x`. @throws RangeError when `text` is not pairs of hexadecimal digits. */
export function fromHex(text: string): Uint8Array {
  const digits = text.startsWith('0x') ? text.slice(2) : text;
  if (digits.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(digits)) throw new RangeError('not hexadecimal');
  return new Uint8Array(Buffer.from(digits, 'hex'));
}

/** SHA-256 of the concatenation of `parts`: 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return hash('sha256', parts.length === 1 ? parts[0] : Buffer.concat(parts), 'buffer');
}

/** True when both have the same length and bytes. Not constant-time: never for secrets. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.byteLength === b.byteLength && Buffer.compare(a, b) === 0;
}
