/**
 * AES Key Wrap: a key under a key, with integrity and without a nonce.
 *
 * Spec: RFC 3394, https://www.rfc-editor.org/rfc/rfc3394
 */
import { createCipheriv, createDecipheriv, createSecretKey, type Decipher, type KeyObject } from 'node:crypto';
import { KeyUnavailable } from './key-ring.js';
import { Recent } from './recent.js';

const initialValue = Buffer.from('A6A6A6A6A6A6A6A6', 'hex');

/** A wrapping key, kept outside of the JavaScript heap. @param key 32 bytes. */
export function wrappingKey(key: Uint8Array): KeyObject {
  return createSecretKey(key);
}

/** @param key 32 bytes. @returns 40 bytes. */
export function wrapKey(wrapping: KeyObject, key: Uint8Array): Buffer {
  return createCipheriv('id-aes256-wrap', wrapping, initialValue).update(key);
}

/** Wrapping keys set up for unwrapping: that costs as much as the unwrapping, and a record has many resources under one key. */
const unwrappers = new Recent<KeyObject, Decipher>(2_000);

/** Keys that are to be forgotten are not kept here either. */
export function forgetUnwrappers(): void {
  unwrappers.clear();
}

/** @param wrapped 40 bytes. @returns 32 bytes. @throws KeyUnavailable when `wrapping` did not wrap these bytes. */
export function unwrapKey(wrapping: KeyObject, wrapped: Uint8Array): Buffer {
  const known = unwrappers.get(wrapping);
  if (known !== undefined) {
    try {
      // Each update of this mode is an unwrapping of its own, checked by itself.
      return known.update(wrapped);
    } catch {
      unwrappers.delete(wrapping);
    }
  }
  try {
    const unwrapper = createDecipheriv('id-aes256-wrap', wrapping, initialValue);
    const key = unwrapper.update(wrapped);
    unwrappers.set(wrapping, unwrapper);
    return key;
  } catch {
    throw new KeyUnavailable('a wrapped key does not open: wrong wrapping key, or altered');
  }
}
