/**
 * The plain evaluator: does an opened resource meet a condition?
 *
 * Slow and straight from the specification, through the FHIRPath engine and comparisons of its own; it knows nothing of terms. It decides what
 * the index leaves open, and is what the index is tested against.
 */
import type { Resource } from '../../base/resource.js';
import type { Condition, TypedCondition } from './condition.js';
import type { SearchContext } from './context.js';
import { valuesOfComponent, valuesOfParameter, type FoundValue } from './found-values.js';
import { contentWords, narrativeWords } from './full-text.js';
import type { Parameter } from './parameters.js';
import type { Value } from './condition.js';
import { matchesDate, matchesInstant } from './matches-date.js';
import { matchesNumber, matchesQuantity } from './matches-number.js';
import { matchesReference, matchesString, matchesToken, matchesUri, type Comparison } from './matches-text.js';
import { distanceKm, positionOf } from './near.js';
import { parentParameter } from './parent.js';

/** The resources around the one that is looked at; only chains, `_has` and `_list` need them. */
export interface Surroundings {
  /** The current resources that the resource refers to by `parameter`. */
  targets(resource: Resource, parameter: Parameter): readonly Resource[];
  /** The current resources that refer to the resource by `parameter` of `type`. */
  sources(resource: Resource, type: string, parameter: Parameter): readonly Resource[];
}

/** @throws Error when the condition has a link and no surroundings were given. */
export function matches(
  context: SearchContext,
  resource: Resource,
  { type, condition }: TypedCondition,
  around?: Surroundings,
): boolean {
  return (type === 'Resource' || resource.resourceType === type) && meets(context, resource, condition, around);
}

function meets(context: SearchContext, resource: Resource, condition: Condition, around?: Surroundings): boolean {
  const inner = (part: Condition) => meets(context, resource, part, around);
  switch (condition.kind) {
    case 'and':
      return condition.of.every(inner);
    case 'or':
      return condition.of.some(inner);
    case 'not':
      return !inner(condition.of);
    case 'id':
      return condition.ids.includes(resource.id ?? '');
    case 'updated': {
      const time = Date.parse(resource.meta?.lastUpdated ?? '');
      return condition.values.some((value) => matchesInstant(time, value, context.clock.now()));
    }
    case 'words': {
      const words = condition.parameter === '_text' ? narrativeWords(resource) : contentWords(resource);
      return condition.alternatives.some((all) => all.every((word) => words.has(word)));
    }
    case 'missing':
      return isMissing(context, resource, condition.parameter) === condition.isMissing;
    case 'parameter':
      return condition.values.some((value) =>
        value.kind === 'composite'
          ? matchesComposite(context, resource, condition.parameter, value.parts)
          : matchesAny(context, resource, condition, value) ||
            matchesRelated(context, resource, condition, value, around),
      );
    case 'chain':
      return needed(around)
        .targets(resource, condition.parameter)
        .some((target) => condition.targets.some((one) => matches(context, target, one, around)));
    case 'has':
      return needed(around)
        .sources(resource, condition.source.type, condition.parameter)
        .some((source) => matches(context, source, condition.source, around));
    case 'list': {
      const item = context.parameters.get('List', 'item');
      const lists = item ? needed(around).sources(resource, 'List', item) : [];
      return lists.some((list) => condition.ids.includes(list.id ?? ''));
    }
  }
}

function needed(around: Surroundings | undefined): Surroundings {
  if (!around) throw new Error('this condition follows links: it needs the resources around');
  return around;
}

function isMissing(context: SearchContext, resource: Resource, parameter: Parameter): boolean {
  if (parameter.type !== 'composite') return valuesOfParameter(context.parameters, resource, parameter).length === 0;
  return !parameter.composites.some((_, index) =>
    valuesOfComponent(context.parameters, resource, parameter, index).some((values) =>
      values.every((one) => one.length > 0),
    ),
  );
}

type ParameterCondition = Extract<Condition, { kind: 'parameter' }>;

function matchesAny(
  context: SearchContext,
  resource: Resource,
  { parameter, modifier }: ParameterCondition,
  value: Value,
): boolean {
  const values = valuesOfParameter(context.parameters, resource, parameter);
  const comparison: Comparison = { modifier, isPhonetic: parameter.code === 'phonetic', baseUrl: context.baseUrl };
  return values.some((found) => matchesValue(context, found, value, comparison));
}

/** `:above` and `:below` on references: the target lies above or below the resource asked for, by the reference to its own type. */
function matchesRelated(
  context: SearchContext,
  resource: Resource,
  { parameter, modifier }: ParameterCondition,
  value: Value,
  around: Surroundings | undefined,
): boolean {
  if (value.kind !== 'reference' || (modifier !== 'above' && modifier !== 'below')) return false;
  const next = (one: Resource) => {
    const parent = parentParameter(context.parameters, one.resourceType);
    if (!parent) return [];
    const found =
      modifier === 'below'
        ? needed(around).targets(one, parent)
        : needed(around).sources(one, one.resourceType, parent);
    return found.filter(({ resourceType }) => resourceType === one.resourceType);
  };
  const isAsked = ({ resourceType, id }: Resource) => id === value.id && (value.type ?? resourceType) === resourceType;
  const seen = new Set<Resource>();
  const reaches = (one: Resource): boolean => {
    if (isAsked(one)) return true;
    if (seen.has(one)) return false;
    seen.add(one);
    return next(one).some(reaches);
  };
  return needed(around).targets(resource, parameter).some(reaches);
}

/** Some occurrence of the base has values for all components. */
function matchesComposite(
  context: SearchContext,
  resource: Resource,
  parameter: Parameter,
  parts: readonly Value[],
): boolean {
  const comparison: Comparison = { isPhonetic: false, baseUrl: context.baseUrl };
  return parameter.composites.some((_, index) =>
    valuesOfComponent(context.parameters, resource, parameter, index).some((components) =>
      components.every((values, at) => values.some((found) => matchesValue(context, found, parts[at], comparison))),
    ),
  );
}

function matchesValue(context: SearchContext, found: FoundValue, value: Value, comparison: Comparison): boolean {
  switch (value.kind) {
    case 'token':
    case 'of-type':
      return matchesToken(found, value, comparison);
    case 'string':
      return matchesString(found, value.text, comparison);
    case 'uri':
      return matchesUri(found, value.text, comparison);
    case 'reference':
      return matchesReference(found, value, comparison);
    case 'date':
      return matchesDate(found.value, value, context.clock.now());
    case 'number':
      return matchesNumber(found, value);
    case 'quantity':
      return matchesQuantity(found, value);
    case 'near': {
      const position = positionOf(found.value);
      return position !== undefined && distanceKm(position, value) <= value.distanceKm;
    }
    case 'composite':
      return false;
  }
}
