/**
 * AES Key Wrap: a key under a key, with integrity and without a nonce.
 *
 * Spec: RFC 3394, https://www.rfc-editor.org/rfc/rfc3394
 */
import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { KeyUnavailable } from './key-ring.js';

const initialValue = Buffer.from('A6A6A6A6A6A6A6A6', 'hex');

/** A wrapping key, kept outside of the JavaScript heap. @param key 32 bytes. */
export function wrappingKey(key: Uint8Array): KeyObject {
  return createSecretKey(key);
}

/** @param key 32 bytes. @returns 40 bytes. */
export function wrapKey(wrapping: KeyObject, key: Uint8Array): Buffer {
  return createCipheriv('id-aes256-wrap', wrapping, initialValue).update(key);
}

/** @param wrapped 40 bytes. @returns 32 bytes. @throws KeyUnavailable when `wrapping` did not wrap these bytes. */
export function unwrapKey(wrapping: KeyObject, wrapped: Uint8Array): Buffer {
  try {
    return createDecipheriv('id-aes256-wrap', wrapping, initialValue).update(wrapped);
  } catch {
    throw new KeyUnavailable('a wrapped key does not open: wrong wrapping key, or altered');
  }
}
