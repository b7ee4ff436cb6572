/**
 * Which versions a search has to look at, where a reader may see less of them than the index knows.
 *
 * The index holds, of a version with labelled elements, what any of its readers may see (extract.ts), so that terms find every version that its
 * reader's part of it may match by. What matches by the lack of something is found by a complement, and there a version may be missing that has
 * in the index what its reader does not see. So versions with labelled elements are candidates of a complement; and where links are complemented,
 * every version is: what a link leads to may be hidden.
 */
import type { Term } from '../../base/ids.js';
import { all, planAnd, planOr } from './bounds.js';
import type { Plan } from './plan.js';

/** Text of the term of every version with security labels at its elements. */
export const labelledText = '\u0000L';

/** Finds every version that matches `plan` for some reader; the same object when that is `plan` itself. */
export function candidatesOf(plan: Plan, labelled: Term): Plan {
  switch (plan.kind) {
    case 'not':
      return followsLinks(plan.of) ? all : planOr([plan, { kind: 'term', term: labelled }]);
    case 'and':
    case 'or': {
      const of = plan.of.map((operand) => candidatesOf(operand, labelled));
      if (of.every((operand, i) => operand === plan.of[i])) return plan;
      return plan.kind === 'and' ? planAnd(of) : planOr(of);
    }
    case 'link-to': {
      const target = candidatesOf(plan.target, labelled);
      return target === plan.target ? plan : { ...plan, target };
    }
    case 'linked-from': {
      const source = candidatesOf(plan.source, labelled);
      return source === plan.source ? plan : { ...plan, source };
    }
    case 'all':
    case 'none':
    case 'term':
    case 'resource':
    case 'updated':
      return plan;
  }
}

/** True when the plan follows links. */
export function followsLinks(plan: Plan): boolean {
  if (plan.kind === 'link-to' || plan.kind === 'linked-from') return true;
  if (plan.kind === 'and' || plan.kind === 'or') return plan.of.some(followsLinks);
  return plan.kind === 'not' && followsLinks(plan.of);
}
