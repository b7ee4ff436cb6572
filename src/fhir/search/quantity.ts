/**
 * Quantities and their index terms. Spec: https://hl7.org/fhir/R4/search.html#quantity
 *
 * A Quantity is indexed as a bare number, by its unit (code and text), and, with a UCUM code, as a number of the canonical unit.
 */
import { EXACT } from '../../base/exact-numbers.js';
import { fhirError } from '../../base/outcome.js';
import { termText, type TermSource } from './blind.js';
import { and, exactly, nothing, upTo, type Bounds } from './bounds.js';
import { splitComparator, type Comparator } from './comparator.js';
import type { DecimalRange } from './decimal-tree.js';
import { parseDecimal, type Decimal } from './decimal.js';
import { splitUnescaped, unescapeValue } from './escape.js';
import { isPoint, numberRangeOf, numberTexts, planRange, rangeOf, type NumberRange } from './number.js';
import { canonicalUnit, toCanonical, ucumSystem } from './ucum.js';

export interface QuantityValue {
  readonly kind: 'quantity';
  readonly comparator: Comparator;
  readonly value: Decimal;
  /** '' in the form `5.4||mg`: code or unit, of any system; undefined when no unit was given. */
  readonly system?: string;
  readonly code?: string;
  readonly text: string;
}

/** @param text `[prefix]number`, `number|system|code` or `number||code`. @throws FhirError 400 `invalid`. */
export function parseQuantityValue(text: string, name: string): QuantityValue {
  const parts = splitUnescaped(text, '|').map(unescapeValue);
  const [comparator, rest] = splitComparator(parts[0].trim());
  const value = parseDecimal(rest);
  if (!value || parts.length > 3 || parts.length === 2) {
    throw fhirError(
      400,
      'invalid',
      `Search parameter ${name}: found '${text}', expected [prefix]number, number|system|code or number||code`,
    );
  }
  const [, system, code] = parts;
  return { kind: 'quantity', comparator, value, ...(code ? { system: system ?? '', code } : {}), text };
}

/** A selected value as search sees it. */
export interface MeasuredRange {
  readonly range: NumberRange;
  readonly system?: string;
  readonly code?: string;
  readonly unit?: string;
}

const currencies = 'urn:iso:std:iso:4217';

/** The range and unit of a Quantity (with its comparator), Money, Range or SampledData; of a number alone too. */
export function measuredRangeOf(value: unknown, text?: string): MeasuredRange | undefined {
  if (typeof value === 'number') return { range: numberRangeOf(value, text)! };
  if (typeof value !== 'object' || value === null) return undefined;
  const { low, high, origin } = value as { low?: object; high?: object; origin?: object };
  if (low || high) {
    const range = numberRangeOf(value);
    return range && { ...unitOf(low ?? high ?? {}), range };
  }
  if (origin) {
    // The samples are text in units of the origin; what they hold is told when opened.
    return { ...unitOf(origin), range: {} };
  }
  const number = (value as { value?: unknown }).value;
  const exact = typeof number === 'number' ? parseDecimal(quantityText(value, number)) : undefined;
  if (!exact) return undefined;
  const { system, code, unit } = unitOf(value);
  return { range: withComparator(exact, (value as { comparator?: string }).comparator), system, code, unit };
}

function quantityText(quantity: object, number: number): string {
  return (quantity as { [EXACT]?: Record<string, string> })[EXACT]?.value ?? String(number);
}

function withComparator(value: Decimal, comparator: string | undefined): NumberRange {
  if (comparator === '<' || comparator === '<=') return { high: value };
  if (comparator === '>' || comparator === '>=') return { low: value };
  return { low: value, high: value };
}

function unitOf(value: object): Omit<MeasuredRange, 'range'> {
  const { system, code, unit, currency } = value as Record<string, string | undefined>;
  return currency === undefined ? { system, code, unit } : { system: currencies, code: currency };
}

/** The index texts of one value of the elements that `key` selects. */
export function quantityTexts(key: string, measured: MeasuredRange, emit: (text: string) => void): void {
  const { range, system, code, unit } = measured;
  numberTexts(key, 'q', range, emit);
  if (code) emit(termText(key, 'u', code));
  if (unit && unit !== code) emit(termText(key, 'u', unit));
  if (!code || system === undefined) return;
  if (system !== ucumSystem) emit(termText(key, 'U', `${system}|${code}`));
  else if (!isPoint(range)) numberTexts(key, canonicalKind(canonicalUnit(code).unit), range, emit);
  else {
    const canonical = canonicalUnit(code);
    const value = toCanonical(canonical, range.low);
    numberTexts(key, canonicalKind(canonical.unit), { low: value, high: value }, emit);
  }
}

function canonicalKind(unit: string): string {
  return `c${unit}\u0000`;
}

/** @param isSingle the element occurs at most once, so number and unit always belong together. */
export function planQuantity(blinder: TermSource, key: string, isSingle: boolean, value: QuantityValue): Bounds {
  const { comparator, code, system } = value;
  const range = rangeOf(comparator, value.value);
  if (code === undefined) return planRange(blinder, key, 'q', comparator, range);
  if (system === ucumSystem) {
    const canonical = canonicalUnit(code);
    return planRange(blinder, key, canonicalKind(canonical.unit), comparator, inCanonical(range, canonical));
  }
  const unit = termText(key, system ? 'U' : 'u', system ? `${system}|${code}` : code);
  const both = and(
    exactly({ kind: 'term', term: blinder.term(unit) }),
    planRange(blinder, key, 'q', comparator, range),
  );
  return isSingle || both === nothing ? both : upTo(both.may);
}

/** Bounds of `range` in the canonical unit. */
function inCanonical(range: DecimalRange, unit: ReturnType<typeof canonicalUnit>): DecimalRange {
  return {
    ...range,
    ...(range.low ? { low: toCanonical(unit, range.low) } : {}),
    ...(range.high ? { high: toCanonical(unit, range.high) } : {}),
  };
}
