/** Exact decimal numbers: `digits` times ten to the power of `exponent`. */

export interface Decimal {
  readonly digits: bigint;
  readonly exponent: number;
}

const form = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,3}))?$/;

/** @returns undefined when `text` is no decimal number, or has more than 60 digits. */
export function parseDecimal(text: string): Decimal | undefined {
  const match = form.exec(text);
  if (!match) return undefined;
  const [, sign, whole, fraction = '', power = '0'] = match;
  const digits = whole + fraction;
  if (digits === '' || digits.length > 60) return undefined;
  return { digits: BigInt((sign === '-' ? '-' : '') + digits), exponent: Number(power) - fraction.length };
}

/** Negative, zero or positive, as in sorting. */
export function compareDecimals(one: Decimal, other: Decimal): number {
  const shift = one.exponent - other.exponent;
  const left = shift > 0 ? one.digits * 10n ** BigInt(shift) : one.digits;
  const right = shift < 0 ? other.digits * 10n ** BigInt(-shift) : other.digits;
  return left < right ? -1 : left > right ? 1 : 0;
}

export function addDecimals(one: Decimal, other: Decimal): Decimal {
  const exponent = Math.min(one.exponent, other.exponent);
  const scaled = ({ digits, exponent: from }: Decimal) => digits * 10n ** BigInt(from - exponent);
  return { digits: scaled(one) + scaled(other), exponent };
}

export function multiplyDecimals(one: Decimal, other: Decimal): Decimal {
  return { digits: one.digits * other.digits, exponent: one.exponent + other.exponent };
}

export function negateDecimal({ digits, exponent }: Decimal): Decimal {
  return { digits: -digits, exponent };
}

export function absoluteDecimal(value: Decimal): Decimal {
  return value.digits < 0n ? negateDecimal(value) : value;
}

export function decimalToNumber({ digits, exponent }: Decimal): number {
  return Number(`${digits}e${exponent}`);
}

/**
 * The values that print as `text` when rounded to its precision: half a unit of its last digit to each side.
 * `100` is [99.5, 100.5), `1e2` is [95, 105) as in https://hl7.org/fhir/R4/search.html#number.
 */
export function implicitRange(value: Decimal): readonly [low: Decimal, high: Decimal] {
  // The specification's own example decides what a positive power means: 1e2 is 100 give or take 5.
  const half = { digits: 5n, exponent: value.exponent > 0 ? value.exponent - 2 : value.exponent - 1 };
  return [addDecimals(value, negateDecimal(half)), addDecimals(value, half)];
}
