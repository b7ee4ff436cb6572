/**
 * The texts that policies and requests are compared by. One place, so that both sides write the same.
 *
 * A coding of a record or requester makes three texts: with its system, with any system (`*`), and, when it has none, without.
 */
import type { Coding } from '../base/resource.js';
import { canonicalSystem, selfAndAncestors } from './hierarchies.js';

/** What a coding is compared as. */
export type CodingKind = 'action' | 'purpose' | 'class' | 'code' | 'label' | 'role';

/** The text of exactly this system and code; `*` for any system, empty for none. */
export function codingTerm(kind: CodingKind, system: string, code: string): string {
  return `${kind}|${system}|${code}`;
}

/** Everything that a coding of the request's side matches: itself and what it is a kind of. */
export function codingTerms(kind: CodingKind, coding: Coding): string[] {
  if (typeof coding.code !== 'string') return [];
  const { code } = coding;
  if (typeof coding.system !== 'string' || coding.system === '') {
    return [codingTerm(kind, '', code), codingTerm(kind, '*', code)];
  }
  const system = canonicalSystem(coding.system);
  return selfAndAncestors(system, code).flatMap((one) => [codingTerm(kind, system, one), codingTerm(kind, '*', one)]);
}

/** How a reference is compared: the requester, the record, its author, what the record refers to. */
export type ReferenceKind = 'actor' | 'instance' | 'author' | 'refers';

export function referenceTerm(kind: ReferenceKind, reference: string): string {
  return `${kind}|${normalReference(reference)}`;
}

/** A reference without version: `Type/id`, or an absolute URL as it is. */
export function normalReference(reference: string): string {
  return reference.replace(/\/_history\/[^/]+$/, '');
}

/** Name by which an actor is known that is referred to by identifier only. */
export function identifierReference(system: string, value: string): string {
  return `identifier:${system}|${value}`;
}
