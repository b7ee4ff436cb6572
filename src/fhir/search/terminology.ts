/** The codes behind `:in`, `:not-in`, `:above` and `:below`, from the terminology in force. */
import { FhirError } from '../../base/outcome.js';
import type { Concept, Terminology } from '../terminology/terminology.js';
import type { SearchTerminology } from './context.js';

/** @param terminology asked at each use, so that definitions may change while the server runs. */
export function searchTerminology(terminology: () => Pick<Terminology, 'expand' | 'lookup'>): SearchTerminology {
  return {
    expand(valueSet) {
      try {
        return terminology().expand(valueSet).contains;
      } catch (error) {
        // Unknown, or not to be listed: the search names the value set in its refusal.
        if (error instanceof FhirError) return undefined;
        throw error;
      }
    },
    related(system, code, direction) {
      const found = terminology().lookup(system, code);
      if (!found) return undefined;
      const codes = new Set<string>();
      collect(found.concept, direction === 'above' ? 'parents' : 'children', codes);
      return [...codes];
    },
  };
}

/** A concept may have several parents: each is visited once. */
function collect(concept: Concept, direction: 'parents' | 'children', codes: Set<string>): void {
  if (codes.has(concept.code)) return;
  codes.add(concept.code);
  for (const next of concept[direction]) collect(next, direction, codes);
}
