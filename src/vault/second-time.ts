/**
 * Who came before? A memory of fixed size for caches: what is asked for once, as in a long list, is not worth a place that something else has.
 *
 * It may forget whom it saw, and takes one key for another only when 48 bits of them are alike: for caches alone.
 */

const slots = 65_536;

export class SecondTime {
  private readonly seen = new Uint32Array(slots);

  /** @param digest of 6 bytes or more, evenly spread. @returns whether it came lately; it has, from now on. */
  isKnown(digest: Uint8Array): boolean {
    const slot = (digest[0]! << 8) | digest[1]!;
    // Never 0, which stands for nobody.
    const rest = ((digest[2]! << 24) | (digest[3]! << 16) | (digest[4]! << 8) | digest[5]! | 1) >>> 0;
    const isKnown = this.seen[slot] === rest;
    this.seen[slot] = rest;
    return isKnown;
  }
}
