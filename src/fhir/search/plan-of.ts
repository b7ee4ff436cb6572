/**
 * Conditions to bounds: which plans over blinded terms find what a condition asks for.
 *
 * What terms cannot decide is left to `recheck` on the opened resource; where that is impossible, inside a chain, a subquery settles it first.
 */
import { and, everything, exactly, isExact, not, nothing, or, planAnd, planOr, upTo, type Bounds } from './bounds.js';
import { linkText, resourceName, typeTerm } from './blind.js';
import { linksOfParameter } from './compartment.js';
import type { Condition, ParameterCondition, TypedCondition, Value } from './condition.js';
import type { SearchContext } from './context.js';
import type { Selection } from './expression.js';
import { wordTerm } from './full-text.js';
import { planHierarchy } from './hierarchy.js';
import type { Parameter, SearchType } from './parameters.js';
import type { Plan } from './plan.js';
import { planComposite, planSelections } from './plan-value.js';
import { planPresent } from './sources.js';
import type { Subqueries } from './subqueries.js';
import { isUnindexed, refuseUnindexed } from './unindexed.js';

export interface Planning {
  readonly context: SearchContext;
  readonly subqueries: Subqueries;
}

/** Bounds of a condition, among the resources of `type`. */
export function planOf(planning: Planning, type: string, condition: Condition): Bounds {
  const { context } = planning;
  const { blinder } = context;
  switch (condition.kind) {
    case 'parameter':
      return isUnindexed(context, type, condition.parameter)
        ? upTo(everything.may)
        : planParameter(planning, condition);
    case 'missing': {
      const { parameter, isMissing } = condition;
      if (isUnindexed(context, type, parameter)) return upTo(everything.may);
      const present = planPresence(planning, parameter);
      return isMissing ? not(present) : present;
    }
    case 'chain': {
      const { parameter, targets } = condition;
      refuseUnindexed(context, type, parameter);
      const target = or(...targets.map((one) => planTyped(planning, one)));
      const params = linksOfParameter(blinder, parameter);
      return link(planning, target, targets, (plan) => ({ kind: 'link-to', params, target: plan }));
    }
    case 'has': {
      const { parameter, source } = condition;
      refuseUnindexed(context, source.type, parameter);
      const params = linksOfParameter(blinder, parameter);
      return link(planning, planTyped(planning, source), [source], (plan) => ({
        kind: 'linked-from',
        params,
        source: plan,
      }));
    }
    case 'id': {
      const types = type === 'Resource' ? [...planning.context.parameters.definitions.resourceTypes] : [type];
      const names = types.flatMap((one) => condition.ids.map((id) => resourceName(blinder, one, id)));
      return exactly({ kind: 'resource', names });
    }
    case 'updated':
      return or(...condition.values.map((value) => planUpdated(planning, value)));
    case 'words':
      return planWords(planning, condition.parameter, condition.alternatives);
    case 'list':
      return exactly(planList(planning, condition.ids));
    case 'and':
    case 'or':
    case 'not':
      return planCompound(planning, type, condition, hasLink(condition));
  }
}

/**
 * Conditions joined by and, or, not.
 *
 * A recheck sees one resource alone: where links stand beside conditions that the index cannot decide, `settles` has those settled first.
 */
function planCompound(planning: Planning, type: string, condition: Condition, settles: boolean): Bounds {
  const inner = (part: Condition) => planCompound(planning, type, part, settles);
  if (condition.kind === 'and') return and(...condition.of.map(inner));
  if (condition.kind === 'or') return or(...condition.of.map(inner));
  if (condition.kind === 'not') return not(inner(condition.of));
  const typed = { type, condition };
  const bounds = settles ? planTyped(planning, typed) : planOf(planning, type, condition);
  return settles && !isExact(bounds) ? exactly(planning.subqueries.add(bounds, [typed])) : bounds;
}

function hasLink(condition: Condition): boolean {
  switch (condition.kind) {
    case 'chain':
    case 'has':
    case 'list':
      return true;
    case 'and':
    case 'or':
      return condition.of.some(hasLink);
    case 'not':
      return hasLink(condition.of);
    case 'parameter':
    case 'missing':
    case 'id':
    case 'updated':
    case 'words':
      return false;
  }
}

/** Bounds of a condition, the type included. */
function planTyped(planning: Planning, { type, condition }: TypedCondition): Bounds {
  const bounds = planOf(planning, type, condition);
  if (bounds.may.kind !== 'all' && impliesType(condition)) return bounds;
  return and(exactly({ kind: 'term', term: typeTerm(planning.context.blinder, type) }), bounds);
}

