/** A set of digests of blocks. */
import type { BlockDigest } from '../base/ids.js';

export class DigestSet {
  private readonly texts = new Set<string>();

  has(digest: BlockDigest): boolean {
    return this.texts.has(textOf(digest));
  }

  /** @returns false when it was in the set. */
  add(digest: BlockDigest): boolean {
    const before = this.texts.size;
    this.texts.add(textOf(digest));
    return this.texts.size > before;
  }
}

/** One character a byte: V8 keeps it in as many bytes. */
function textOf(digest: BlockDigest): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('latin1');
}
