/**
 * Chains and `_has` through what the principal may not see find nothing: else a visible resource would tell of a hidden one.
 *
 * The store follows links without knowing who asks. So a match of a chained search counts only when one of the resources that the chain goes
 * through is visible, link by link. Many matches are looked at together, and what they refer to is decided once.
 */
import type { Term } from '../../base/ids.js';
import type { LinkOf, VersionRow } from '../../commit/catalog.js';
import type { Principal } from '../../consent/gate.js';
import { mayRead } from '../access.js';
import type { Plan } from '../search/plan.js';
import type { FhirServices } from '../services.js';
import { stillMatches, visibleLinks, type PartialServices } from './partial-match.js';

type ChainServices = PartialServices & Pick<FhirServices, 'search' | 'names'>;
type LinkTo = Extract<Plan, { kind: 'link-to' }>;
type LinkedFrom = Extract<Plan, { kind: 'linked-from' }>;

/** Targets that are looked up together. */
const targetsAtOnce = 256;
/** Sources of one link that are looked at for a visible one; beyond, the chain is taken to be hidden. */
const mostLinked = 1_000;
/** The first ones of them: mostly one is visible. */
const firstLinked = 16;

/** True when the plan follows links. */
export function followsLinks(plan: Plan): boolean {
  if (plan.kind === 'link-to' || plan.kind === 'linked-from') return true;
  if (plan.kind === 'and' || plan.kind === 'or') return plan.of.some(followsLinks);
  return plan.kind === 'not' && followsLinks(plan.of);
}

/** The chains of one search, for one principal, as of one log entry; remembers what it looked up. */
export class VisibleChains {
  /** Targets that a link may lead to, by plan and blind name. */
  private readonly targets = new Map<Plan, Map<string, boolean>>();

  constructor(
    private readonly services: ChainServices,
    private readonly principal: Principal,
    private readonly asOf: number,
  ) {}

  /** @param row a version that `plan` found. */
  async hold(plan: Plan, row: VersionRow): Promise<boolean> {
    return (await this.filter(plan, [row])).length > 0;
  }

  /** @param rows versions that `plan` found. @returns those for which its chains hold, in the same order. */
  async filter(plan: Plan, rows: readonly VersionRow[]): Promise<readonly VersionRow[]> {
    if (rows.length === 0 || !followsLinks(plan)) return rows;
    if (plan.kind === 'or') return this.someHold(plan.of, rows);
    if (plan.kind === 'link-to') return this.leadingTo(plan, rows);
    if (plan.kind === 'linked-from') return this.referredTo(plan, rows);
    if (plan.kind !== 'and') return rows;
    let left = rows;
    for (const operand of plan.of) left = await this.filter(operand, left);
    return left;
  }

  private async someHold(operands: readonly Plan[], rows: readonly VersionRow[]): Promise<readonly VersionRow[]> {
    const held = new Set<number>();
    for (const operand of operands) {
      const open = rows.filter(({ leafIndex }) => !held.has(leafIndex));
      const matching = await this.matching(operand, open);
      for (const { leafIndex } of await this.filter(operand, matching)) held.add(leafIndex);
    }
    return rows.filter(({ leafIndex }) => held.has(leafIndex));
  }

  /** The rows that the store finds by `plan`. */
  private async matching(plan: Plan, rows: readonly VersionRow[]): Promise<readonly VersionRow[]> {
    const found = new Set<number>();
    for (let at = 0; at < rows.length; at += targetsAtOnce) {
      const names = rows.slice(at, at + targetsAtOnce).map(({ resource }) => resource);
      for (const { leafIndex } of await this.search(named(names, plan), names.length)) found.add(leafIndex);
    }
    return rows.filter(({ leafIndex }) => found.has(leafIndex));
  }

  private async leadingTo(plan: LinkTo, rows: readonly VersionRow[]): Promise<readonly VersionRow[]> {
    const links = await visibleLinks(this.services, this.principal, rows, plan.params);
    await this.acceptOnlyTargets(plan.target, rows, links);
    const decided = await this.decidedTargets(
      plan.target,
      links.map(({ target }) => target),
    );
    const held = new Set(links.filter(({ target }) => decided.get(keyOf(target))).map(({ leafIndex }) => leafIndex));
    return rows.filter(({ leafIndex }) => held.has(leafIndex));
  }