/** True when only resources of the type searched can meet the condition, so that no term for the type is needed. */
export function impliesType(condition: Condition): boolean {
  switch (condition.kind) {
    case 'parameter':
      return [
        ...condition.parameter.selections,
        ...condition.parameter.composites.flatMap(({ components }) => components[0].selections),
      ].every(({ key }) => !key.startsWith('Resource.') && !key.startsWith('DomainResource.'));
    case 'chain':
    case 'id':
      return true;
    case 'and':
      return condition.of.some(impliesType);
    case 'or':
      return condition.of.every(impliesType);
    case 'missing':
    case 'has':
    case 'updated':
    case 'words':
    case 'list':
    case 'not':
      return false;
  }
}

/** A link to what `target` finds. What the index cannot decide there is settled beforehand. */
function link(
  { subqueries }: Planning,
  target: Bounds,
  conditions: readonly TypedCondition[],
  wrap: (plan: Plan) => Plan,
): Bounds {
  if (isExact(target)) return target === nothing ? nothing : exactly(wrap(target.may));
  return exactly(wrap(subqueries.add(target, conditions)));
}

function planPresence({ context }: Planning, parameter: Parameter): Bounds {
  if (parameter.type !== 'composite') {
    return or(
      ...parameter.selections.map((selection) => planPresent(context.blinder, selection, parameter.type)),
      nothing,
    );
  }
  const parts = parameter.composites.map(({ components, isRoot }) => {
    const all = and(
      ...components.map(({ selections, type }) =>
        or(...selections.map((selection) => present(context, selection, type)), nothing),
      ),
    );
    return isRoot && isExact(all) ? all : upTo(all.may);
  });
  return or(...parts, nothing);
}

/** Presence of a component: told only where a parameter of its own selects the same. */
function present(context: SearchContext, selection: Selection, type: SearchType): Bounds {
  const isTold = [...context.parameters.parametersOf(selection.key.split('.')[0]).values()].some(
    (parameter) => parameter.type === type && parameter.selections.some(({ key }) => key === selection.key),
  );
  return isTold ? planPresent(context.blinder, selection, type) : upTo({ kind: 'all' });
}

function planParameter(planning: Planning, condition: ParameterCondition): Bounds {
  const { parameter, values, modifier } = condition;
  if (values.length === 0) return nothing;
  return or(
    ...values.map((value) => {
      if (value.kind === 'composite') return planComposite(planning, parameter, value.parts);
      if ((modifier === 'above' || modifier === 'below') && value.kind === 'reference') {
        return planHierarchy(planning, condition, value, modifier);
      }
      return planSelections(planning, parameter, parameter.type, parameter.selections, value, modifier);
    }),
  );
}

function planUpdated({ context }: Planning, value: Extract<Value, { kind: 'date' }>): Bounds {
  const between = (from: number, until: number) =>
    exactly(from < until ? { kind: 'updated', from, until } : { kind: 'none' });
  // lastUpdated is known to the millisecond: a point, so bounds of ranges coincide with bounds of points.
  const { start, end } = value;
  const last = Number.MAX_SAFE_INTEGER;
  switch (value.comparator) {
    case 'eq':
      return between(start, end);
    case 'ne':
      return or(between(0, start), between(end, last));
    case 'gt':
    case 'sa':
      return between(end, last);
    case 'lt':
    case 'eb':
      return between(0, start);
    case 'ge':
      return between(start, last);
    case 'le':
      return between(0, end);
    case 'po':
    case 'ap': {
      const margin = Math.floor(Math.abs(context.clock.now() - (start + end) / 2) / 10);
      return between(Math.max(start - margin, 0), end + margin);
    }
  }
}

function planWords(
  { context }: Planning,
  parameter: '_text' | '_content',
  alternatives: readonly (readonly string[])[],
): Bounds {
  const { blinder, words = 'narrative' } = context;
  const isIndexed = words === 'all' || (words === 'narrative' && parameter === '_text');
  if (!isIndexed) return upTo(everything.may);
  const plans = alternatives.map((all) =>
    planAnd(all.map((word) => ({ kind: 'term', term: blinder.term(wordTerm(parameter, word)) }))),
  );
  return exactly(planOr(plans));
}

function planList({ context }: Planning, ids: readonly string[]): Plan {
  const { blinder, parameters } = context;
  const item = parameters.get('List', 'item');
  const params = item ? linksOfParameter(blinder, item) : [blinder.term(linkText('List.entry.item'))];
  return {
    kind: 'linked-from',
    params,
    source: { kind: 'resource', names: ids.map((id) => resourceName(blinder, 'List', id)) },
  };
}
