/**
 * What a search finds, by what its principal may see: a hidden resource is no link of a chain, and a hidden element neither matches nor fails to.
 *
 * The store looks for candidates (search/labelled.ts) and follows links without knowing who asks. Each is decided here: by the terms of what she
 * sees of it where that is not all, and link by link where the plan has chains or `_has`. Many versions are looked at together, and what they
 * refer to is decided once.
 */
import type { Term } from '../../base/ids.js';
import type { LinkOf, VersionRow } from '../../commit/catalog.js';
import type { Principal } from '../../consent/gate.js';
import { mayRead } from '../access.js';
import { planOr } from '../search/bounds.js';
import type { Extracted } from '../search/extract.js';
import { candidatesOf, followsLinks, labelledText } from '../search/labelled.js';
import { matchesPlan } from '../search/matches-plan.js';
import type { Plan } from '../search/plan.js';
import { isEqual, isWhole, seenInPart, visibleLinks, type PartialServices } from './partial-match.js';

type Rows = readonly VersionRow[];
type LinkTo = Extract<Plan, { kind: 'link-to' }>;
type LinkedFrom = Extract<Plan, { kind: 'linked-from' }>;

/** Targets that are looked up together. */
const targetsAtOnce = 256;
/** Sources of one link that are looked at for a visible one; beyond, the chain is taken to be hidden. */
const mostLinked = 1_000;
/** The first ones of them: mostly one is visible. */
const firstLinked = 16;

/** The matches of one search, for one principal, as of one log entry; remembers what it looked up. */
export class VisibleMatches {
  /** Targets that a link may lead to, by plan and blind name. */
  private readonly targets = new Map<Plan, Map<string, boolean>>();
  /** What the principal sees of versions with labelled elements, by leafIndex. */
  private readonly parts = new Map<number, Promise<Extracted>>();
  private readonly labelled: Term;

  constructor(
    private readonly services: PartialServices,
    private readonly principal: Principal,
    private readonly asOf: number,
  ) {
    this.labelled = services.search.blinder.term(labelledText);
  }

  /** What the store is to be asked, so that it finds every match of `plan`. */
  candidates(plan: Plan): Plan {
    return candidatesOf(plan, this.labelled);
  }

  /**
   * @param rows versions that `candidates(plan)` found and the principal may see.
   * @returns those that match `plan` for her, in the same order; at once when nothing has to be looked up.
   */
  filter(plan: Plan, rows: Rows): Rows | Promise<Rows> {
    if (!followsLinks(plan) && rows.every((row) => isWhole(this.services, row))) return rows;
    return this.holding(plan, rows, true);
  }

  /** @param isFound the store found `rows` by `candidates(plan)`; else they are any that the principal may see. */
  private async holding(plan: Plan, rows: Rows, isFound: boolean): Promise<Rows> {
    if (rows.length === 0) return rows;
    if (!followsLinks(plan)) return this.byTerms(plan, rows, isFound);
    if (plan.kind === 'or') return this.someHold(plan.of, rows);
    if (plan.kind === 'not') return without(rows, await this.holding(plan.of, rows, false));
    if (plan.kind === 'link-to') return this.leadingTo(plan, rows, isFound);
    if (plan.kind === 'linked-from') return this.referredTo(plan, rows);
    if (plan.kind !== 'and') return rows;
    let left = rows;
    for (const operand of plan.of) left = await this.holding(operand, left, isFound);
    return left;
  }

  private async byTerms(plan: Plan, rows: Rows, isFound: boolean): Promise<Rows> {
    const held = new Set<number>();
    const whole = rows.filter((row) => isWhole(this.services, row));
    for (const { leafIndex } of isFound ? whole : await this.lookUp(plan, whole)) held.add(leafIndex);
    for (const row of rows) {
      if (isWhole(this.services, row)) continue;
      const { terms } = await this.seen(row);
      if (matchesPlan(plan, { terms, name: row.resource, lastUpdated: row.lastUpdated })) held.add(row.leafIndex);
    }
    return rows.filter(({ leafIndex }) => held.has(leafIndex));
  }

  /** Those of `rows` that the store finds by `plan`, which follows no links. */
  private async lookUp(plan: Plan, rows: Rows): Promise<Rows> {
    const found: VersionRow[] = [];
    for (let at = 0; at < rows.length; at += targetsAtOnce) {
      const names = rows.slice(at, at + targetsAtOnce).map(({ resource }) => resource);
      found.push(...(await this.search(named(names, plan), names.length)));
    }
    return found;
  }

  private seen(row: VersionRow): Promise<Extracted> {
    const known = this.parts.get(row.leafIndex);
    if (known !== undefined) return known;
    const { extractor, opened } = this.services;
    const seen = seenInPart(this.services, this.principal, row).then(
      async (part) => part ?? extractor.extract((await opened.text(row)).value()),
    );
    this.parts.set(row.leafIndex, seen);
    return seen;
  }

  private async someHold(operands: readonly Plan[], rows: Rows): Promise<Rows> {
    const unlinked = planOr(operands.filter((operand) => !followsLinks(operand)));
    const held = new Set<number>();
    for (const operand of [unlinked, ...operands.filter(followsLinks)]) {
      if (operand.kind === 'none') continue;
      const open = rows.filter(({ leafIndex }) => !held.has(leafIndex));
      for (const { leafIndex } of await this.holding(operand, open, false)) held.add(leafIndex);
    }
    return rows.filter(({ leafIndex }) => held.has(leafIndex));
  }

