/** Opaque, tamper-proof positions in searches and histories: sealed, so that links tell nothing of what was asked and cannot be made up. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { fhirError } from '../../base/outcome.js';
import { randomBytes } from '../../vault/random.js';
import { nonceBytes, openBytes, sealBytes } from '../../vault/xchacha.js';

/** Shorter positions are not worth the packing. */
const leastPackedBytes = 1024;
/** In front of a packed position; JSON never begins with it. */
const deflated = Buffer.of(1);

export class Cursors {
  /** @param key 32 bytes, `keyRing.derive('cursor')`. */
  constructor(private readonly key: Uint8Array) {}

  /**
   * @param position small JSON-able value.
   * @param path of the search or history that it belongs to: it opens nowhere else.
   */
  seal(position: unknown, path: string): string {
    const plain = Buffer.from(JSON.stringify(position));
    const isLong = plain.byteLength > leastPackedBytes;
    const packed = isLong ? Buffer.concat([deflated, deflateRawSync(plain)]) : plain;
    const nonce = randomBytes(nonceBytes);
    return Buffer.concat([nonce, sealBytes(this.key, nonce, Buffer.from(path), packed)]).toString('base64url');
  }

  /** @throws FhirError 400 `invalid` when the cursor is not one of ours for this path. */
  open<T>(cursor: string, path: string): T {
    try {
      const bytes = Buffer.from(cursor, 'base64url');
      // The last letter has bits that say nothing: only our own spelling of the bytes is taken.
      if (bytes.toString('base64url') !== cursor) throw new RangeError('not our spelling');
      const nonce = bytes.subarray(0, nonceBytes);
      const packed = openBytes(this.key, nonce, Buffer.from(path), bytes.subarray(nonceBytes));
      const plain = packed[0] === deflated[0] ? inflateRawSync(packed.subarray(1)) : packed;
      return JSON.parse(plain.toString('utf8')) as T;
    } catch {
      throw fhirError(400, 'invalid', '_cursor is not one that this server gave for this path.');
    }
  }
}

/** The parameter that carries a cursor. */
export const cursorParameter = '_cursor';
