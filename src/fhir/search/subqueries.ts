/**
 * Conditions inside chains that the index cannot decide: searched, opened and checked first, then put into the plan as names.
 */
import type { Resource } from '../../base/resource.js';
import type { Term } from '../../base/ids.js';
import { planOr, type Bounds } from './bounds.js';
import type { TypedCondition } from './condition.js';
import type { Plan } from './plan.js';

/** A search to make before the one that contains it. */
export interface Subquery {
  /** Finds every match, and others. */
  readonly plan: Plan;
  /** True for the matches. */
  readonly recheck: (resource: Resource) => boolean;
  /** Stands in the plan for the names found. */
  readonly placeholder: Plan;
}

/** Collects the subqueries of one search, inner ones first. */
export class Subqueries {
  readonly found: Subquery[] = [];

  constructor(private readonly matches: (resource: Resource, condition: TypedCondition) => boolean) {}

  /** @returns a plan that finds what certainly matches, and, once settled, the rest. */
  add({ may, must }: Bounds, conditions: readonly TypedCondition[]): Plan {
    const placeholder: Plan = { kind: 'resource', names: [] };
    const recheck = (resource: Resource) =>
      conditions.some((one) => one.type === resource.resourceType && this.matches(resource, one));
    this.found.push({ plan: { kind: 'and', of: [may, { kind: 'not', of: must }] }, recheck, placeholder });
    return planOr([must, placeholder]);
  }
}

/** `plan` with the names found in place of the placeholders. */
export function fillIn(plan: Plan, names: ReadonlyMap<Plan, readonly Term[]>): Plan {
  const found = names.get(plan);
  if (found) return found.length === 0 ? { kind: 'none' } : { kind: 'resource', names: found };
  switch (plan.kind) {
    case 'and':
    case 'or':
      return { kind: plan.kind, of: plan.of.map((part) => fillIn(part, names)) };
    case 'not':
      return { kind: 'not', of: fillIn(plan.of, names) };
    case 'link-to':
      return { ...plan, target: fillIn(plan.target, names) };
    case 'linked-from':
      return { ...plan, source: fillIn(plan.source, names) };
    case 'all':
    case 'none':
    case 'term':
    case 'resource':
    case 'updated':
      return plan;
  }
}
