/**
 * Query parameters to a search: a plan for the store, what to check on opened resources, and how to shape the answer.
 *
 * Spec: https://hl7.org/fhir/R4/search.html
 */
import { queryPairs } from './query-text.js';
import { FhirError, type Issue } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { Term } from '../../base/ids.js';
import { and, everything, exactly, isExact, or, planAnd, sizeOfPlan, type Bounds } from './bounds.js';
import { typeTerm } from './blind.js';
import { compartmentPlan } from './compartment.js';
import type { Condition, TypedCondition } from './condition.js';
import { containedSearch } from './contained.js';
import { limitsOf, type SearchContext } from './context.js';
import { planAll } from './date-ranges.js';
import { matches } from './matches.js';
import { parseCondition } from './parse.js';
import { impliesType, type Planning } from './plan-of.js';
import type { Plan } from './plan.js';
import { invalid, tooCostly, UnknownParameter } from './problems.js';
import { isShapeParameter, readShape, type ResultShape } from './result-shape.js';
import { fillIn, Subqueries, type Subquery } from './subqueries.js';

export type Handling = 'strict' | 'lenient';

/** Name and value of each query parameter, decoded, in order. */
export type QueryParameters = readonly (readonly [name: string, value: string])[];

export interface SearchQuery extends ResultShape {
  /** The types searched; absent: all. */
  readonly types?: readonly string[];
  /** Finds every match; when `recheck` is there, others too. */
  readonly plan: Plan;
  /** Finds only matches; the same object as `plan` when that is exact. `plan` and not `sure` is what a total has to open. */
  readonly sure: Plan;
  /** True for the matches among what `plan` finds. */
  readonly recheck?: (resource: Resource) => boolean;
  /** What stands in the answer for a match, when that is not the match itself (`_containedType=contained`). */
  readonly answers?: (resource: Resource) => readonly Resource[];
  /** To be settled first (see `settle`); mostly none. */
  readonly subqueries: readonly Subquery[];
  /** The conditions behind the plan, for each type searched (`Resource` for all). */
  readonly conditions: readonly TypedCondition[];
  /** What was applied, in order, for the self link. */
  readonly applied: QueryParameters;
  /** What lenient handling left out, as warnings. */
  readonly ignored: readonly Issue[];
}

/** Parameters of one search: more would take long to be read before their cost is known. */
const mostParameters = 1_000;

/**
 * @param type the resource type searched; undefined: the whole system (`_type` narrows it).
 * @throws FhirError 400: `invalid`, `not-supported` or `too-costly`, with all wrong parameters at once.
 */
export function parseSearch(
  context: SearchContext,
  type: string | undefined,
  params: QueryParameters,
  handling: Handling,
): SearchQuery {
  if (params.length > mostParameters) throw tooCostly(`This search has more than ${mostParameters} parameters`);
  const types = type === undefined ? typesOf(context, params) : [type];
  const read = new Reading(handling);
  const shape = readShape(context, types, params, read);
  const conditions: TypedCondition[] = (types ?? ['Resource']).map((one) => ({
    type: one,
    condition: { kind: 'and', of: read.conditions(context, one, params) },
  }));
  read.throwIfWrong();
  const applied = params.filter((param) => read.isApplied(param));
  const planned = plan(context, types, conditions);
  const asked =
    shape.contained === undefined
      ? planned
      : { ...planned, ...containedSearch(context, types, conditions, shape, planned) };
  return { ...shape, ...asked, conditions, applied, ignored: read.ignored };
}

/**
 * Criteria of conditional interactions and conditional references, such as `identifier=http://a|1`: always strict, result parameters refused.
 *
 * @param criteria query text without `?`, percent-encoded.
 * @throws FhirError 400; 412 is for the caller, when more than one resource matches.
 */
export function parseCriteria(context: SearchContext, type: string, criteria: string): SearchQuery {
  const params = queryPairs(criteria);
  if (params.length === 0) throw invalid(`Conditional ${type}: the criteria are empty`);
  const shaping = params.find(([name]) => isShapeParameter(name));
  if (shaping) throw invalid(`Conditional ${type}: ${shaping[0]} shapes a result and is no criterion`);
  return parseSearch(context, type, params, 'strict');
}

/**
 * The query with its subqueries answered.
 *
 * @param find names of the resources among those that `plan` finds for which `recheck` is true; may refuse with `too-costly`.
 */
export async function settle(
  query: SearchQuery,
  find: (plan: Plan, recheck: (resource: Resource) => boolean) => Promise<readonly Term[]>,
): Promise<SearchQuery> {
  if (query.subqueries.length === 0) return query;
  const names = new Map<Plan, readonly Term[]>();
  for (const { plan: inner, recheck, placeholder } of query.subqueries) {
    names.set(placeholder, await find(fillIn(inner, names), recheck));
  }
  const settled = fillIn(query.plan, names);
  const sure = query.sure === query.plan ? settled : fillIn(query.sure, names);
  return { ...query, plan: settled, sure, subqueries: [] };
}

