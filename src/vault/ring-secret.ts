/**
 * What a key ring keeps, and its form as bytes: for shares of a backup.
 *
 * `u8 version (1) ‖ root (32) ‖ per master key: u32 id ‖ f64 created ‖ key (32)`, big-endian.
 */
import { KeyUnavailable } from './key-ring.js';

export interface RingSecret {
  /** Base64 of 32 bytes: what keys for purposes are derived from. */
  readonly root: string;
  /** Oldest first; the last one wraps. */
  readonly keys: readonly { readonly id: number; readonly key: string; readonly created: string }[];
}

const version = 1;
const headBytes = 33;
const keyBytes = 44;

export function packRing({ root, keys }: RingSecret): Buffer {
  const packed = Buffer.alloc(headBytes + keys.length * keyBytes);
  packed[0] = version;
  packed.set(Buffer.from(root, 'base64'), 1);
  keys.forEach(({ id, key, created }, index) => {
    const at = headBytes + index * keyBytes;
    packed.writeUInt32BE(id, at);
    packed.writeDoubleBE(Date.parse(created), at + 4);
    packed.set(Buffer.from(key, 'base64'), at + 12);
  });
  return packed;
}

/** @throws KeyUnavailable when the bytes are of another form. */
export function unpackRing(bytes: Uint8Array): RingSecret {
  const packed = Buffer.from(bytes);
  const count = (packed.byteLength - headBytes) / keyBytes;
  if (packed[0] !== version || !Number.isInteger(count) || count < 1) {
    throw new KeyUnavailable('these bytes are no key ring');
  }
  return {
    root: packed.toString('base64', 1, headBytes),
    keys: Array.from({ length: count }, (_, index) => {
      const at = headBytes + index * keyBytes;
      return {
        id: packed.readUInt32BE(at),
        created: new Date(packed.readDoubleBE(at + 4)).toISOString(),
        key: packed.toString('base64', at + 12, at + keyBytes),
      };
    }),
  };
}

/** @throws KeyUnavailable naming `place` when `value` is no ring. */
export function checkedRing(value: unknown, place: string): RingSecret {
  const ring = value as RingSecret | null;
  const isKey = (key: unknown) => typeof key === 'string' && Buffer.from(key, 'base64').byteLength === 32;
  const isWhole =
    typeof ring === 'object' &&
    ring !== null &&
    isKey(ring.root) &&
    Array.isArray(ring.keys) &&
    ring.keys.length > 0 &&
    (ring.keys as RingSecret['keys']).every(({ id, key }) => Number.isSafeInteger(id) && isKey(key));
  if (!isWhole) throw new KeyUnavailable(`${place} is not of the form that this version writes`);
  return ring;
}
