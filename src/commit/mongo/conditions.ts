/**
 * From a Plan to MongoDB filters over version documents. What no filter can say, the following of links, stays a node of its own, which
 * search.ts evaluates piece by piece.
 */
import type { Document, Filter } from 'mongodb';
import type { Plan } from '../../fhir/search/plan.js';
import { nameText, termText, type VersionDocument } from './documents.js';

export type VersionFilter = Filter<VersionDocument>;

export type Condition =
  /** Said by one filter. */
  | { readonly kind: 'filter'; readonly filter: VersionFilter }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Condition[] }
  | { readonly kind: 'not'; readonly of: Condition }
  /** Has a link under one of `params` to a current version that meets `target`. */
  | { readonly kind: 'link-to'; readonly params: readonly string[]; readonly target: Condition }
  /** A current version that meets `source` has a link under one of `params` to it. */
  | { readonly kind: 'linked-from'; readonly params: readonly string[]; readonly source: Condition };

export const everything: Condition = { kind: 'filter', filter: {} };
export const nothing: Condition = { kind: 'filter', filter: { l: { $lt: -1 } } };

function isNothing(condition: Condition): boolean {
  return condition === nothing;
}

export function conditionOf(plan: Plan): Condition {
  switch (plan.kind) {
    case 'all':
      return everything;
    case 'none':
      return nothing;
    case 'term':
      return filterOf({ t: termText(plan.term) });
    case 'and':
      return conjunction(plan.of.map(conditionOf));
    case 'or':
      return disjunction(plan);
    case 'not':
      return negation(conditionOf(plan.of));
    case 'resource':
      return resourcesCondition(plan.names.map(nameText));
    case 'updated':
      return filterOf({ m: { $gte: plan.from, $lt: plan.until } });
    case 'link-to':
      return linkCondition('link-to', plan.params.map(nameText), conditionOf(plan.target));
    case 'linked-from':
      return linkCondition('linked-from', plan.params.map(nameText), conditionOf(plan.source));
  }
}

export function filterOf(filter: VersionFilter): Condition {
  return { kind: 'filter', filter };
}

export function resourcesCondition(names: readonly string[]): Condition {
  return names.length === 0 ? nothing : filterOf({ r: names.length === 1 ? names[0]! : { $in: names } });
}

function linkCondition(kind: 'link-to' | 'linked-from', params: readonly string[], end: Condition): Condition {
  if (isNothing(end) || params.length === 0) return nothing;
  return kind === 'link-to' ? { kind, params, target: end } : { kind, params, source: end };
}

export function conjunction(operands: readonly Condition[]): Condition {
  const flat = operands.flatMap((operand) => (operand.kind === 'and' ? operand.of : [operand]));
  if (flat.some(isNothing)) return nothing;
  const filters = flat.flatMap((operand) =>
    operand.kind === 'filter' && operand !== everything ? [operand.filter] : [],
  );
  const others = flat.filter(({ kind }) => kind !== 'filter');
  const of = [...(filters.length > 0 ? [filterOf(allOf(filters))] : []), ...others];
  if (of.length === 0) return everything;
  return of.length === 1 ? of[0]! : { kind: 'and', of };
}

function disjunction({ of }: Extract<Plan, { kind: 'or' }>): Condition {
  const flat = of.flatMap((plan) => (plan.kind === 'or' ? plan.of : [plan]));
  const terms = flat.flatMap((plan) => (plan.kind === 'term' ? [termText(plan.term)] : []));
  const others = flat.filter(({ kind }) => kind !== 'term').map(conditionOf);
  return anyOf([
    ...(terms.length > 0 ? [filterOf({ t: terms.length === 1 ? terms[0]! : { $in: terms } })] : []),
    ...others,
  ]);
}

export function anyOf(operands: readonly Condition[]): Condition {
  const found = operands.filter((operand) => !isNothing(operand));
  if (found.includes(everything)) return everything;
  const filters = found.flatMap((operand) => (operand.kind === 'filter' ? [operand.filter] : []));
  const others = found.filter(({ kind }) => kind !== 'filter');
  const of = [
    ...(filters.length > 0 ? [filterOf(filters.length === 1 ? filters[0]! : { $or: filters })] : []),
    ...others,
  ];
  if (of.length === 0) return nothing;
  return of.length === 1 ? of[0]! : { kind: 'or', of };
}

export function negation(of: Condition): Condition {
  if (isNothing(of)) return everything;
  if (of === everything) return nothing;
  return of.kind === 'filter' ? filterOf({ $nor: [of.filter] }) : { kind: 'not', of };
}

/** One filter for all; single terms together, so that one index serves them. */
export function allOf(filters: readonly VersionFilter[]): VersionFilter {
  const terms = filters.flatMap((filter) => (isOneTerm(filter) ? [filter.t as string] : []));
  const others = filters.filter((filter) => !isOneTerm(filter));
  const all = [
    ...(terms.length > 0 ? [{ t: terms.length === 1 ? terms[0]! : { $all: terms } } as VersionFilter] : []),
    ...others,
  ];
  return all.length === 1 ? all[0]! : { $and: all as Document[] };
}

function isOneTerm(filter: VersionFilter): boolean {
  return typeof filter.t === 'string' && Object.keys(filter).length === 1;
}

/** What every match of `condition` meets: `condition` itself where it is a filter, else less. */
export function relaxed(condition: Condition): VersionFilter {
  switch (condition.kind) {
    case 'filter':
      return condition.filter;
    case 'and':
      return allOf(condition.of.map(relaxed).filter((filter) => Object.keys(filter).length > 0));
    case 'or': {
      const filters = condition.of.map(relaxed);
      return filters.some((filter) => Object.keys(filter).length === 0) ? {} : { $or: filters as Document[] };
    }
    case 'not':
    case 'link-to':
    case 'linked-from':
      return {};
  }
}
