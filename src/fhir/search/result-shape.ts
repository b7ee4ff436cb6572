/** Parameters that shape the answer: `_sort`, `_count`, `_total`, `_include`, `_summary`, ... Spec: https://hl7.org/fhir/R4/search.html#return */
import type { SearchContext } from './context.js';
import { readInclude, type Include } from './include.js';
import { invalid, notOffered, UnknownParameter } from './problems.js';
import type { QueryParameters, Reading } from './query.js';
import { readSort, type SortSpec } from './sort.js';

export type Summary = 'true' | 'text' | 'data' | 'count' | 'false';
export type Total = 'none' | 'estimate' | 'accurate';

export interface ResultShape {
  /** In order of weight; empty: newest first. */
  readonly sort: readonly SortSpec[];
  /** Matches on a page; 0: only the total. */
  readonly count?: number;
  readonly total?: Total;
  readonly summary?: Summary;
  readonly elements?: readonly string[];
  /** Contained resources are searched, alone (`true`) or too; absent: they are not. */
  readonly contained?: 'true' | 'both';
  /** What stands for a contained match in the answer; absent: its container. */
  readonly containedType?: 'container' | 'contained';
  readonly includes: readonly Include[];
  readonly revincludes: readonly Include[];
  /** Opaque position of a page. */
  readonly cursor?: string;
}

const emptyShape: ResultShape = { sort: [], includes: [], revincludes: [] };

/** Read by others: `_format` and `_pretty` by the HTTP layer. */
const passedOver = new Set(['_format', '_pretty']);
const names = new Set([
  '_sort',
  '_count',
  '_total',
  '_totalMethod',
  '_summary',
  '_elements',
  '_include',
  '_revinclude',
  '_contained',
  '_containedType',
  '_cursor',
  '_score',
]);

/** May stand more than once, each time with more of the same. */
const repeatable = new Set(['_sort', '_elements', '_include', '_revinclude']);

/** True for parameters that do not decide what matches. */
export function isShapeParameter(name: string): boolean {
  const [code] = name.split(':', 1);
  return passedOver.has(code) || names.has(code);
}

/** @param read collects refusals. */
export function readShape(
  context: SearchContext,
  types: readonly string[] | undefined,
  params: QueryParameters,
  read: Reading,
): ResultShape {
  const shape: { -readonly [Key in keyof ResultShape]: ResultShape[Key] } = { ...emptyShape };
  const given = new Map<string, string>();
  for (const param of params) {
    const [name, value] = param;
    const [code, ...modifiers] = name.split(':');
    if (!names.has(code)) continue;
    const before = given.get(code);
    given.set(code, value);
    read.attempt(param, () => {
      if (before !== undefined && before !== value && !repeatable.has(code)) {
        throw invalid(`Search parameter ${code}: stands twice, as '${before}' and as '${value}'`);
      }
      if (modifiers.length > 0 && code !== '_include' && code !== '_revinclude') {
        throw new UnknownParameter(
          invalid(`Search parameter ${code}: modifier ':${modifiers.join(':')}' is not offered`),
        );
      }
      if (value === '') throw invalid(`Search parameter ${name}: has no value`);
      switch (code) {
        case '_sort':
          shape.sort = [...shape.sort, ...readSort(context, types, value)];
          return;
        case '_count':
          shape.count = readCount(value);
          return;
        case '_total':
          shape.total = oneOf<Total>(name, value, ['none', 'estimate', 'accurate']);
          return;
        case '_totalMethod':
          // Aidbox's name for it, which fhirpy uses.
          shape.total = oneOf(name, value, ['none', 'estimate', 'count']) === 'none' ? 'none' : 'accurate';
          return;
        case '_summary':
          shape.summary = oneOf<Summary>(name, value, ['true', 'text', 'data', 'count', 'false']);
          return;
        case '_elements':
          shape.elements = [...(shape.elements ?? []), ...readElements(value)];
          return;
        case '_include':
          shape.includes = [...shape.includes, readInclude(context, types, name, modifiers, value)];
          return;
        case '_revinclude':
          shape.revincludes = [...shape.revincludes, readInclude(context, undefined, name, modifiers, value)];
          return;
        case '_contained':
          // Else contained resources are part of what contains them, and are no matches of their own.
          if (oneOf(name, value, ['false', 'true', 'both']) !== 'false') shape.contained = value as 'true' | 'both';
          return;
        case '_containedType':
          shape.containedType = oneOf<'container' | 'contained'>(name, value, ['container', 'contained']);
          return;
        case '_cursor':
          shape.cursor = value;
          return;
        default:
          throw notOffered(`Search parameter ${code}: is not offered`);
      }
    });
  }
  return shape;
}

function readCount(value: string): number {
  if (!/^\d{1,9}$/.test(value))
    throw invalid(`Search parameter _count: found '${value}', expected a whole number, 0 or more`);
  return Number(value);
}

function readElements(value: string): string[] {
  const elements = value.split(',').map((element) => element.trim());
  const odd = elements.find((element) => !/^[A-Za-z][A-Za-z0-9]*(\.[A-Za-z][A-Za-z0-9]*)*$/.test(element));
  if (odd !== undefined) throw invalid(`Search parameter _elements: found '${odd}', expected the name of an element`);
  return elements;
}

function oneOf<Choice extends string>(name: string, value: string, choices: readonly Choice[]): Choice {
  const choice = choices.find((one) => one === value);
  if (choice === undefined)
    throw invalid(`Search parameter ${name}: found '${value}', expected one of ${choices.join(', ')}`);
  return choice;
}
