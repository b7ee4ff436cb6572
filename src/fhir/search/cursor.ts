/**
 * Cursors of pages: opaque and tamper-proof, so that a page link can neither be read nor turned into another search.
 *
 * AES-256-GCM under a key of the ring; the nonce is random, the query's digest is authenticated with it.
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import { fhirError } from '../../base/outcome.js';

/** A place in the answer to one query. */
export interface Page {
  /** Sequence number of the entry after which the state is searched. */
  readonly asOf: number;
  /** Matches before this page; what the door needs to find the page before. */
  readonly offset: number;
  /** leafIndex of the last match before the page; absent on a first page. */
  readonly after?: number;
  /** Whatever else the door needs to go on: sort keys, total. JSON. */
  readonly state?: unknown;
}

export interface Cursors {
  seal(page: Page, digest: string): string;
  /** @throws FhirError 400 `invalid` when the text was not made here, or for another query. */
  open(text: string, digest: string): Page;
}

const nonceBytes = 12;
const tagBytes = 16;

/** @param key 32 bytes, `keyRing.derive('cursor')`. */
export function createCursors(key: Uint8Array): Cursors {
  return {
    seal(page, digest) {
      const nonce = randomBytes(nonceBytes);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      cipher.setAAD(Buffer.from(digest));
      const sealed = Buffer.concat([cipher.update(JSON.stringify(page), 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, sealed, cipher.getAuthTag()]).toString('base64url');
    },
    open(text, digest) {
      const bytes = Buffer.from(text, 'base64url');
      try {
        const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, nonceBytes), {
          authTagLength: tagBytes,
        });
        decipher.setAAD(Buffer.from(digest));
        decipher.setAuthTag(bytes.subarray(bytes.length - tagBytes));
        const plain = Buffer.concat([
          decipher.update(bytes.subarray(nonceBytes, bytes.length - tagBytes)),
          decipher.final(),
        ]);
        return JSON.parse(plain.toString('utf8')) as Page;
      } catch {
        throw fhirError(
          400,
          'invalid',
          'Search parameter _cursor: this page link was not made by this server, or for another search',
        );
      }
    },
  };
}

/** Identity of a query: what it asks for and how its answer is shaped, without the cursor. */
export function queryDigest(path: string, params: readonly (readonly [string, string])[]): string {
  const asked = params.filter(([name]) => name !== '_cursor' && name !== '_format' && name !== '_pretty');
  return createHash('sha256')
    .update(JSON.stringify([path, asked]))
    .digest('base64url');
}
