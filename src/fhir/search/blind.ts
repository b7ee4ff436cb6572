/** How search values become terms. Every text blinded here holds U+0000, except names and types: nothing collides. */
import { hash } from 'node:crypto';
import type { Term } from '../../base/ids.js';

/** Texts to terms; equal texts give equal terms. The vault's Blinder is one. */
export interface TermSource {
  /** Changes when texts get other terms (rotation of the index key): plans made before find nothing. */
  readonly epoch?: number;
  term(text: string): Term;
}

/** What an extractor needs: many terms at once. */
export interface TermPacker extends TermSource {
  /** The terms of `texts`, sorted, without repetitions, packed: 16 bytes each. */
  pack(texts: Iterable<string>): Uint8Array;
}

/** Blind name of `Type/id`: what catalogs call a resource. */
export function resourceName(blinder: TermSource, type: string, id: string): Term {
  return blinder.term(`${type}/${id}`);
}

/** Text of the term that every version of a type carries, deletions too. */
export function typeText(type: string): string {
  return type;
}

export function typeTerm(blinder: TermSource, type: string): Term {
  return blinder.term(typeText(type));
}

/**
 * Keys are long paths, and every text is hashed for look-ups many times a resource: eight letters of the key's SHA-256 stand for it. The paths
 * are a few thousand; that two of them meet in 48 bits is less likely than one in ten million.
 */
const shortKeys = new Map<string, string>();

function shortOf(key: string): string {
  let short = shortKeys.get(key);
  if (short === undefined) {
    short = hash('sha256', key, 'base64url').slice(0, 8);
    shortKeys.set(key, short);
  }
  return short;
}

/** Text of the blind name of a link parameter: the elements that `key` selects. */
export function linkText(key: string): string {
  return `${shortOf(key)}\u0000L`;
}

/** Text of the term that says: a Patient compartment that the resource is in. */
export function compartmentText(patientId: string): string {
  return `\u0000C${patientId}`;
}

/** Text of the term that says: contains a resource of this type. */
export function containedText(type: string): string {
  return `\u0000Q${type}`;
}

/** Text of a term of `kind` (one or two letters) under the elements that `key` selects. */
export function termText(key: string, kind: string, value: string): string {
  return `${shortOf(key)}\u0000${kind}${value}`;
}
