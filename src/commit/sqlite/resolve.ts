/**
 * From a Plan to conditions over row numbers: names become row ids, times become ranges of leafIndex, and small ends of chains are followed
 * at once, so that what remains is a few posting lists.
 */
import type { Term } from '../../base/ids.js';
import type { Plan } from '../../fhir/search/plan.js';
import type { Connection } from './connection.js';
import type { Estimate, Estimates } from './estimates.js';
import { numberList } from './number-list.js';
import type { Numbers } from './numbers.js';

export type Condition =
  | { readonly kind: 'all' }
  | { readonly kind: 'none' }
  /** Carries one of the terms. */
  | { readonly kind: 'terms'; readonly terms: readonly Term[]; readonly estimate: Estimate }
  /** Has a link under one of `pids` to one of `rids`. */
  | {
      readonly kind: 'links';
      readonly pids: readonly number[];
      readonly rids: readonly number[];
      readonly estimate: Estimate;
    }
  /** Is one of these resources. */
  | { readonly kind: 'rids'; readonly rids: readonly number[] }
  /** `from` <= leafIndex < `until`. */
  | { readonly kind: 'range'; readonly from: number; readonly until: number }
  | { readonly kind: 'and'; readonly of: readonly Condition[] }
  | { readonly kind: 'or'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  | { readonly kind: 'link-to'; readonly pids: readonly number[]; readonly target: Condition }
  | { readonly kind: 'linked-from'; readonly pids: readonly number[]; readonly source: Condition };

/** Ends of chains with at most this many matches are followed before the search itself. */
export const followedAtMost = 512;

/** More pairs of target and parameter than this are not estimated one by one. */
const estimatedPairs = 16;

export interface ResolveServices {
  readonly db: Connection;
  readonly estimates: Estimates;
  readonly numbers: Numbers;
  readonly leafCount: number;
  /** The current versions that meet `condition`; undefined when they are more than `limit`, or dear to find. */
  find(condition: Condition, limit: number): Found | undefined;
}

/** Current versions, by row id of the resource and by leafIndex. */
export interface Found {
  readonly rids: readonly number[];
  readonly leaves: readonly number[];
}

export function resolve(services: ResolveServices, plan: Plan): Condition {
  switch (plan.kind) {
    case 'all':
    case 'none':
      return plan;
    case 'term':
      return termsCondition(services, [plan.term]);
    case 'and':
      return conjunction(plan.of.map((operand) => resolve(services, operand)));
    case 'or':
      return disjunction(services, plan.of);
    case 'not':
      return negation(resolve(services, plan.of));
    case 'resource':
      return ridsCondition(services.numbers.ridsOf(plan.names));
    case 'updated':
      return { kind: 'range', from: leafAt(services, plan.from), until: leafAt(services, plan.until) };
    case 'link-to':
      return linkTo(services, plan.params, resolve(services, plan.target));
    case 'linked-from':
      return linkedFrom(services, plan.params, resolve(services, plan.source));
  }
}

/** Terms that no version carries are left out: each would be looked up for each candidate. */
function termsCondition({ estimates, leafCount }: ResolveServices, terms: readonly Term[]): Condition {
  const each = terms.map((term) => estimates.ofTerm(term, leafCount));
  const carried = terms.filter((_, index) => each[index]!.rows > 0);
  return carried.length === 0 ? { kind: 'none' } : { kind: 'terms', terms: carried, estimate: sum(each) };
}

function conjunction(operands: readonly Condition[]): Condition {
  const of = operands
    .flatMap((operand) => (operand.kind === 'and' ? operand.of : [operand]))
    .filter(({ kind }) => kind !== 'all');
  if (of.some(({ kind }) => kind === 'none')) return { kind: 'none' };
  if (of.length === 0) return { kind: 'all' };
  return of.length === 1 ? of[0]! : { kind: 'and', of };
}

function disjunction(services: ResolveServices, plans: readonly Plan[]): Condition {
  const flat = plans.flatMap((plan) => (plan.kind === 'or' ? plan.of : [plan]));
  const terms = flat.flatMap((plan) => (plan.kind === 'term' ? [plan.term] : []));
  const others = flat.filter(({ kind }) => kind !== 'term').map((plan) => resolve(services, plan));
  const of = [...(terms.length > 0 ? [termsCondition(services, terms)] : []), ...others].filter(
    ({ kind }) => kind !== 'none',
  );
  if (of.some(({ kind }) => kind === 'all')) return { kind: 'all' };
  if (of.length === 0) return { kind: 'none' };
  return of.length === 1 ? of[0]! : { kind: 'or', of };
}

function negation(of: Condition): Condition {
  if (of.kind === 'all') return { kind: 'none' };
  return of.kind === 'none' ? { kind: 'all' } : { kind: 'not', of };
}

function ridsCondition(rids: readonly number[]): Condition {
  return rids.length === 0 ? { kind: 'none' } : { kind: 'rids', rids };
}

function linkTo(services: ResolveServices, params: readonly Term[], target: Condition): Condition {
  const pids = services.numbers.pidsOf(params);
  if (target.kind === 'none' || pids.length === 0) return { kind: 'none' };
  const found = services.find(target, followedAtMost);
  if (found === undefined) return { kind: 'link-to', pids, target };
  const { rids } = found;
  if (rids.length === 0) return { kind: 'none' };
  const estimate = linksEstimate(services, pids, rids);
  return estimate.rows === 0 ? { kind: 'none' } : { kind: 'links', pids, rids, estimate };
}

function linksEstimate({ estimates, leafCount }: ResolveServices, pids: readonly number[], rids: readonly number[]) {
  if (pids.length * rids.length > estimatedPairs) {
    return { rows: Math.min(leafCount, pids.length * rids.length * 64), isBound: false };
  }
  return sum(rids.flatMap((rid) => pids.map((pid) => estimates.ofLink(pid, rid, leafCount))));
}

function linkedFrom(services: ResolveServices, params: readonly Term[], source: Condition): Condition {
  const pids = services.numbers.pidsOf(params);
  if (source.kind === 'none' || pids.length === 0) return { kind: 'none' };
  const found = services.find(source, followedAtMost);
  if (found === undefined) return { kind: 'linked-from', pids, source };
  const [targets] = services.db
    .prepare(
      `SELECT group_concat(DISTINCT target) FROM link_of
       WHERE leafIndex IN (SELECT value FROM json_each(?)) AND pid IN (SELECT value FROM json_each(?))`,
    )
    .get([JSON.stringify(found.leaves), JSON.stringify(pids)])!;
  return ridsCondition(numberList(targets));
}

/** The first leafIndex written at `time` or later. */
function leafAt({ db, leafCount }: ResolveServices, time: number): number {
  const bounded = Math.min(Math.max(time, -1), Number.MAX_SAFE_INTEGER);
  const found = db.prepare('SELECT leafFrom FROM entry WHERE time >= ? ORDER BY time, leafFrom LIMIT 1').get([bounded]);
  return found === undefined ? leafCount : (found[0] as number);
}

function sum(estimates: readonly Estimate[]): Estimate {
  return {
    rows: estimates.reduce((total, { rows }) => total + rows, 0),
    isBound: estimates.every(({ isBound }) => isBound),
  };
}
