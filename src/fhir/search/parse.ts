/**
 * Query parameters to conditions: names with modifiers, chains and `_has`, values with prefixes, lists and escapes.
 *
 * Spec: https://hl7.org/fhir/R4/search.html
 */
import { FhirError } from '../../base/outcome.js';
import type { Condition, TypedCondition } from './condition.js';
import { limitsOf, type SearchContext } from './context.js';
import { parseDateValue } from './date.js';
import { unescapeValue } from './escape.js';
import { parseFilter } from './filter.js';
import { parseWordQuery } from './full-text.js';
import { functionalList, functionalLists } from './functional-list.js';
import type { Parameter } from './parameters.js';
import { parseParameter, valuesOf } from './parse-parameter.js';
import { invalid, notOffered, tooCostly, unknownParameter, UnknownParameter } from './problems.js';

/**
 * The condition of one query parameter.
 *
 * @param type the resource type searched; `Resource` for all.
 * @param name with modifiers and chain, such as `subject:Patient.name:exact` or `_has:Observation:patient:code`.
 * @param depth links passed already.
 * @throws UnknownParameter for a name or modifier that is not known; FhirError 400 for a wrong value or too much of it.
 */
export function parseCondition(
  context: SearchContext,
  type: string,
  name: string,
  value: string,
  depth = 0,
): Condition {
  if (depth > limitsOf(context).chainDepth) {
    throw tooCostly(`Search parameter ${name}: more than ${limitsOf(context).chainDepth} links in a chain`);
  }
  if (name.startsWith('_has:')) return parseHas(context, type, name, value, depth);
  const dot = name.indexOf('.');
  const [code, modifier] = splitOnce(dot < 0 ? name : name.slice(0, dot), ':');
  if (dot >= 0) return parseChain(context, type, code, modifier, name.slice(dot + 1), value, depth);
  const special = parseSpecial(context, type, code, modifier, value, depth);
  if (special) return special;
  const parameter = context.parameters.get(type, code);
  if (!parameter) throw unknownParameter(context.parameters, type, code);
  return parseParameter(context, type, parameter, modifier, value);
}

function splitOnce(text: string, separator: string): [string, string | undefined] {
  const at = text.indexOf(separator);
  return at < 0 ? [text, undefined] : [text.slice(0, at), text.slice(at + 1)];
}

/** `_has:Type:reference:rest`. */
function parseHas(context: SearchContext, type: string, name: string, value: string, depth: number): Condition {
  const [, source, code, ...rest] = name.split(':');
  const parameter = source && code ? context.parameters.get(source, code) : undefined;
  if (!source || !code || rest.length === 0)
    throw invalid(`Search parameter ${name}: expected _has:Type:reference:parameter`);
  if (!context.parameters.definitions.resourceTypes.has(source)) {
    throw invalid(`Search parameter ${name}: '${source}' is no resource type`);
  }
  if (!parameter) throw unknownParameter(context.parameters, source, code);
  if (parameter.type !== 'reference')
    throw invalid(`Search parameter ${name}: ${source}.${code} is no reference parameter`);
  const condition = parseCondition(context, source, rest.join(':'), value, depth + 1);
  return { kind: 'has', type, parameter, source: { type: source, condition } };
}

function parseChain(
  context: SearchContext,
  type: string,
  code: string,
  modifier: string | undefined,
  rest: string,
  value: string,
  depth: number,
): Condition {
  const parameter = context.parameters.get(type, code);
  if (!parameter) throw unknownParameter(context.parameters, type, code);
  if (parameter.type !== 'reference') {
    throw invalid(
      `Search parameter ${code}.${rest}: ${code} is a ${parameter.type} parameter, only references can be chained`,
    );
  }
  const types = modifier === undefined ? targetTypesOf(context, parameter) : [modifier];
  if (modifier !== undefined && !context.parameters.definitions.resourceTypes.has(modifier)) {
    throw invalid(`Search parameter ${code}:${modifier}.${rest}: '${modifier}' is no resource type`);
  }
  const next = rest.startsWith('_has:') ? '_has' : rest.split(/[:.]/, 1)[0];
  const offered = types.filter((one) => isOffered(context, one, next));
  if (offered.length === 0)
    throw unknownParameter(context.parameters, types.length === 1 ? types[0] : 'Resource', next);
  return { kind: 'chain', type, parameter, targets: targetsOf(context, offered, rest, value, depth + 1) };
}

