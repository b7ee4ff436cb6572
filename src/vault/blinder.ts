/**
 * Blinding: values to terms. HMAC-SHA-256 under the index key, cut to 16 bytes.
 *
 * What equality of terms still shows to the owner of an index is written down in docs/trust.md.
 */
import { hash } from 'node:crypto';
import type { Term } from '../base/ids.js';
import { Recent } from './recent.js';

export const termBytes = 16;

/** Texts longer than this are blinded each time: they hardly repeat. */
const cachedTextLength = 200;
/** Block and digest of SHA-256. */
const blockBytes = 64;
const digestBytes = 32;

export class Blinder {
  /** HMAC's two inputs (RFC 2104): the padded key, and behind it room for the text, or for the inner digest. */
  private inner = Buffer.alloc(4096, 0x36);
  private readonly outer = Buffer.alloc(blockBytes + digestBytes, 0x5c);
  /** Texts to terms as latin1 text: strings are found and sorted faster than bytes. */
  private readonly known: Recent<string, string>;

  /**
   * @param indexKey 32 bytes, `keyRing.derive('index')`.
   * @param cacheSize how many terms are remembered at most (codes, names and days repeat), about 150 bytes each.
   * @param names blinds what holds no U+0000, names of resources and types: they keep their terms when the index key is rotated.
   */
  constructor(
    indexKey: Uint8Array,
    cacheSize = 40_000,
    private readonly names?: Blinder,
  ) {
    if (indexKey.byteLength !== digestBytes) throw new RangeError('an index key has 32 bytes');
    indexKey.forEach((byte, index) => {
      this.inner[index] ^= byte;
      this.outer[index] ^= byte;
    });
    this.known = new Recent(cacheSize);
  }

  /** The term of `text`. Equal texts give equal terms; nothing else about the text can be told without the key. */
  term(text: string): Term {
    return new Uint8Array(Buffer.from(this.termText(text), 'latin1'));
  }

  /** The terms of `texts`, sorted, without repetitions, packed: 16 bytes each. */
  pack(texts: Iterable<string>): Uint8Array {
    const terms: string[] = [];
    for (const text of texts) terms.push(this.termText(text));
    return packTexts(terms);
  }

  private termText(text: string): string {
    const known = this.known.get(text);
    if (known !== undefined) return known;
    if (this.names !== undefined && !text.includes('\u0000')) return this.names.termText(text);
    const term = this.hmac(text).slice(0, termBytes);
    if (text.length <= cachedTextLength) this.known.set(text, term);
    return term;
  }

  /** HMAC-SHA-256 as latin1 text, by two one-shot hashes: a third of the time of an Hmac object. */
  private hmac(text: string): string {
    if (blockBytes + 3 * text.length > this.inner.byteLength) {
      const padded = this.inner.subarray(0, blockBytes);
      this.inner = Buffer.alloc(2 * (blockBytes + 3 * text.length));
      padded.copy(this.inner);
    }
    const end = blockBytes + this.inner.write(text, blockBytes);
    this.outer.write(hash('sha256', this.inner.subarray(0, end), 'binary'), blockBytes, digestBytes, 'latin1');
    return hash('sha256', this.outer, 'binary');
  }
}

/** `terms` sorted, without repetitions, packed: 16 bytes each. */
export function packTerms(terms: Iterable<Term>): Uint8Array {
  const texts = new Set<string>();
  for (const term of terms) {
    texts.add(Buffer.from(term.buffer, term.byteOffset, term.byteLength).toString('latin1'));
  }
  return packTexts([...texts]);
}

/** @param texts terms as latin1 text. */
function packTexts(texts: string[]): Uint8Array {
  texts.sort();
  const packed = Buffer.allocUnsafeSlow(texts.length * termBytes);
  let at = 0;
  texts.forEach((text, index) => {
    if (index > 0 && text === texts[index - 1]) return;
    at += packed.write(text, at, termBytes, 'latin1');
  });
  return packed.subarray(0, at);
}

/** The terms that were packed. */
export function termsIn(packed: Uint8Array): Uint8Array[] {
  return Array.from({ length: packed.byteLength / termBytes }, (_, index) =>
    packed.subarray(index * termBytes, (index + 1) * termBytes),
  );
}

/** `packed` with `term` in its place; the same bytes when it is there already. */
export function withTerm(packed: Uint8Array, term: Term): Uint8Array {
  let low = 0;
  let high = packed.byteLength / termBytes;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const order = Buffer.compare(packed.subarray(middle * termBytes, (middle + 1) * termBytes), term);
    if (order === 0) return packed;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return Buffer.concat([packed.subarray(0, low * termBytes), term, packed.subarray(low * termBytes)]);
}
