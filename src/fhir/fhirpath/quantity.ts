/** Quantities with UCUM or calendar units. Spec: https://hl7.org/fhirpath/N1/#quantity */
import { libraryUnit } from '../terminology/ucum-library.js';
import { Decimal } from './decimal.js';

/** Calendar words to the UCUM unit that equals them; a year and a month have none: UCUM's are averages. */
const calendarUnits: Readonly<Record<string, string | undefined>> = {
  year: undefined,
  month: undefined,
  week: 'wk',
  day: 'd',
  hour: 'h',
  minute: 'min',
  second: 's',
  millisecond: 'ms',
};
/** Relative difference below which two converted values are the same: conversions run through binary fractions. */
const tolerance = 1e-12;

export class Quantity {
  constructor(
    readonly value: Decimal,
    /** A UCUM code, or the calendar word as written. */
    readonly unit: string,
    readonly isCalendar: boolean,
  ) {}

  /** The calendar word in the singular; undefined for UCUM units. */
  get calendarWord(): string | undefined {
    return this.isCalendar ? this.unit.replace(/s$/, '') : undefined;
  }

  toString(): string {
    return `${this.value.toString()} ${this.isCalendar ? this.unit : `'${this.unit}'`}`;
  }
}

/** True for `year`, `years`, `day`, ... */
export function isCalendarWord(word: string): boolean {
  return Object.hasOwn(calendarUnits, word.replace(/s$/, ''));
}

/** UCUM code of the quantity's unit; for `year` and `month` the average ones where `loosely`, else undefined. */
function ucumOf(quantity: Quantity, loosely: boolean): string | undefined {
  const word = quantity.calendarWord;
  if (word === undefined) return quantity.unit === '' ? '1' : quantity.unit;
  return calendarUnits[word] ?? (loosely ? (word === 'year' ? 'a' : 'mo') : undefined);
}

/**
 * Order of two quantities.
 *
 * @returns negative, zero or positive; undefined when their units cannot be compared.
 */
export function compareQuantity(a: Quantity, b: Quantity): number | undefined {
  const months = [monthsOf(a), monthsOf(b)];
  if (months[0] && months[1]) return months[0].compare(months[1]);
  const units = [ucumOf(a, false), ucumOf(b, false)] as const;
  if (units[0] === undefined || units[1] === undefined) return undefined;
  if (units[0] === units[1]) return a.value.compare(b.value);
  const left = a.value.toNumber();
  const right = converted(b.value.toNumber(), units[1], units[0]);
  if (right === undefined) return undefined;
  const difference = left - right;
  return Math.abs(difference) <= tolerance * Math.max(Math.abs(left), Math.abs(right)) ? 0 : difference;
}

/** Equal in the first one's unit, to the digits after the point of the less precise one. */
export function equivalentQuantity(a: Quantity, b: Quantity): boolean {
  const units = [ucumOf(a, true)!, ucumOf(b, true)!] as const;
  const right = units[0] === units[1] ? b.value.toNumber() : converted(b.value.toNumber(), units[1], units[0]);
  const other = right === undefined ? undefined : Decimal.parse(String(right));
  if (!other) return false;
  const digits = Math.min(a.value.scale, b.value.scale);
  return a.value.rounded(digits).compare(other.rounded(digits)) === 0;
}

/** Can values in the two units be compared at all? */
export function areComparable(a: Quantity, b: Quantity): boolean {
  const left = ucumOf(a, true)!;
  const right = ucumOf(b, true)!;
  return left === right || converted(1, left, right) !== undefined;
}

/** @returns undefined when the units have no sum. */
export function addQuantity(a: Quantity, b: Quantity, sign: 1 | -1): Quantity | undefined {
  const other = sign === 1 ? b.value : b.value.negated();
  if (a.unit === b.unit || (a.isCalendar && a.calendarWord === b.calendarWord)) {
    return new Quantity(a.value.plus(other), a.unit, a.isCalendar);
  }
  const units = [ucumOf(a, false), ucumOf(b, false)] as const;
  if (units[0] === undefined || units[1] === undefined) return undefined;
  const value = converted(b.value.toNumber(), units[1], units[0]);
  const summand = value === undefined ? undefined : Decimal.parse(String(value * sign));
  return summand && new Quantity(a.value.plus(summand), a.unit, a.isCalendar);
}

/** The product; its unit is the product of the units. */
export function multiplyQuantity(a: Quantity, b: Quantity): Quantity | undefined {
  const units = [ucumOf(a, true)!, ucumOf(b, true)!] as const;
  const unit = units[1] === '1' ? units[0] : units[0] === '1' ? units[1] : `(${units[0]}).(${units[1]})`;
  return isUcum(unit) ? new Quantity(a.value.times(b.value), unit, false) : undefined;
}

/** @returns undefined for a division by zero. */
export function divideQuantity(a: Quantity, b: Quantity): Quantity | undefined {
  const value = a.value.dividedBy(b.value);
  const units = [ucumOf(a, true)!, ucumOf(b, true)!] as const;
  const unit = units[1] === '1' ? units[0] : units[0] === units[1] ? '1' : `(${units[0]})/(${units[1]})`;
  return value && isUcum(unit) ? new Quantity(value, unit, false) : undefined;
}

function monthsOf(quantity: Quantity): Decimal | undefined {
  const word = quantity.calendarWord;
  return word === 'month' ? quantity.value : word === 'year' ? quantity.value.times(Decimal.of(12)) : undefined;
}

function isUcum(code: string): boolean {
  return libraryUnit(code) !== null;
}

function converted(value: number, from: string, to: string): number | undefined {
  const source = libraryUnit(from);
  const target = libraryUnit(to);
  if (!source || !target || String(source.dim_?.dimVec_) !== String(target.dim_?.dimVec_)) return undefined;
  if (!source.isSpecial_ && !target.isSpecial_) return (value * source.magnitude_) / target.magnitude_;
  try {
    return target.convertFrom(value, source);
  } catch {
    return undefined;
  }
}
