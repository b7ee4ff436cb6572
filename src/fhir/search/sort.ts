/** `_sort`. Spec: https://hl7.org/fhir/R4/search.html#_sort */
import type { Resource } from '../../base/resource.js';
import type { SearchContext } from './context.js';
import type { Parameter } from './parameters.js';
import { invalid, unknownParameter } from './problems.js';
import { sortRangeOf, type SortKey, type SortKeys } from './sort-keys.js';

export interface SortSpec {
  readonly code: string;
  readonly direction: 'asc' | 'desc';
  /** `lastUpdated` and `id` need no key: the row tells. */
  readonly by: 'lastUpdated' | 'id' | 'parameter';
  /** From a header's keys: undefined when the resource has no value, `'unknown'` when the header does not tell and it must be opened. */
  keyFromHeader(keys: SortKeys): SortKey | undefined | 'unknown';
  /** Of an opened resource: the least value ascending, the greatest descending; undefined when it has none. */
  keyOf(resource: Resource): SortKey | undefined;
}

const inHeaders = new Set<Parameter['type']>(['date', 'number', 'quantity', 'string']);

/** @throws FhirError 400 for what cannot be sorted by; UnknownParameter for an unknown one. */
export function readSort(context: SearchContext, types: readonly string[] | undefined, value: string): SortSpec[] {
  return value.split(',').map((text) => {
    const direction = text.startsWith('-') ? 'desc' : 'asc';
    return specOf(context, types ?? ['Resource'], text.replace(/^-/, '').trim(), direction);
  });
}

function specOf(context: SearchContext, types: readonly string[], code: string, direction: 'asc' | 'desc'): SortSpec {
  const fromRow = (by: 'lastUpdated' | 'id', keyOf: SortSpec['keyOf']): SortSpec => ({
    code,
    direction,
    by,
    keyFromHeader: () => 'unknown',
    keyOf,
  });
  if (code === '_lastUpdated')
    return fromRow('lastUpdated', (resource) => Date.parse(resource.meta?.lastUpdated ?? ''));
  if (code === '_id') return fromRow('id', (resource) => resource.id);
  const parameters = types.map((type) => {
    const parameter = context.parameters.get(type, code);
    if (!parameter) throw unknownParameter(context.parameters, type, code);
    if (parameter.selections.length === 0)
      throw invalid(`Search parameter _sort: cannot sort by ${code}, a ${parameter.type} parameter`);
    return [type, parameter] as const;
  });
  const byType = new Map(parameters);
  const isYoung = parameters.some(([, parameter]) => context.isYoung?.(parameter) ?? false);
  const isInHeader = parameters.every(([, { type }]) => inHeaders.has(type));
  const pick = (range: readonly [SortKey | null, SortKey | null]) =>
    direction === 'asc' ? (range[0] ?? -Infinity) : (range[1] ?? Infinity);
  return {
    code,
    direction,
    by: 'parameter',
    keyFromHeader(keys) {
      const range = isInHeader ? (keys[code] as SortKeys[string] | undefined) : undefined;
      if (range !== undefined) return pick(range);
      // Headers that are older than the parameter do not tell of it.
      return isInHeader && !isYoung ? undefined : 'unknown';
    },
    keyOf(resource) {
      const parameter = byType.get(resource.resourceType) ?? byType.get('Resource');
      if (!parameter) return undefined;
      const range = sortRangeOf(
        parameter.type,
        parameter.selections.flatMap((selection) => selection.select(resource)),
      );
      return range && pick(range);
    },
  };
}

/** Order of two lists of keys, one key for each of `specs`; what has no value comes last in either direction. */
export function compareSorted(
  specs: readonly SortSpec[],
): (one: readonly (SortKey | undefined)[], other: readonly (SortKey | undefined)[]) => number {
  return (one, other) => {
    for (const [index, { direction }] of specs.entries()) {
      const order = compareKeys(one[index], other[index], direction);
      if (order !== 0) return order;
    }
    return 0;
  };
}

function compareKeys(one: SortKey | undefined, other: SortKey | undefined, direction: 'asc' | 'desc'): number {
  if (one === other) return 0;
  if (one === undefined) return 1;
  if (other === undefined) return -1;
  const order = one < other ? -1 : 1;
  return direction === 'asc' ? order : -order;
}
