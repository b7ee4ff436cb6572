/** Blinding: HMAC-SHA-256 under the network's key, so that whoever reads a policy or the chain learns only which values are equal. */
import { createHmac } from 'node:crypto';
import { toHex } from '../base/bytes.js';
import type { Hex } from '../chain/chain.js';

export interface Blinder {
  /**
   * 16 bytes for a term, as 32 hexadecimal digits: two bytes for its kind (the text up to the first `|`), 14 for the whole. Remembered.
   */
  term(text: string): string;
  /** The two bytes of a kind, as 4 digits: tells which kinds a policy asks for, so that a request need not blind the others. */
  kind(name: string): string;
  /** 32 bytes for a patient: her name on the chain. Remembered. */
  pseudonym(patientId: string): Hex;
}

/** How many blinded values are remembered; about 150 bytes each. */
const CAPACITY = 100_000;

/**
 * @param key 32 bytes, shared by the members of a network that must recognise each other's codes and patients.
 */
export function createBlinder(key: Uint8Array): Blinder {
  const digest = (text: string) => createHmac('sha256', key).update(text).digest();
  const kind = remembered((name) => toHex(digest(`kind|${name}`).subarray(0, 2)));
  return {
    kind,
    term: remembered((text) => kind(text.split('|', 1)[0] as string) + toHex(digest(`term|${text}`).subarray(0, 14))),
    pseudonym: remembered((id) => `0x${toHex(digest(`patient|${id}`))}` as const),
  };
}

/** A two-generation memory: what was not asked for lately is forgotten without bookkeeping on each look-up. */
function remembered<Value>(compute: (text: string) => Value): (text: string) => Value {
  let young = new Map<string, Value>();
  let old = new Map<string, Value>();
  return (text) => {
    let value = young.get(text);
    if (value !== undefined) return value;
    value = old.get(text) ?? compute(text);
    if (young.size >= CAPACITY / 2) {
      old = young;
      young = new Map();
    }
    young.set(text, value);
    return value;
  };
}
