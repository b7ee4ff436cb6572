/**
 * Searches for what is not there, where a reader may see less of a resource than the index knows.
 *
 * The index has whole resources. A version without the value that is asked about is found by a complement, or by a term that tells of absence; a
 * version of which the value is hidden from the reader must be found too: else its absence among the matches tells what is hidden. So where a plan
 * asks for absence, versions with labelled elements are candidates, and each is matched again against what its reader sees.
 */
import type { Term } from '../../base/ids.js';
import { planOr } from './bounds.js';
import type { Plan } from './plan.js';

/** Text of the term of every version with security labels at its elements. */
export const labelledText = '\u0000L';

/** The plan with those versions as candidates; the same object when it asks for nothing that is absent. Links are left as they are. */
export function withLabelled(plan: Plan, labelled: Term): Plan {
  const orLabelled = () => planOr([plan, { kind: 'term', term: labelled }]);
  switch (plan.kind) {
    case 'not':
      return orLabelled();
    case 'term':
      return plan.tellsAbsence === true ? orLabelled() : plan;
    case 'and':
    case 'or': {
      const of = plan.of.map((operand) => withLabelled(operand, labelled));
      return of.every((operand, i) => operand === plan.of[i]) ? plan : { kind: plan.kind, of };
    }
    case 'all':
    case 'none':
    case 'resource':
    case 'updated':
    case 'link-to':
    case 'linked-from':
      return plan;
  }
}

/** True when versions may match by what is absent from them. */
export function asksForAbsence(plan: Plan): boolean {
  if (plan.kind === 'and' || plan.kind === 'or') return plan.of.some(asksForAbsence);
  return plan.kind === 'not' || (plan.kind === 'term' && plan.tellsAbsence === true);
}
