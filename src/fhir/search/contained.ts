/**
 * `_contained` and `_containedType`: searches among resources inside others.
 *
 * The index knows which types a resource contains; whether a contained one matches is decided on the opened container.
 * Spec: https://hl7.org/fhir/R4/search.html#contained
 */
import type { Resource } from '../../base/resource.js';
import { none, planAnd, planOr } from './bounds.js';
import { containedText } from './blind.js';
import { compartmentPlan } from './compartment.js';
import type { Condition, TypedCondition } from './condition.js';
import type { SearchContext } from './context.js';
import { matches } from './matches.js';
import type { Plan } from './plan.js';
import { invalid, notOffered } from './problems.js';
import type { ResultShape } from './result-shape.js';

/** What decides the matches of a search. */
export interface Deciding {
  readonly plan: Plan;
  readonly sure: Plan;
  readonly recheck?: (resource: Resource) => boolean;
}

/** A search of contained resources, alone or beside the others. */
export interface ContainedSearch extends Deciding {
  /** What stands in the answer for a match: itself, or (`_containedType=contained`) the matching resources inside it. */
  readonly answers?: (resource: Resource) => readonly Resource[];
}

/**
 * @param own the search of resources that are not contained.
 * @throws FhirError 400 for what cannot be asked of contained resources: a search without a type, chains, an order by their values.
 */
export function containedSearch(
  context: SearchContext,
  types: readonly string[] | undefined,
  conditions: readonly TypedCondition[],
  { contained, containedType, sort }: ResultShape,
  own: Deciding,
): ContainedSearch {
  if (types === undefined) throw invalid('Search parameter _contained: needs a type to search');
  if (conditions.some(({ condition }) => hasLink(condition))) {
    throw notOffered('Search parameter _contained: chains, _has and _list cannot be asked of contained resources');
  }
  if (sort.some(({ by }) => by !== 'lastUpdated')) {
    throw notOffered('Search parameter _contained: only _sort=_lastUpdated can be asked for beside it');
  }
  const isMatch = (resource: Resource) => conditions.some((one) => matches(context, resource, one));
  const inside = (resource: Resource) => containedIn(resource).filter(isMatch);
  const holders = planOr(types.map((type) => ({ kind: 'term', term: context.blinder.term(containedText(type)) })));
  const { compartment } = context;
  const candidates =
    compartment === undefined
      ? holders
      : planAnd([compartmentPlan(context, compartment.type, compartment.id, undefined), holders]);
  const withOwn = contained === 'both';
  const answers = (resource: Resource) => [...(withOwn && isMatch(resource) ? [resource] : []), ...inside(resource)];
  return {
    plan: withOwn ? planOr([own.plan, candidates]) : candidates,
    sure: withOwn ? own.sure : none,
    recheck: (resource) => (withOwn && isMatch(resource)) || inside(resource).length > 0,
    ...(containedType === 'contained' ? { answers } : {}),
  };
}

function containedIn({ contained }: Resource): readonly Resource[] {
  return Array.isArray(contained) ? (contained as readonly Resource[]) : [];
}

function hasLink(condition: Condition): boolean {
  if (condition.kind === 'and' || condition.kind === 'or') return condition.of.some(hasLink);
  if (condition.kind === 'not') return hasLink(condition.of);
  return condition.kind === 'chain' || condition.kind === 'has' || condition.kind === 'list';
}
