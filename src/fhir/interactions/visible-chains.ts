/**
 * Chains and `_has` through what the principal may not see find nothing: else a visible resource would tell of a hidden one.
 *
 * The store follows links without knowing who asks. So a match of a chained search counts only when one of the resources that the chain goes
 * through is visible, link by link.
 */
import type { VersionRow } from '../../commit/catalog.js';
import type { Principal } from '../../consent/gate.js';
import { mayRead } from '../access.js';
import type { Plan } from '../search/plan.js';
import type { FhirServices } from '../services.js';
import { stillMatches, visibleLinks, type PartialServices } from './partial-match.js';

type ChainServices = PartialServices & Pick<FhirServices, 'search' | 'names'>;

/** Resources that one link of a chain is looked at for; beyond, the chain is taken to be hidden. */
const mostLinked = 1_000;

/** True when the plan follows links. */
export function followsLinks(plan: Plan): boolean {
  if (plan.kind === 'link-to' || plan.kind === 'linked-from') return true;
  if (plan.kind === 'and' || plan.kind === 'or') return plan.of.some(followsLinks);
  return plan.kind === 'not' && followsLinks(plan.of);
}

/** The chains of one search, for one principal, as of one log entry; remembers what it looked up. */
export class VisibleChains {
  private readonly decided = new Map<Plan, Map<number, Promise<boolean>>>();

  constructor(
    private readonly services: ChainServices,
    private readonly principal: Principal,
    private readonly asOf: number,
  ) {}

  /** @param row a version that `plan` found. */
  hold(plan: Plan, row: VersionRow): Promise<boolean> {
    const ofPlan = this.decided.get(plan) ?? new Map<number, Promise<boolean>>();
    this.decided.set(plan, ofPlan);
    let decision = ofPlan.get(row.leafIndex);
    if (decision === undefined) ofPlan.set(row.leafIndex, (decision = this.decide(plan, row)));
    return decision;
  }

  private async decide(plan: Plan, row: VersionRow): Promise<boolean> {
    if (plan.kind === 'and') {
      for (const operand of plan.of) if (followsLinks(operand) && !(await this.hold(operand, row))) return false;
      return true;
    }
    if (plan.kind === 'or') {
      for (const operand of plan.of) {
        const holds = followsLinks(operand) ? this.hold(operand, row) : this.matches(operand, row);
        if (await holds) return true;
      }
      return false;
    }
    if (plan.kind === 'link-to') {
      const links = await visibleLinks(this.services, this.principal, row, plan.params);
      if (links.length === 0) return false;
      const names = links.map(({ target }) => target);
      return this.someVisible({ kind: 'and', of: [{ kind: 'resource', names }, plan.target] }, plan.target);
    }
    if (plan.kind === 'linked-from') {
      const target: Plan = { kind: 'resource', names: [row.resource] };
      const link: Plan = { kind: 'link-to', params: plan.params, target };
      return this.someVisible({ kind: 'and', of: [plan.source, link] }, plan.source);
    }
    return true;
  }

  /** Whether `plan` finds something visible whose own chains (those of `inner`) hold. */
  private async someVisible(plan: Plan, inner: Plan): Promise<boolean> {
    const { catalog } = this.services;
    for (const row of await catalog.search({ plan, asOf: this.asOf, order: 'newest', limit: mostLinked })) {
      if (!(await mayRead(this.services, this.principal, 's', row))) continue;
      if (!(await stillMatches(this.services, this.principal, { plan }, row))) continue;
      if (!followsLinks(inner) || (await this.hold(inner, row))) return true;
    }
    return false;
  }

  private async matches(plan: Plan, row: VersionRow): Promise<boolean> {
    const own: Plan = { kind: 'and', of: [{ kind: 'resource', names: [row.resource] }, plan] };
    return (await this.services.catalog.search({ plan: own, asOf: this.asOf, order: 'newest', limit: 1 })).length > 0;
  }
}