/** The rest of a chain on each type that it makes sense for. @throws the first refusal when there is no such type. */
function targetsOf(
  context: SearchContext,
  types: readonly string[],
  rest: string,
  value: string,
  depth: number,
): TypedCondition[] {
  const targets: TypedCondition[] = [];
  let refusal: unknown;
  for (const type of types) {
    try {
      targets.push({ type, condition: parseCondition(context, type, rest, value, depth) });
    } catch (error) {
      if (!(error instanceof UnknownParameter) && !(error instanceof FhirError)) throw error;
      refusal ??= error;
    }
  }
  if (targets.length === 0) throw refusal;
  return targets;
}

/** What a reference parameter can point to: its targets, narrowed by `where(resolve() is Type)`; all types when nothing is said. */
export function targetTypesOf(context: SearchContext, parameter: Parameter): readonly string[] {
  const { resourceTypes } = context.parameters.definitions;
  const narrowed = parameter.selections.map((selection) => selection.targetType);
  if (narrowed.length > 0 && narrowed.every((one) => one !== undefined)) return [...new Set(narrowed)];
  const named = parameter.targets.filter((one) => resourceTypes.has(one));
  return named.length > 0 ? named : [...resourceTypes];
}

const specials = new Set(['_id', '_lastUpdated', '_text', '_content', '_list', '_has', '_filter']);

function isOffered(context: SearchContext, type: string, code: string): boolean {
  return specials.has(code) || context.parameters.get(type, code) !== undefined;
}

/** Parameters that are no values of an element. */
function parseSpecial(
  context: SearchContext,
  type: string,
  code: string,
  modifier: string | undefined,
  value: string,
  depth: number,
): Condition | undefined {
  if (!specials.has(code) && code !== '_query') return undefined;
  if (modifier !== undefined && !(modifier === 'not' && code === '_id')) {
    throw invalid(`Search parameter ${code}: modifier ':${modifier}' is not offered`);
  }
  switch (code) {
    case '_id': {
      const ids: Condition = { kind: 'id', type, ids: valuesOf(context, code, value).map(unescapeValue) };
      return modifier === 'not' ? { kind: 'not', of: ids } : ids;
    }
    case '_lastUpdated':
      return { kind: 'updated', values: valuesOf(context, code, value).map((one) => parseDateValue(one, code)) };
    case '_text':
    case '_content': {
      const alternatives = valuesOf(context, code, value).flatMap((one) => parseWordQuery(unescapeValue(one)));
      if (alternatives.length === 0) throw invalid(`Search parameter ${code}: found '${value}', expected words`);
      return { kind: 'words', parameter: code, alternatives };
    }
    case '_list': {
      const ids = valuesOf(context, code, value).map(unescapeValue);
      if (ids.length === 1 && ids[0].startsWith('$')) return parseFunctionalList(context, type, ids[0]);
      const odd = ids.find((id) => !/^[A-Za-z0-9\-.]{1,64}$/.test(id));
      if (odd !== undefined) {
        throw notOffered(
          `Search parameter _list: found '${odd}', expected ids of Lists, or one functional list: ${functionalLists.join(', ')}`,
        );
      }
      return { kind: 'list', type, ids };
    }
    case '_filter':
      return parseFilter(context, type, value, depth);
    case '_query':
      throw notOffered('Search parameter _query: named queries are not offered');
    default:
      return undefined;
  }
}

/** A list that the server draws up itself: conditions on the resources that would stand in it. */
function parseFunctionalList(context: SearchContext, type: string, name: string): Condition {
  const criteria = functionalList(name, type);
  return { kind: 'and', of: criteria.map(([code, value]) => parseCondition(context, type, code, value)) };
}
