/**
 * Blinding: values to terms. HMAC-SHA-256 under the index key, cut to 16 bytes.
 *
 * What equality of terms still shows to the owner of an index is written down in docs/trust.md.
 */
import { createHmac, createSecretKey, type KeyObject } from 'node:crypto';
import type { Term } from '../base/ids.js';
import { Recent } from './recent.js';

export const termBytes = 16;

/** Texts longer than this are blinded each time: they hardly repeat. */
const cachedTextLength = 200;

export class Blinder {
  private readonly key: KeyObject;
  private readonly known: Recent<string, Term>;

  /**
   * @param indexKey 32 bytes, `keyRing.derive('index')`.
   * @param cacheSize how many terms are remembered at most (codes, names and days repeat), about 200 bytes each.
   */
  constructor(indexKey: Uint8Array, cacheSize = 40_000) {
    this.key = createSecretKey(indexKey);
    this.known = new Recent(cacheSize);
  }

  /** The term of `text`. Equal texts give equal terms; nothing else about the text can be told without the key. Do not alter the bytes. */
  term(text: string): Term {
    const known = this.known.get(text);
    if (known !== undefined) return known;
    const term = this.blind(text);
    if (text.length <= cachedTextLength) this.known.set(text, term);
    return term;
  }

  private blind(text: string): Term {
    return new Uint8Array(createHmac('sha256', this.key).update(text, 'utf8').digest().subarray(0, termBytes));
  }
}

/** `terms` sorted, without repetitions, packed: 16 bytes each. */
export function packTerms(terms: Iterable<Term>): Uint8Array {
  const texts = new Set<string>();
  for (const term of terms) {
    texts.add(Buffer.from(term.buffer, term.byteOffset, term.byteLength).toString('latin1'));
  }
  const packed = Buffer.allocUnsafe(texts.size * termBytes);
  let at = 0;
  for (const text of [...texts].sort()) at += packed.write(text, at, 'latin1');
  return packed;
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