  /**
   * A version that was found and has one link leads to a match: whether that is visible is all that is left to decide. Not so for a version that is
   * seen in part, which may have other links.
   */
  private async acceptOnlyTargets(plan: Plan, rows: readonly VersionRow[], links: readonly LinkOf[]): Promise<void> {
    const decided = this.decidedFor(plan);
    const byLeaf = new Map<number, Term | undefined>();
    for (const { leafIndex, target } of links) {
      const other = byLeaf.get(leafIndex);
      const isOnly = !byLeaf.has(leafIndex) || (other !== undefined && keyOf(other) === keyOf(target));
      byLeaf.set(leafIndex, isOnly ? target : undefined);
    }
    const targets = new Map<string, Term>();
    for (const row of rows) {
      const target = byLeaf.get(row.leafIndex);
      if (target === undefined || decided.has(keyOf(target))) continue;
      if (this.services.opened.header(row).attributes.elementLabels === undefined) targets.set(keyOf(target), target);
    }
    if (targets.size === 0) return;
    const current = await this.services.catalog.currentOf([...targets.values()], this.asOf);
    for (const key of targets.keys()) decided.set(key, false);
    for (const row of await this.visibleAmong(current, plan, plan)) decided.set(keyOf(row.resource), true);
  }

  private decidedFor(plan: Plan): Map<string, boolean> {
    const decided = this.targets.get(plan) ?? new Map<string, boolean>();
    this.targets.set(plan, decided);
    return decided;
  }

  /** For each of `targets`: whether it is visible, matches `plan`, and the chains of `plan` hold for it. */
  private async decidedTargets(plan: Plan, targets: readonly Term[]): Promise<ReadonlyMap<string, boolean>> {
    const decided = this.decidedFor(plan);
    const fresh = targets.filter((target) => {
      const key = keyOf(target);
      return !decided.has(key) && decided.set(key, false);
    });
    for (let at = 0; at < fresh.length; at += targetsAtOnce) {
      const names = fresh.slice(at, at + targetsAtOnce);
      for (const row of await this.visibleOf(named(names, plan), plan, names.length)) {
        decided.set(keyOf(row.resource), true);
      }
    }
    return decided;
  }

  private async referredTo(plan: LinkedFrom, rows: readonly VersionRow[]): Promise<readonly VersionRow[]> {
    const held: VersionRow[] = [];
    for (const row of rows) {
      const link: Plan = {
        kind: 'link-to',
        params: plan.params,
        target: { kind: 'resource', names: [row.resource] },
      };
      if (await this.hasVisible({ kind: 'and', of: [plan.source, link] }, plan.source)) held.push(row);
    }
    return held;
  }

  private async hasVisible(plan: Plan, inner: Plan): Promise<boolean> {
    let after: number | undefined;
    for (let limit = firstLinked, seen = 0; seen < mostLinked; limit = mostLinked) {
      const found = await this.search(plan, limit, after);
      if ((await this.visibleAmong(found, plan, inner)).length > 0) return true;
      if (found.length < limit) return false;
      seen += found.length;
      after = found[found.length - 1].leafIndex;
    }
    return false;
  }

  private async visibleOf(plan: Plan, inner: Plan, limit: number): Promise<readonly VersionRow[]> {
    return this.visibleAmong(await this.search(plan, limit), plan, inner);
  }

  /** Those of `found` that are visible and whose own chains (those of `inner`) hold. */
  private async visibleAmong(found: readonly VersionRow[], plan: Plan, inner: Plan): Promise<readonly VersionRow[]> {
    const visible: VersionRow[] = [];
    for (const row of found) {
      const decision = mayRead(this.services, this.principal, 's', row);
      if (!(typeof decision === 'boolean' ? decision : await decision)) continue;
      const matches = stillMatches(this.services, this.principal, { plan }, row);
      if (matches === true || (await matches)) visible.push(row);
    }
    return this.filter(inner, visible);
  }

  private search(plan: Plan, limit: number, after?: number) {
    const { catalog } = this.services;
    return catalog.search({ plan, asOf: this.asOf, order: 'newest', limit, ...(after === undefined ? {} : { after }) });
  }
}

function named(names: readonly Term[], plan: Plan): Plan {
  return { kind: 'and', of: [{ kind: 'resource', names }, plan] };
}

function keyOf(name: Term): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1');
}
