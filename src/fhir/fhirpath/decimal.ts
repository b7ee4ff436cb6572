/** Exact decimals. Spec: https://hl7.org/fhirpath/N1/#decimal */

import { executionError } from './errors.js';

const form = /^([+-]?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d+))?$/;
/** Numbers of more digits are refused as the result of a multiplication. */
const largestCoefficient = 10n ** 1000n;
/** Digits kept by a division that does not end. */
const divisionDigits = 20;
/** Exponents beyond this are no quantities of this world, and would cost memory. */
const largestExponent = 400;

/** `coefficient / 10^scale`, `scale` being the number of digits after the point, zeros included: 1.50 is not 1.5 in precision. */
export class Decimal {
  private constructor(
    readonly coefficient: bigint,
    /** 0 or more. */
    readonly scale: number,
  ) {}

  static of(value: number | bigint): Decimal {
    if (typeof value === 'bigint') return new Decimal(value, 0);
    if (Number.isSafeInteger(value)) return new Decimal(BigInt(value), 0);
    return Decimal.parse(String(value)) ?? new Decimal(0n, 0);
  }

  static scaled(coefficient: bigint, scale: number): Decimal {
    return new Decimal(coefficient, scale);
  }

  /** @returns undefined when `text` is no decimal number, or its exponent exceeds 400. */
  static parse(text: string): Decimal | undefined {
    const parts = form.exec(text);
    if (!parts || (parts[2] === '' && !parts[3])) return undefined;
    const [, sign, whole, fraction = '', exponentText = '0'] = parts;
    const exponent = Number(exponentText);
    if (Math.abs(exponent) > largestExponent) return undefined;
    const digits = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n);
    const scale = fraction.length - exponent;
    return scale >= 0 ? new Decimal(digits, scale) : new Decimal(digits * 10n ** BigInt(-scale), 0);
  }

  get isInteger(): boolean {
    return this.coefficient % 10n ** BigInt(this.scale) === 0n;
  }

  get isZero(): boolean {
    return this.coefficient === 0n;
  }

  toNumber(): number {
    return Number(this.toString());
  }

  toString(): string {
    const negative = this.coefficient < 0n;
    const digits = (negative ? -this.coefficient : this.coefficient).toString().padStart(this.scale + 1, '0');
    const whole = digits.slice(0, digits.length - this.scale);
    return (negative ? '-' : '') + whole + (this.scale > 0 ? `.${digits.slice(digits.length - this.scale)}` : '');
  }

  /** The coefficient at a scale of at least its own. */
  at(scale: number): bigint {
    return scale === this.scale ? this.coefficient : this.coefficient * 10n ** BigInt(scale - this.scale);
  }

  /** Negative, zero or positive as this is less than, equal to or greater than `other`; trailing zeros do not count. */
  compare(other: Decimal): number {
    const scale = Math.max(this.scale, other.scale);
    const a = this.at(scale);
    const b = other.at(scale);
    return a < b ? -1 : a > b ? 1 : 0;
  }

  plus(other: Decimal): Decimal {
    const scale = Math.max(this.scale, other.scale);
    return new Decimal(this.at(scale) + other.at(scale), scale);
  }

  minus(other: Decimal): Decimal {
    return this.plus(other.negated());
  }

  /** @throws FhirPathError `execution` when the product has more than 1,000 digits. */
  times(other: Decimal): Decimal {
    const product = this.coefficient * other.coefficient;
    if (product > largestCoefficient || product < -largestCoefficient) throw executionError('the number is too long');
    return new Decimal(product, this.scale + other.scale);
  }

  negated(): Decimal {
    return new Decimal(-this.coefficient, this.scale);
  }

  abs(): Decimal {
    return this.coefficient < 0n ? this.negated() : this;
  }

  /** To 20 digits after the point, trailing zeros cut. @returns undefined for a division by zero. */
  dividedBy(other: Decimal): Decimal | undefined {
    if (other.isZero) return undefined;
    const numerator = this.coefficient * 10n ** BigInt(divisionDigits + other.scale + 1);
    const quotient = numerator / other.coefficient;
    return new Decimal(quotient, this.scale + divisionDigits + 1).rounded(divisionDigits).trimmed();
  }

  /** Quotient without fraction, towards zero. @returns undefined for a division by zero. */
  wholeQuotient(other: Decimal): bigint | undefined {
    if (other.isZero) return undefined;
    const scale = Math.max(this.scale, other.scale);
    return this.at(scale) / other.at(scale);
  }

  /** The rest of `wholeQuotient`, with the sign of this. @returns undefined for a division by zero. */
  remainder(other: Decimal): Decimal | undefined {
    if (other.isZero) return undefined;
    const scale = Math.max(this.scale, other.scale);
    return new Decimal(this.at(scale) % other.at(scale), scale);
  }

  /** Without trailing zeros after the point. */
  trimmed(): Decimal {
    let { coefficient, scale } = this;
    while (scale > 0 && coefficient % 10n === 0n) {
      coefficient /= 10n;
      scale -= 1;
    }
    return scale === this.scale ? this : new Decimal(coefficient, scale);
  }

  /** Exactly `digits` (0 or more) after the point, halves away from zero. */
  rounded(digits: number): Decimal {
    if (digits >= this.scale) return new Decimal(this.at(digits), digits);
    const unit = 10n ** BigInt(this.scale - digits);
    const half = (unit / 2n) * (this.coefficient < 0n ? -1n : 1n);
    return new Decimal((this.coefficient + half) / unit, digits);
  }

  /** Exactly `digits` after the point, cut towards zero. */
  truncated(digits: number): Decimal {
    if (digits >= this.scale) return new Decimal(this.at(digits), digits);
    return new Decimal(this.coefficient / 10n ** BigInt(this.scale - digits), digits);
  }

  floor(): bigint {
    const cut = this.truncated(0).coefficient;
    return this.coefficient < 0n && !this.isInteger ? cut - 1n : cut;
  }

  ceiling(): bigint {
    const cut = this.truncated(0).coefficient;
    return this.coefficient > 0n && !this.isInteger ? cut + 1n : cut;
  }
}
