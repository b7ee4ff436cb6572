/**
 * Which terms a set may have: a Bloom filter of two places for each, sixteen bits a term, whose bytes are evenly spread already.
 *
 * Says yes to a term that was never added about once in seventy times; never no to one that was.
 */
import { termBytes } from '../version-row.js';

const bitsPerTerm = 16;

export class TermFilter {
  private readonly bits: Uint8Array;
  private readonly mask: number;

  /** @param terms how many will be added. */
  constructor(terms: number) {
    let size = 256;
    while (size < terms * bitsPerTerm) size *= 2;
    this.bits = new Uint8Array(size / 8);
    this.mask = size - 1;
  }

  /** @param packed terms of 16 bytes each. */
  add(packed: Uint8Array): void {
    const { bits, mask } = this;
    for (let at = 0; at < packed.byteLength; at += termBytes) {
      const first = placeAt(packed, at) & mask;
      const second = placeAt(packed, at + 4) & mask;
      bits[first >>> 3]! |= 1 << (first & 7);
      bits[second >>> 3]! |= 1 << (second & 7);
    }
  }

  /** @param term its first eight bytes count. */
  mayHave(term: Uint8Array): boolean {
    return this.isSet(placeAt(term, 0)) && this.isSet(placeAt(term, 4));
  }

  private isSet(place: number): boolean {
    const bit = place & this.mask;
    return (this.bits[bit >>> 3]! & (1 << (bit & 7))) !== 0;
  }
}

function placeAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}