  private async leadingTo(plan: LinkTo, rows: Rows, isFound: boolean): Promise<Rows> {
    const links = await visibleLinks(this.services, this.principal, rows, plan.params);
    if (isFound) await this.acceptOnlyTargets(plan.target, rows, links);
    const decided = await this.decidedTargets(
      plan.target,
      links.map(({ target }) => target),
    );
    const held = new Set(links.filter(({ target }) => decided.get(keyOf(target))).map(({ leafIndex }) => leafIndex));
    return rows.filter(({ leafIndex }) => held.has(leafIndex));
  }

  /** A version that was found, is seen whole and has one link leads to a candidate: the store need not be asked for that again. */
  private async acceptOnlyTargets(plan: Plan, rows: Rows, links: readonly LinkOf[]): Promise<void> {
    const decided = this.decidedFor(plan);
    const byLeaf = new Map<number, Term | undefined>();
    for (const { leafIndex, target } of links) {
      const other = byLeaf.get(leafIndex);
      const isOnly = !byLeaf.has(leafIndex) || (other !== undefined && isEqual(other, target));
      byLeaf.set(leafIndex, isOnly ? target : undefined);
    }
    const targets = new Map<string, Term>();
    for (const row of rows) {
      const target = byLeaf.get(row.leafIndex);
      if (target === undefined || decided.has(keyOf(target))) continue;
      if (isWhole(this.services, row)) targets.set(keyOf(target), target);
    }
    if (targets.size === 0) return;
    const current = await this.services.catalog.currentOf([...targets.values()], this.asOf);
    for (const key of targets.keys()) decided.set(key, false);
    for (const row of await this.visibleAmong(current, plan)) decided.set(keyOf(row.resource), true);
  }

  private decidedFor(plan: Plan): Map<string, boolean> {
    const decided = this.targets.get(plan) ?? new Map<string, boolean>();
    this.targets.set(plan, decided);
    return decided;
  }

  /** For each of `targets`: whether it is visible and matches `plan` for the principal. */
  private async decidedTargets(plan: Plan, targets: readonly Term[]): Promise<ReadonlyMap<string, boolean>> {
    const decided = this.decidedFor(plan);
    const fresh = targets.filter((target) => {
      const key = keyOf(target);
      return !decided.has(key) && decided.set(key, false);
    });
    const candidates = this.candidates(plan);
    for (let at = 0; at < fresh.length; at += targetsAtOnce) {
      const names = fresh.slice(at, at + targetsAtOnce);
      const found = await this.search(named(names, candidates), names.length);
      for (const row of await this.visibleAmong(found, plan)) decided.set(keyOf(row.resource), true);
    }
    return decided;
  }

  private async referredTo(plan: LinkedFrom, rows: Rows): Promise<Rows> {
    const candidates = this.candidates(plan.source);
    const held: VersionRow[] = [];
    for (const row of rows) if (await this.isReferredTo(plan, candidates, row)) held.push(row);
    return held;
  }

  private async isReferredTo({ params, source }: LinkedFrom, candidates: Plan, row: VersionRow): Promise<boolean> {
    const link: Plan = { kind: 'link-to', params, target: { kind: 'resource', names: [row.resource] } };
    let after: number | undefined;
    for (let limit = firstLinked, seen = 0; seen < mostLinked; limit = mostLinked) {
      const found = await this.search({ kind: 'and', of: [candidates, link] }, limit, after);
      const visible = await this.visibleAmong(found, source);
      if ((await this.referring(visible, params, row)).length > 0) return true;
      if (found.length < limit) return false;
      seen += found.length;
      after = found[found.length - 1].leafIndex;
    }
    return false;
  }

  /** Those of `sources`, which have a link to `row`, of which the principal sees that link. */
  private async referring(sources: Rows, params: readonly Term[], row: VersionRow): Promise<Rows> {
    const inPart = sources.filter((source) => !isWhole(this.services, source));
    if (inPart.length === 0) return sources;
    const links = await visibleLinks(this.services, this.principal, inPart, params);
    const seen = new Set(links.filter(({ target }) => isEqual(target, row.resource)).map(({ leafIndex }) => leafIndex));
    return sources.filter((source) => isWhole(this.services, source) || seen.has(source.leafIndex));
  }

  /** Those of `found` (by the candidates of `plan`) that are visible and match. */
  private async visibleAmong(found: Rows, plan: Plan): Promise<Rows> {
    const visible: VersionRow[] = [];
    for (const row of found) {
      const decision = mayRead(this.services, this.principal, 's', row);
      if (typeof decision === 'boolean' ? decision : await decision) visible.push(row);
    }
    return this.filter(plan, visible);
  }

  private search(plan: Plan, limit: number, after?: number) {
    const { catalog } = this.services;
    return catalog.search({ plan, asOf: this.asOf, order: 'newest', limit, ...(after === undefined ? {} : { after }) });
  }
}

function without(rows: Rows, others: Rows): Rows {
  const left = new Set(others.map(({ leafIndex }) => leafIndex));
  return rows.filter(({ leafIndex }) => !left.has(leafIndex));
}

function named(names: readonly Term[], plan: Plan): Plan {
  return { kind: 'and', of: [{ kind: 'resource', names }, plan] };
}

function keyOf(name: Term): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1');
}
