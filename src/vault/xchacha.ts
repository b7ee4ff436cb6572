/**
 * XChaCha20-Poly1305: libsodium (WebAssembly) for what is small, as headers, access records and most resources are, because it needs no object
 * for each message; node's native ChaCha20-Poly1305 for the rest (docs/decisions/0064-libsodium.md).
 *
 * For the native one HChaCha20 (@noble/ciphers) turns key and the first 16 nonce bytes into a subkey; what follows is RFC 8439.
 *
 * Spec: https://datatracker.ietf.org/doc/html/draft-irtf-cfrg-xchacha-03
 */
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { hchacha } from '@noble/ciphers/chacha.js';
import sodium from 'libsodium-wrappers';

await sodium.ready;

export const keyBytes = 32;
export const nonceBytes = 24;
const tagBytes = 16;

/** The bytes are not what was sealed under this key for this associated data. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken';
}

/** Up to so many bytes libsodium is faster: a quarter of the time for a header, the same here. */
const smallBytes = 2048;

/** "expand 32-byte k" as little-endian words. */
const sigma = new Uint32Array([0x61707865, 0x3320646e, 0x79622d32, 0x6b206574]);
const isLittleEndian = new Uint8Array(new Uint32Array([1]).buffer)[0] === 1;

/**
 * Ciphertext of the concatenated `parts`, then the tag (16 bytes).
 * @param nonce 24 bytes, never used twice with this key.
 */
export function sealBytes(
  key: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  ...parts: readonly Uint8Array[]
): Buffer {
  // One call for all parts: copying a resource costs less than a call into the cipher.
  const plain = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  if (plain.byteLength <= smallBytes) {
    return asBuffer(sodium.crypto_aead_xchacha20poly1305_ietf_encrypt(plain, associated, null, nonce, key));
  }
  const cipher = createCipheriv('chacha20-poly1305', subkey(key, nonce), shortNonce(nonce), {
    authTagLength: tagBytes,
  });
  cipher.setAAD(associated, { plaintextLength: 0 });
  const sealed = cipher.update(plain);
  cipher.final();
  return Buffer.concat([sealed, cipher.getAuthTag()]);
}

/** @throws SealBroken when key, nonce, associated data or bytes are not those of sealBytes. */
export function openBytes(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Buffer {
  const end = sealed.byteLength - tagBytes;
  if (end < 0) throw new SealBroken('sealed bytes are cut short');
  if (end <= smallBytes) return openSmall(key, nonce, associated, sealed);
  const decipher = createDecipheriv('chacha20-poly1305', subkey(key, nonce), shortNonce(nonce), {
    authTagLength: tagBytes,
  });
  decipher.setAAD(associated, { plaintextLength: 0 });
  decipher.setAuthTag(sealed.subarray(end));
  const opened = decipher.update(sealed.subarray(0, end));
  try {
    decipher.final();
  } catch {
    throw new SealBroken('sealed bytes do not open: wrong key, or altered');
  }
  return opened;
}

/** libsodium throws for any byte that is not as it was sealed. */
function openSmall(key: Uint8Array, nonce: Uint8Array, associated: Uint8Array, sealed: Uint8Array): Buffer {
  let opened: Uint8Array;
  try {
    opened = sodium.crypto_aead_xchacha20poly1305_ietf_decrypt(null, sealed, associated, nonce, key);
  } catch {
    throw new SealBroken('sealed bytes do not open: wrong key, or altered');
  }
  return asBuffer(opened);
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function subkey(key: Uint8Array, nonce: Uint8Array): Uint8Array {
  const words = new Uint32Array(8);
  hchacha(sigma, littleEndianWords(key, 0, 8), littleEndianWords(nonce, 0, 4), words);
  if (!isLittleEndian) for (let index = 0; index < 8; index += 1) words[index] = swap(words[index]!);
  return new Uint8Array(words.buffer);
}

/** Four zero bytes, then the last eight bytes of the long nonce. */
function shortNonce(nonce: Uint8Array): Uint8Array {
  const short = new Uint8Array(12);
  short.set(nonce.subarray(16, nonceBytes), 4);
  return short;
}

function littleEndianWords(bytes: Uint8Array, from: number, count: number): Uint32Array {
  const words = new Uint32Array(count);
  for (let index = 0, at = from; index < count; index += 1, at += 4) {
    words[index] = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
  }
  return words;
}

function swap(word: number): number {
  return ((word & 0xff) << 24) | ((word & 0xff00) << 8) | ((word >>> 8) & 0xff00) | (word >>> 24);
}
