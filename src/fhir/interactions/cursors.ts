/** Opaque, tamper-proof positions in searches and histories: sealed, so that links tell nothing of what was asked and cannot be made up. */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { fhirError } from '../../base/outcome.js';

export class Cursors {
  /** @param key 32 bytes, `keyRing.derive('cursor')`. */
  constructor(private readonly key: Uint8Array) {}

  /**
   * @param position small JSON-able value.
   * @param path of the search or history that it belongs to: it opens nowhere else.
   */
  seal(position: unknown, path: string): string {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', this.key, nonce).setAAD(Buffer.from(path));
    const sealed = Buffer.concat([cipher.update(deflateRawSync(JSON.stringify(position))), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url');
  }

  /** @throws FhirError 400 `invalid` when the cursor is not one of ours for this path. */
  open<T>(cursor: string, path: string): T {
    try {
      const bytes = Buffer.from(cursor, 'base64url');
      const decipher = createDecipheriv('aes-256-gcm', this.key, bytes.subarray(0, 12), { authTagLength: 16 });
      decipher.setAAD(Buffer.from(path)).setAuthTag(bytes.subarray(12, 28));
      const packed = Buffer.concat([decipher.update(bytes.subarray(28)), decipher.final()]);
      return JSON.parse(inflateRawSync(packed).toString('utf8')) as T;
    } catch {
      throw fhirError(400, 'invalid', '_cursor is not one that this server gave for this path.');
    }
  }
}

/** The parameter that carries a cursor. */
export const cursorParameter = '_cursor';
