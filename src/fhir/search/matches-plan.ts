/** A plan on one resource that is at hand: what a store does for all, done here for the terms of one. */
import type { Term } from '../../base/ids.js';
import type { Plan } from './plan.js';

/** One resource as the index would hold it. */
export interface Indexed {
  /** Packed terms, 16 bytes each. */
  readonly terms: Uint8Array;
  /** Blind name of `Type/id`. */
  readonly name: Term;
  /** Milliseconds since 1970. */
  readonly lastUpdated: number;
}

/** Chains and `_has` need other resources; they do not match here. */
export function matchesPlan(plan: Plan, indexed: Indexed): boolean {
  switch (plan.kind) {
    case 'all':
      return true;
    case 'none':
      return false;
    case 'term':
      return hasTerm(indexed.terms, plan.term);
    case 'and':
      return plan.of.every((operand) => matchesPlan(operand, indexed));
    case 'or':
      return plan.of.some((operand) => matchesPlan(operand, indexed));
    case 'not':
      return !matchesPlan(plan.of, indexed);
    case 'resource':
      return plan.names.some((name) => Buffer.compare(name, indexed.name) === 0);
    case 'updated':
      return indexed.lastUpdated >= plan.from && indexed.lastUpdated < plan.until;
    case 'link-to':
    case 'linked-from':
      return false;
  }
}

const termBytes = 16;

function hasTerm(terms: Uint8Array, term: Term): boolean {
  for (let at = 0; at < terms.length; at += termBytes) {
    if (Buffer.compare(terms.subarray(at, at + termBytes), term) === 0) return true;
  }
  return false;
}
