/** One parameter with its modifier and values. Spec: https://hl7.org/fhir/R4/search.html#modifiers */
import type { Condition, Modifier, Value } from './condition.js';
import { limitsOf, type SearchContext } from './context.js';
import { parseDateValue } from './date.js';
import { splitUnescaped, unescapeValue } from './escape.js';
import { expandHierarchy, expandTokens } from './expand.js';
import { parseNearValue } from './near.js';
import { parseNumberValue } from './number.js';
import type { Component, Parameter } from './parameters.js';
import { badModifier, invalid, notOffered, tooCostly } from './problems.js';
import { parseQuantityValue } from './quantity.js';
import { parseReferenceValue } from './reference.js';
import { parseTokenValue } from './token.js';

/** The values of an OR list, escapes unresolved. */
export function valuesOf(context: SearchContext, name: string, text: string): string[] {
  const values = splitUnescaped(text, ',').filter((value) => value !== '');
  if (values.length === 0) throw invalid(`Search parameter ${name}: has no value`);
  if (values.length > limitsOf(context).values) {
    throw tooCostly(
      `Search parameter ${name}: ${values.length} values in one list, at most ${limitsOf(context).values} are offered`,
    );
  }
  return values;
}

const modifiersOf: Readonly<Record<Parameter['type'], readonly string[]>> = {
  number: ['missing'],
  date: ['missing'],
  string: ['missing', 'exact', 'contains'],
  token: ['missing', 'text', 'not', 'in', 'not-in', 'above', 'below', 'of-type'],
  reference: ['missing', 'identifier', 'above', 'below', '[type]'],
  composite: ['missing'],
  quantity: ['missing'],
  uri: ['missing', 'contains', 'above', 'below'],
  special: ['missing'],
};

export function parseParameter(
  context: SearchContext,
  type: string,
  parameter: Parameter,
  modifier: string | undefined,
  text: string,
): Condition {
  const isType = modifier !== undefined && context.parameters.definitions.resourceTypes.has(modifier);
  const isDefined = modifiersOf[parameter.type].includes(modifier ?? '') || (isType && parameter.type === 'reference');
  if (modifier !== undefined && !isDefined) throw badModifier(parameter, modifier, modifiersOf[parameter.type]);
  const name = modifier === undefined ? parameter.code : `${parameter.code}:${modifier}`;
  const texts = valuesOf(context, name, text);
  if (modifier === 'missing') return { kind: 'missing', type, parameter, isMissing: parseBoolean(name, text) };
  const condition = (values: readonly Value[], how?: Modifier): Condition => ({
    kind: 'parameter',
    type,
    parameter,
    ...(how ? { modifier: how } : {}),
    values,
  });
  switch (modifier) {
    case 'not':
      return { kind: 'not', of: condition(texts.map((one) => parseTokenValue(one, name))) };
    case 'in':
      return condition(expandTokens(context, name, texts));
    case 'not-in':
      return { kind: 'not', of: condition(expandTokens(context, name, texts)) };
    case 'of-type':
      return condition(texts.map((one) => parseOfType(one, name)));
    case 'identifier':
      return condition(
        texts.map((one) => parseTokenValue(one, name)),
        'identifier',
      );
    case 'text':
      return condition(
        texts.map((one) => ({ kind: 'string', text: unescapeValue(one) })),
        'text',
      );
    case 'above':
    case 'below':
      if (parameter.type === 'token') return condition(expandHierarchy(context, name, texts, modifier));
      return condition(
        texts.map((one) => parseValue(context, parameter, one, name)),
        modifier,
      );
    case 'exact':
    case 'contains':
      return condition(
        texts.map((one) => parseValue(context, parameter, one, name)),
        modifier,
      );
    case undefined:
      return condition(texts.map((one) => parseValue(context, parameter, one, name)));
    default:
      return condition(texts.map((one) => parseReferenceValue(one, name, context.baseUrl, modifier)));
  }
}

function parseBoolean(name: string, text: string): boolean {
  if (text !== 'true' && text !== 'false')
    throw invalid(`Search parameter ${name}: found '${text}', expected true or false`);
  return text === 'true';
}

function parseOfType(text: string, name: string): Value {
  const parts = splitUnescaped(text, '|').map(unescapeValue);
  if (parts.length !== 3 || parts.some((part) => part === '')) {
    throw invalid(`Search parameter ${name}: found '${text}', expected system|code|value`);
  }
  return { kind: 'of-type', system: parts[0], code: parts[1], value: parts[2] };
}

/** One value by the type of its parameter. @throws FhirError 400 `invalid`. */
export function parseValue(context: SearchContext, parameter: Parameter, text: string, name: string): Value {
  switch (parameter.type) {
    case 'composite':
      return parseComposite(context, parameter, text, name);
    case 'special':
      return parseNearValue(text, name);
    case 'number':
    case 'date':
    case 'string':
    case 'token':
    case 'reference':
    case 'quantity':
    case 'uri':
      return parseSimple(context, parameter.type, text, name);
  }
}

function parseSimple(context: SearchContext, type: Component['type'], text: string, name: string): Value {
  switch (type) {
    case 'number':
      return parseNumberValue(text, name);
    case 'date':
      return parseDateValue(text, name);
    case 'string':
      return { kind: 'string', text: unescapeValue(text) };
    case 'reference':
      return parseReferenceValue(text, name, context.baseUrl);
    case 'quantity':
      return parseQuantityValue(text, name);
    case 'uri':
      return { kind: 'uri', text: unescapeValue(text) };
    case 'token':
      return parseTokenValue(text, name);
    case 'composite':
    case 'special':
      throw notOffered(`Search parameter ${name}: a component of type ${type} is not offered`);
  }
}

function parseComposite(context: SearchContext, parameter: Parameter, text: string, name: string): Value {
  const components = parameter.composites[0]?.components ?? [];
  const parts = splitUnescaped(text, '$');
  if (parts.length !== components.length) {
    throw invalid(`Search parameter ${name}: found '${text}', expected ${components.length} values joined by $`);
  }
  return {
    kind: 'composite',
    parts: parts.map((part, index) => parseSimple(context, components[index].type, part, name)),
  };
}
