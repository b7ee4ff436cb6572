/**
 * UCUM units to canonical ones, so that 1 g is found as 1000 mg. Spec: https://hl7.org/fhir/R4/search.html#quantity, https://ucum.org
 *
 * Every unit is worked out once.
 */
import { libraryUnit } from '../terminology/ucum-library.js';
import { absoluteDecimal, addDecimals, multiplyDecimals, parseDecimal, type Decimal } from './decimal.js';

export const ucumSystem = 'http://unitsofmeasure.org';

/** canonical = (value + offset) * factor, all in units of `unit`. */
export interface CanonicalUnit {
  /** Names what units that can be compared have in common. */
  readonly unit: string;
  readonly factor: Decimal;
  readonly offset: Decimal;
}

const units = new Map<string, CanonicalUnit>();
const mostUnits = 10_000;

/** The canonical unit of a UCUM code; a code that is no unit, or cannot be converted, stands for itself. */
export function canonicalUnit(code: string): CanonicalUnit {
  let unit = units.get(code);
  if (!unit) {
    unit = workOut(code);
    if (units.size >= mostUnits) units.clear();
    units.set(code, unit);
  }
  return unit;
}

/** Rounded to 12 significant digits: factors such as that of `/min` have no exact decimal. */
export function toCanonical({ factor, offset }: CanonicalUnit, value: Decimal): Decimal {
  const exact = multiplyDecimals(offset.digits === 0n ? value : addDecimals(value, offset), factor);
  const surplus = absoluteDecimal(exact).digits.toString().length - significantDigits;
  if (surplus <= 0) return exact;
  const unit = 10n ** BigInt(surplus);
  const half = exact.digits < 0n ? -unit / 2n : unit / 2n;
  return { digits: (exact.digits + half) / unit, exponent: exact.exponent + surplus };
}

const significantDigits = 12;

/** The library's number of entities in a mole. */
const avogadro = 6.0221367e23;

const zero: Decimal = { digits: 0n, exponent: 0 };
const one: Decimal = { digits: 1n, exponent: 0 };

/** Temperatures are the special units that occur in records; other scales (pH, decibel) stand for themselves. */
const temperatures: Readonly<Record<string, { factor: string; offset: string }>> = {
  K: { factor: '1', offset: '0' },
  Cel: { factor: '1', offset: '273.15' },
};

function workOut(code: string): CanonicalUnit {
  const itself = { unit: `=${code}`, factor: one, offset: zero };
  const temperature = temperatures[code];
  if (temperature)
    return { unit: 'K', factor: parseDecimal(temperature.factor)!, offset: parseDecimal(temperature.offset)! };
  // 9 F are 5 K: the factor is no decimal number, so Fahrenheit keeps fifteen digits of it.
  if (code === '[degF]')
    return { unit: 'K', factor: parseDecimal('0.555555555555556')!, offset: parseDecimal('459.67')! };
  const unit = libraryUnit(code);
  const dimensions = unit?.dim_?.dimVec_;
  if (!unit || unit.cnv_ || unit.isArbitrary_ || !(unit.magnitude_ > 0)) return itself;
  const moles = unit.moleExp_ ?? 0;
  const factor = parseDecimal(String(Number((unit.magnitude_ / avogadro ** moles).toPrecision(13))));
  // Without dimension are counts, ratios, and also moles and arbitrary units, which must not be mixed up with counts.
  if (!factor) return itself;
  return { unit: `${(dimensions ?? []).join(',')};${moles}`, factor, offset: zero };
}
