/**
 * `_filter`: expressions such as `given eq "peter" and birthdate ge 2014-10-10`.
 *
 * `and` and `or` are read from left to right without precedence, as specified. Spec: https://hl7.org/fhir/R4/search_filter.html
 */
import type { Condition, Modifier } from './condition.js';
import { limitsOf, type SearchContext } from './context.js';
import { expandHierarchy, expandTokens } from './expand.js';
import type { Parameter } from './parameters.js';
import { parseCondition, targetTypesOf } from './parse.js';
import { parseValue } from './parse-parameter.js';
import { FilterReader } from './filter-reader.js';
import { invalid, tooCostly, unknownParameter } from './problems.js';

/** @throws FhirError 400 with the position of what was not understood. */
export function parseFilter(context: SearchContext, type: string, text: string, depth: number): Condition {
  const reader = new FilterReader(text);
  const condition = expression(context, type, reader, depth);
  if (!reader.isAtEnd()) throw reader.unexpected("'and', 'or' or the end");
  return condition;
}

function expression(context: SearchContext, type: string, reader: FilterReader, depth: number): Condition {
  let condition = operand(context, type, reader, depth);
  for (let word = reader.takeWord('and', 'or'); word !== undefined; word = reader.takeWord('and', 'or')) {
    const kind = word as 'and' | 'or';
    const next = operand(context, type, reader, depth);
    condition = { kind, of: condition.kind === kind ? [...condition.of, next] : [condition, next] };
  }
  return condition;
}

function operand(context: SearchContext, type: string, reader: FilterReader, depth: number): Condition {
  const { chainDepth, values } = limitsOf(context);
  if (depth > chainDepth) throw tooCostly(`Search parameter _filter: nested deeper than ${chainDepth} levels`);
  if (reader.count() > values) throw tooCostly(`Search parameter _filter: more than ${values} comparisons`);
  if (reader.takeWord('not') !== undefined) {
    return { kind: 'not', of: operand(context, type, reader, depth + 1) };
  }
  if (!reader.take('(')) return comparison(context, type, reader, depth);
  const inner = expression(context, type, reader, depth + 1);
  if (!reader.take(')')) throw reader.unexpected("')'");
  return inner;
}

/** `path op value`; steps of the path are references, each with an optional `[filter]` on its target. */
function comparison(context: SearchContext, type: string, reader: FilterReader, depth: number): Condition {
  const name = reader.name();
  const isChained = reader.peek('[') || reader.peek('.');
  if (!isChained) return leaf(context, type, name, reader, depth);
  const [code, asType] = name.split(':');
  const parameter = context.parameters.get(type, code);
  if (!parameter) throw unknownParameter(context.parameters, type, code).error;
  if (parameter.type !== 'reference') throw invalid(`Search parameter _filter: ${code} is no reference parameter`);
  const start = reader.position;
  const targets = (asType === undefined ? targetTypesOf(context, parameter) : [asType]).flatMap((target) => {
    reader.position = start;
    const condition = attempt(() => onTarget(context, target, reader, depth + 1));
    return condition ? [{ type: target, condition }] : [];
  });
  if (targets.length === 0) {
    reader.position = start;
    onTarget(context, asType ?? targetTypesOf(context, parameter)[0], reader, depth + 1);
  }
  return { kind: 'chain', type, parameter, targets };
}

function onTarget(context: SearchContext, type: string, reader: FilterReader, depth: number): Condition {
  const filters: Condition[] = [];
  if (reader.take('[')) {
    filters.push(expression(context, type, reader, depth));
    if (!reader.take(']')) throw reader.unexpected("']'");
  }
  if (!reader.take('.')) throw reader.unexpected("'.'");
  return { kind: 'and', of: [...filters, comparison(context, type, reader, depth)] };
}

/** A path may fit some target types only: the others fall away. */
function attempt(parse: () => Condition): Condition | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof Error && /unknown in a search of/.test(error.message)) return undefined;
    throw error;
  }
}

const operators = [
  'eq',
  'ne',
  'co',
  'sw',
  'ew',
  'gt',
  'lt',
  'ge',
  'le',
  'ap',
  'sa',
  'eb',
  'pr',
  'po',
  'ss',
  'sb',
  'in',
  'ni',
  're',
];

