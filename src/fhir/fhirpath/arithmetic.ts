/** `+ - * / div mod &`. Spec: https://hl7.org/fhirpath/N1/#math */
import type { Code, Run } from './code.js';
import { onlyItem } from './code.js';
import { systemValue, type SystemValue } from './convert.js';
import { addToTemporal } from './date-arithmetic.js';
import { Decimal } from './decimal.js';
import { describe } from './equality.js';
import { executionError } from './errors.js';
import { systemTypes, type TypeInfo } from './model.js';
import { addQuantity, divideQuantity, multiplyQuantity, Quantity } from './quantity.js';
import { Temporal } from './temporal.js';
import type { Collection } from './values.js';

const largestInteger = 2_147_483_647;
const longestText = 10_000_000;

/** An operation on two single values; empty when one of them is. */
function operation(
  sign: string,
  left: Code,
  right: Code,
  compute: (a: SystemValue, b: SystemValue) => Collection | typeof undefinedOperation,
  type?: TypeInfo,
): Code {
  const run: Run = (focus, scope) => {
    const a = onlyItem(left.run(focus, scope), sign);
    const b = onlyItem(right.run(focus, scope), sign);
    const first = a === undefined ? undefined : systemValue(a, left.type);
    const second = b === undefined ? undefined : systemValue(b, right.type);
    if (first === undefined || second === undefined) return undefined;
    const result = compute(first, second);
    if (result === undefinedOperation) {
      throw executionError(`${sign} is not defined for ${describe(first)} and ${describe(second)}`);
    }
    return result;
  };
  return { type, single: true, run };
}

const undefinedOperation = Symbol('undefined operation');

/** Integers stay integers while they fit; else both are decimals. */
function onNumbers(
  a: SystemValue,
  b: SystemValue,
  integers: (a: number, b: number) => number | undefined,
  exact: (a: Decimal, b: Decimal) => Decimal | number | undefined,
): { readonly result: Decimal | number | undefined } | undefined {
  if (typeof a === 'number' && typeof b === 'number') {
    const result = integers(a, b);
    if (result !== undefined && Math.abs(result) <= largestInteger) return { result };
  }
  const left = decimalOf(a);
  const right = decimalOf(b);
  return left && right && { result: exact(left, right) };
}

/** @returns undefined for what is no number. */
export function decimalOf(value: SystemValue): Decimal | undefined {
  if (typeof value === 'number') return Decimal.of(value);
  return value instanceof Decimal ? value : undefined;
}

/** Static type of numbers computed from numbers; integers and decimals tell themselves apart. */
function sumType(left: Code, right: Code): TypeInfo | undefined {
  const kinds = [left.type?.system, right.type?.system];
  if (kinds.every((kind) => kind === 'String')) return systemTypes.string;
  return undefined;
}

export function add(left: Code, right: Code, sign: 1 | -1): Code {
  const text = sign === 1 ? '+' : '-';
  const compute = (a: SystemValue, b: SystemValue) => {
    if (sign === 1 && typeof a === 'string' && typeof b === 'string') return joined(a, b);
    const sum = onNumbers(
      a,
      b,
      (x, y) => x + sign * y,
      (x, y) => (sign === 1 ? x.plus(y) : x.minus(y)),
    );
    if (sum) return sum.result;
    if (a instanceof Temporal && b instanceof Quantity) return addToTemporal(a, b, sign);
    if (a instanceof Quantity && b instanceof Quantity) return addQuantity(a, b, sign);
    return undefinedOperation;
  };
  return operation(text, left, right, compute, sumType(left, right));
}

export function multiply(left: Code, right: Code): Code {
  return operation('*', left, right, (a, b) => {
    const product = onNumbers(
      a,
      b,
      (x, y) => x * y,
      (x, y) => x.times(y),
    );
    if (product) return product.result;
    const [x, y] = [quantityOrNumber(a), quantityOrNumber(b)];
    return x && y ? multiplyQuantity(x, y) : undefinedOperation;
  });
}

export function divide(left: Code, right: Code): Code {
  return operation('/', left, right, (a, b) => {
    const quotient = onNumbers(
      a,
      b,
      () => undefined,
      (x, y) => x.dividedBy(y),
    );
    if (quotient) return quotient.result;
    const [x, y] = [quantityOrNumber(a), quantityOrNumber(b)];
    return x && y ? divideQuantity(x, y) : undefinedOperation;
  });
}

export function divideWhole(left: Code, right: Code): Code {
  return operation('div', left, right, (a, b) => {
    const quotient = onNumbers(
      a,
      b,
      (x, y) => (y === 0 ? undefined : Math.trunc(x / y)),
      (x, y) => {
        const whole = x.wholeQuotient(y);
        return whole === undefined ? undefined : integerOf(whole);
      },
    );
    return quotient ? quotient.result : undefinedOperation;
  });
}

export function remainder(left: Code, right: Code): Code {
  return operation('mod', left, right, (a, b) => {
    const rest = onNumbers(
      a,
      b,
      (x, y) => (y === 0 ? undefined : x % y),
      (x, y) => x.remainder(y),
    );
    return rest ? rest.result : undefinedOperation;
  });
}

/** A whole number as an integer, or, where it does not fit, as a decimal. */
export function integerOf(value: bigint): number | Decimal {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : Decimal.of(value);
}

/** `&`: empty counts as the empty string. */
export function concatenate(left: Code, right: Code): Code {
  const text = (code: Code): ((...args: Parameters<Run>) => string) => {
    return (focus, scope) => {
      const item = onlyItem(code.run(focus, scope), '&');
      const value = item === undefined ? '' : systemValue(item, code.type);
      if (typeof value === 'string') return value;
      if (value === undefined) return '';
      if (value instanceof Temporal) return value.toString();
      throw executionError(`& is not defined for ${describe(value)}`);
    };
  };
  const l = text(left);
  const r = text(right);
  return { type: systemTypes.string, single: true, run: (focus, scope) => joined(l(focus, scope), r(focus, scope)) };
}

function joined(a: string, b: string): string {
  if (a.length + b.length > longestText) throw executionError('the text is too long');
  return a + b;
}

/** `-x`. The string form exists for `sort(-name)` alone and is refused elsewhere. */
export function negate(operand: Code): Code {
  return {
    type: undefined,
    single: true,
    run: (focus, scope) => {
      const item = onlyItem(operand.run(focus, scope), '-');
      const value = item === undefined ? undefined : systemValue(item, operand.type);
      if (value === undefined) return undefined;
      if (typeof value === 'number') return value === 0 ? 0 : -value;
      if (value instanceof Decimal) return value.negated();
      if (value instanceof Quantity) return new Quantity(value.value.negated(), value.unit, value.isCalendar);
      throw executionError(`- is not defined for ${describe(value)}`);
    },
  };
}

function quantityOrNumber(value: SystemValue): Quantity | undefined {
  if (value instanceof Quantity) return value;
  const number = decimalOf(value);
  return number && new Quantity(number, '1', false);
}
