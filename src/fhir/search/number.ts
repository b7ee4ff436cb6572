/** Numbers and their index terms. Spec: https://hl7.org/fhir/R4/search.html#number */
import { fhirError } from '../../base/outcome.js';
import { termText, type TermSource } from './blind.js';
import { anyTerm, or, type Bounds } from './bounds.js';
import { splitComparator, type Comparator } from './comparator.js';
import { coverOfDecimals, nodesOfDecimal, type DecimalRange } from './decimal-tree.js';
import {
  absoluteDecimal,
  addDecimals,
  implicitRange,
  multiplyDecimals,
  negateDecimal,
  parseDecimal,
} from './decimal.js';
import type { Decimal } from './decimal.js';

export interface NumberValue {
  readonly kind: 'number';
  readonly comparator: Comparator;
  readonly value: Decimal;
  /** As written. */
  readonly text: string;
}

/** @throws FhirError 400 `invalid`. */
export function parseNumberValue(text: string, name: string): NumberValue {
  const [comparator, rest] = splitComparator(text);
  const value = parseDecimal(rest.trim());
  if (!value) {
    throw fhirError(
      400,
      'invalid',
      `Search parameter ${name}: found '${text}', expected a number such as 100, 5.40 or 1e2, with or without a prefix`,
    );
  }
  return { kind: 'number', comparator, value, text };
}

/** A single number, or an interval with bounds included (absent: open). */
export interface NumberRange {
  readonly low?: Decimal;
  readonly high?: Decimal;
}

/** The number or interval of a selected value: integer, decimal, Range, SampledData. */
export function numberRangeOf(value: unknown, text?: string): NumberRange | undefined {
  if (typeof value === 'number') {
    const number = parseDecimal(text ?? String(value));
    return number && { low: number, high: number };
  }
  if (typeof value !== 'object' || value === null) return undefined;
  const { low, high } = value as { low?: { value?: number }; high?: { value?: number } };
  const [from, until] = [low, high].map((bound) =>
    typeof bound?.value === 'number' ? parseDecimal(String(bound.value)) : undefined,
  );
  return from || until ? { ...(from ? { low: from } : {}), ...(until ? { high: until } : {}) } : undefined;
}

/** True when the range is one number. */
export function isPoint(range: NumberRange): range is { low: Decimal; high: Decimal } {
  return range.low !== undefined && range.high !== undefined && nodeText(range.low) === nodeText(range.high);
}

function nodeText({ digits, exponent }: Decimal): string {
  return `${digits}e${exponent}`;
}

/** Index texts of a number under `key` and `kind`; an interval has just a mark and is checked when opened. */
export function numberTexts(key: string, kind: string, range: NumberRange, emit: (text: string) => void): void {
  if (isPoint(range)) for (const node of nodesOfDecimal(range.low)) emit(termText(key, kind, node));
  else emit(termText(key, kind, 'I'));
}

/** The interval of numbers that `comparator value` asks for. Comparisons take the number as exact; equality by its precision. */
export function rangeOf(comparator: Comparator, value: Decimal): DecimalRange {
  switch (comparator) {
    case 'eq':
    case 'ne': {
      const [low, high] = implicitRange(value);
      return { low, lowIncluded: true, high, highIncluded: false };
    }
    case 'gt':
    case 'sa':
      return { low: value, lowIncluded: false };
    case 'ge':
      return { low: value, lowIncluded: true };
    case 'lt':
    case 'eb':
      return { high: value, highIncluded: false };
    case 'le':
      return { high: value, highIncluded: true };
    case 'po':
    case 'ap': {
      const margin = absoluteDecimal(multiplyDecimals(value, { digits: 1n, exponent: -1 }));
      const [low, high] = [addDecimals(value, negateDecimal(margin)), addDecimals(value, margin)];
      return { low, lowIncluded: true, high, highIncluded: true };
    }
  }
}

/** Plans `comparator` over `range`; `ne` is what lies on either side. */
export function planRange(
  blinder: TermSource,
  key: string,
  kind: string,
  comparator: Comparator,
  range: DecimalRange,
): Bounds {
  if (comparator === 'ne') {
    const below = { ...(range.low ? { high: range.low, highIncluded: !range.lowIncluded } : {}) };
    const above = { ...(range.high ? { low: range.high, lowIncluded: !range.highIncluded } : {}) };
    return or(planRange(blinder, key, kind, 'lt', below), planRange(blinder, key, kind, 'gt', above));
  }
  const { sure, maybe } = coverOfDecimals(range);
  const terms = (nodes: readonly string[]) => nodes.map((node) => blinder.term(termText(key, kind, node)));
  const must = anyTerm(terms(sure));
  return { may: anyTerm(terms([...sure, ...maybe, 'I'])), must };
}

/** Exact up to intervals, which are few and are checked when opened. */
export function planNumber(blinder: TermSource, key: string, value: NumberValue): Bounds {
  return planRange(blinder, key, 'n', value.comparator, rangeOf(value.comparator, value.value));
}