function leaf(context: SearchContext, type: string, name: string, reader: FilterReader, depth: number): Condition {
  const operator = reader.takeWord(...operators);
  if (operator === undefined) throw reader.unexpected(`an operator (${operators.join(' ')})`);
  const value = reader.value();
  const parameter = context.parameters.get(type, name);
  if (operator === 'pr') {
    if (!parameter) throw unknownParameter(context.parameters, type, name).error;
    if (value !== 'true' && value !== 'false')
      throw invalid(`Search parameter _filter: ${name} pr ${value}, expected true or false`);
    return { kind: 'missing', type, parameter, isMissing: value === 'false' };
  }
  if (!parameter || (name.startsWith('_') && parameter.selections.length === 0)) {
    return special(context, type, name, operator, value, depth);
  }
  return compare(context, type, parameter, operator, value);
}

function special(
  context: SearchContext,
  type: string,
  name: string,
  operator: string,
  value: string,
  depth: number,
): Condition {
  const isOrdered =
    name === '_lastUpdated' && !['co', 'sw', 'ew', 'po', 'ss', 'sb', 'in', 'ni', 're'].includes(operator);
  // One that only other target types have lets this type fall away.
  if (/^[a-z-]+$/.test(name)) throw unknownParameter(context.parameters, type, name).error;
  if (!isOrdered && operator !== 'eq' && operator !== 'ne') throw notFor(name, operator);
  try {
    const text = isOrdered ? operator + value : value.replace(/[\\,]/g, '\\$&');
    const condition = parseCondition(context, type, name, text, depth);
    return operator === 'ne' && !isOrdered ? { kind: 'not', of: condition } : condition;
  } catch (error) {
    throw error instanceof Error && 'error' in error ? error.error : error;
  }
}

function compare(
  context: SearchContext,
  type: string,
  parameter: Parameter,
  operator: string,
  text: string,
): Condition {
  const name = `_filter: ${parameter.code}`;
  const condition = (value: string, modifier?: Modifier): Condition => ({
    kind: 'parameter',
    type,
    parameter,
    ...(modifier ? { modifier } : {}),
    values: [parseValue(context, parameter, value, name)],
  });
  const isText = parameter.type === 'string' || parameter.type === 'uri';
  const isOrdered = parameter.type === 'date' || parameter.type === 'number' || parameter.type === 'quantity';
  const escaped = text.replace(/[\\,|$]/g, '\\$&');
  if (operator === 'eq') return parameter.type === 'string' ? condition(escaped, 'equals') : condition(text);
  if (operator === 'ne')
    return isOrdered ? condition(`ne${text}`) : { kind: 'not', of: compare(context, type, parameter, 'eq', text) };
  if (isText && operator === 'co') return condition(escaped, 'contains');
  if (isText && operator === 'ew') return condition(escaped, 'ends-with');
  if (parameter.type === 'string' && operator === 'sw') return condition(escaped);
  if (isOrdered && ['gt', 'lt', 'ge', 'le', 'ap', 'sa', 'eb'].includes(operator)) return condition(operator + text);
  if (parameter.type === 'date' && operator === 'po') return overlaps(condition(`ap${text}`));
  if (parameter.type === 'reference' && operator === 're') return condition(text);
  if (parameter.type === 'token') {
    const tokens = (values: Extract<Condition, { kind: 'parameter' }>['values']): Condition => ({
      kind: 'parameter',
      type,
      parameter,
      values,
    });
    if (operator === 'in') return tokens(expandTokens(context, name, [text]));
    if (operator === 'ni') return { kind: 'not', of: tokens(expandTokens(context, name, [text])) };
    if (operator === 'ss') return tokens(expandHierarchy(context, name, [text], 'below'));
    if (operator === 'sb') return tokens(expandHierarchy(context, name, [text], 'above'));
  }
  throw notFor(`${parameter.code} (${parameter.type})`, operator);
}

/** Overlap is approximation without a margin. */
function overlaps(condition: Condition): Condition {
  if (condition.kind !== 'parameter') return condition;
  const values = condition.values.map((value) =>
    value.kind === 'date' ? { ...value, comparator: 'po' as const } : value,
  );
  return { ...condition, values };
}

function notFor(name: string, operator: string): Error {
  return invalid(`Search parameter _filter: operator '${operator}' does not apply to ${name}`);
}
