/**
 * What an index can say of a condition: a plan that finds every match (`may`) and one that finds only matches (`must`).
 *
 * Both are the same object when the index decides the condition exactly. The algebra keeps both sides right through and, or, not and links.
 */
import type { Term } from '../../base/ids.js';
import type { Plan } from './plan.js';

export interface Bounds {
  readonly may: Plan;
  readonly must: Plan;
}

export const all: Plan = { kind: 'all' };
export const none: Plan = { kind: 'none' };

export function exactly(plan: Plan): Bounds {
  return { may: plan, must: plan };
}

export const everything = exactly(all);
export const nothing = exactly(none);

export function isExact(bounds: Bounds): boolean {
  return bounds.may === bounds.must;
}

/** Found by the index up to a test of the opened resource. */
export function upTo(may: Plan): Bounds {
  return { may, must: none };
}

export function and(...parts: readonly Bounds[]): Bounds {
  return combine(parts, planAnd);
}

export function or(...parts: readonly Bounds[]): Bounds {
  return combine(parts, planOr);
}

function combine(parts: readonly Bounds[], join: (plans: readonly Plan[]) => Plan): Bounds {
  if (parts.length === 1) return parts[0];
  const may = join(parts.map((part) => part.may));
  return parts.every(isExact) ? exactly(may) : { may, must: join(parts.map((part) => part.must)) };
}

/** Complement: what certainly matches becomes what certainly does not. */
export function not(part: Bounds): Bounds {
  const may = planNot(part.must);
  return isExact(part) ? exactly(may) : { may, must: planNot(part.may) };
}

/** Any of `terms`. */
export function anyTerm(terms: readonly Term[]): Plan {
  return planOr(terms.map((term) => ({ kind: 'term', term })));
}

export function planAnd(plans: readonly Plan[]): Plan {
  const flat = plans.flatMap((plan) => (plan.kind === 'and' ? plan.of : [plan])).filter((plan) => plan.kind !== 'all');
  if (flat.some((plan) => plan.kind === 'none')) return none;
  const of = distinct(flat);
  return of.length === 0 ? all : of.length === 1 ? of[0] : { kind: 'and', of };
}

export function planOr(plans: readonly Plan[]): Plan {
  const flat = plans.flatMap((plan) => (plan.kind === 'or' ? plan.of : [plan])).filter((plan) => plan.kind !== 'none');
  if (flat.some((plan) => plan.kind === 'all')) return all;
  const of = distinct(flat);
  return of.length === 0 ? none : of.length === 1 ? of[0] : { kind: 'or', of };
}

function planNot(plan: Plan): Plan {
  if (plan.kind === 'all') return none;
  if (plan.kind === 'none') return all;
  return plan.kind === 'not' ? plan.of : { kind: 'not', of: plan };
}

/** Terms are shared objects (the blinder remembers them): equal ones are found by identity. */
function distinct(plans: readonly Plan[]): Plan[] {
  const seen = new Set<unknown>();
  return plans.filter((plan) => {
    const identity = plan.kind === 'term' ? plan.term : plan;
    return !seen.has(identity) && seen.add(identity);
  });
}

/** How many operands and leaves a plan has: what limits are measured in. */
export function sizeOfPlan(plan: Plan): number {
  switch (plan.kind) {
    case 'and':
    case 'or':
      return plan.of.reduce((sum, part) => sum + sizeOfPlan(part), 1);
    case 'not':
      return 1 + sizeOfPlan(plan.of);
    case 'link-to':
      return 1 + plan.params.length + sizeOfPlan(plan.target);
    case 'linked-from':
      return 1 + plan.params.length + sizeOfPlan(plan.source);
    case 'resource':
      return plan.names.length;
    case 'all':
    case 'none':
    case 'term':
    case 'updated':
      return 1;
  }
}