function plan(context: SearchContext, types: readonly string[] | undefined, conditions: readonly TypedCondition[]) {
  const subqueries = new Subqueries((resource, condition) => matches(context, resource, condition));
  const planning: Planning = { context, subqueries };
  const unsure: TypedCondition[] = [];
  const parts = conditions.map((typed) => {
    const { bounds, open } = planType(planning, typed, types !== undefined);
    unsure.push({ type: typed.type, condition: { kind: 'and', of: open } });
    return bounds;
  });
  const { may, must } = within(context, types, parts.length === 1 ? parts[0] : or(...parts));
  if (sizeOfPlan(may) > limitsOf(context).planSize) {
    throw tooCostly(`This search has ${sizeOfPlan(may)} parts, at most ${limitsOf(context).planSize} are offered`);
  }
  const recheck = (resource: Resource) => unsure.some((one) => matches(context, resource, one));
  return {
    ...(types ? { types } : {}),
    plan: may,
    sure: must,
    ...(may === must ? {} : { recheck }),
    subqueries: subqueries.found,
  };
}

/** Bounds of the conditions on one type, and those that have to be checked on opened resources. */
function planType(
  planning: Planning,
  { type, condition }: TypedCondition,
  isTyped: boolean,
): { readonly bounds: Bounds; readonly open: readonly Condition[] } {
  const conditions = condition.kind === 'and' ? condition.of : [condition];
  const parts = planAll(planning, type, conditions, everything);
  const open = conditions.filter((_, index) => !isExact(parts[index]));
  if (isTyped && !conditions.some((one, index) => impliesType(one) && parts[index].may.kind !== 'all')) {
    parts.unshift(exactly({ kind: 'term', term: typeTerm(planning.context.blinder, type) }));
  }
  return { bounds: parts.length === 0 ? everything : and(...parts), open };
}

function within(context: SearchContext, types: readonly string[] | undefined, bounds: Bounds): Bounds {
  const { compartment } = context;
  if (!compartment) return bounds;
  const inside = compartmentPlan(context, compartment.type, compartment.id, types);
  const may = planAnd([inside, bounds.may]);
  return isExact(bounds) ? exactly(may) : { may, must: planAnd([inside, bounds.must]) };
}

/** `_type` of a search of the whole system. */
function typesOf(context: SearchContext, params: QueryParameters): readonly string[] | undefined {
  const named = params
    .filter(([name]) => name === '_type')
    .map(([, value]) => value.split(',').filter((one) => one !== ''));
  if (named.length === 0) return undefined;
  const odd = named.flat().find((one) => !context.parameters.definitions.resourceTypes.has(one));
  if (odd !== undefined) throw invalid(`Search parameter _type: '${odd}' is no resource type`);
  const common = [...new Set(named[0])].filter((one) => named.every((list) => list.includes(one)));
  if (common.length === 0) throw invalid('Search parameter _type: has no value');
  return common;
}

/** Gathers what is wrong or passed over while parameters are read. */
export class Reading {
  readonly ignored: Issue[] = [];
  private readonly wrong: Issue[] = [];
  private readonly left = new Set<unknown>();

  constructor(private readonly handling: Handling) {}

  isApplied(param: unknown): boolean {
    return !this.left.has(param);
  }

  conditions(context: SearchContext, type: string, params: QueryParameters): Condition[] {
    const conditions: Condition[] = [];
    for (const param of params) {
      const [name, value] = param;
      if (isShapeParameter(name) || name === '_type') continue;
      this.attempt(param, () => conditions.push(parseCondition(context, type, name, value)));
    }
    return conditions;
  }

  /** Runs `read`; what it throws is kept, or, being unknown under lenient handling, passed over. */
  attempt(param: readonly [string, string], read: () => unknown): void {
    try {
      if (param[1] === '' && this.handling === 'lenient')
        throw new UnknownParameter(invalid(`Search parameter ${param[0]}: has no value`));
      read();
    } catch (error) {
      if (error instanceof UnknownParameter && this.handling === 'lenient') {
        if (!this.left.has(param))
          this.ignored.push(...error.error.issues.map((issue) => ({ ...issue, severity: 'warning' as const })));
        this.left.add(param);
        return;
      }
      const refusal = error instanceof UnknownParameter ? error.error : error;
      if (!(refusal instanceof FhirError)) throw refusal;
      const known = new Set(this.wrong.map((issue) => issue.diagnostics));
      this.wrong.push(...refusal.issues.filter((issue) => !known.has(issue.diagnostics)));
    }
  }

  throwIfWrong(): void {
    if (this.wrong.length > 0) throw new FhirError(400, this.wrong);
  }
}

export type { SearchContext } from './context.js';
export { revincludePlan, type Include } from './include.js';
export { compareSorted, type SortSpec } from './sort.js';
export type { SortKey, SortKeys } from './sort-keys.js';
