/** What resources are sorted by. Spec: https://hl7.org/fhir/R4/search.html#_sort */
import { decimalToNumber } from './decimal.js';
import type { Selected } from './expression.js';
import { intervalOf } from './interval.js';
import { numberRangeOf } from './number.js';
import type { SearchType } from './parameters.js';
import { measuredRangeOf } from './quantity.js';
import { fieldsOf } from './string.js';
import { normaliseText } from './text.js';
import { tokensOf } from './token.js';
import { canonicalUnit, toCanonical, ucumSystem } from './ucum.js';

/** Milliseconds since 1970, a number, or normalised text; null is minus infinity as a least value, plus infinity as a greatest one. */
export type SortKey = number | string;

/** By parameter code: [least, greatest]. JSON-able. */
export type SortKeys = Readonly<Record<string, readonly [SortKey | null, SortKey | null]>>;

/** Longer texts are cut: beyond this they sort as equal. */
const longestText = 24;

/** The least and the greatest key of the values of a parameter; undefined when none of them can be sorted. */
export function sortRangeOf(
  type: SearchType,
  values: readonly Selected[],
): readonly [SortKey | null, SortKey | null] | undefined {
  let least: SortKey | undefined;
  let greatest: SortKey | undefined;
  for (const selected of values) {
    for (const [low, high] of rangesOf(type, selected)) {
      if (least === undefined || low < least) least = low;
      if (greatest === undefined || high > greatest) greatest = high;
    }
  }
  if (least === undefined || greatest === undefined) return undefined;
  return [least === -Infinity ? null : least, greatest === Infinity ? null : greatest];
}

function rangesOf(type: SearchType, { value, type: valueType, text }: Selected): (readonly [SortKey, SortKey])[] {
  switch (type) {
    case 'date': {
      const interval = intervalOf(value);
      return interval ? [[interval.start, interval.end]] : [];
    }
    case 'number':
      return numeric(numberRangeOf(value, text));
    case 'quantity': {
      const measured = measuredRangeOf(value, text);
      if (!measured) return [];
      const { range, system, code } = measured;
      if (system !== ucumSystem || code === undefined) return numeric(range);
      const unit = canonicalUnit(code);
      return numeric({
        ...(range.low ? { low: toCanonical(unit, range.low) } : {}),
        ...(range.high ? { high: toCanonical(unit, range.high) } : {}),
      });
    }
    case 'string':
      return fieldsOf(value).map(textKey);
    case 'token':
      return tokensOf(value, valueType).map(({ code }) => textKey(code));
    case 'uri':
      return typeof value === 'string' ? [textKey(value)] : [];
    case 'reference': {
      const { reference } = (value ?? {}) as { reference?: unknown };
      return typeof reference === 'string' ? [textKey(reference)] : typeof value === 'string' ? [textKey(value)] : [];
    }
    case 'composite':
    case 'special':
      return [];
  }
}

function textKey(text: string): readonly [string, string] {
  const key = normaliseText(text).slice(0, longestText);
  return [key, key];
}

function numeric(range: ReturnType<typeof numberRangeOf>): (readonly [number, number])[] {
  if (!range) return [];
  const low = range.low ? decimalToNumber(range.low) : -Infinity;
  return [[low, range.high ? decimalToNumber(range.high) : Infinity]];
}
