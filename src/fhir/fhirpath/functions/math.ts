/** Spec: https://hl7.org/fhirpath/N1/#math-1 */
import { decimalOf, integerOf as wholeNumber } from '../arithmetic.js';
import type { Code } from '../code.js';
import type { SystemValue } from '../convert.js';
import { Decimal } from '../decimal.js';
import { describe } from '../equality.js';
import { executionError } from '../errors.js';
import { Quantity } from '../quantity.js';
import { argument, integerOf, unary, valueOf } from './arguments.js';
import type { CallSite, FunctionDefinition, FunctionTable } from './registry.js';

/** Powers beyond these sizes are computed as binary fractions. */
const largestExactExponent = 512;
const largestExactDigits = 2000;

export const mathFunctions: FunctionTable = {
  abs: unary(undefined, (value) => {
    if (value instanceof Quantity) return new Quantity(value.value.abs(), value.unit, value.isCalendar);
    return typeof value === 'number' ? Math.abs(value) : number(value, 'abs()').abs();
  }),
  ceiling: unary(undefined, (value) => wholeNumber(number(value, 'ceiling()').ceiling())),
  floor: unary(undefined, (value) => wholeNumber(number(value, 'floor()').floor())),
  truncate: unary(undefined, (value) => wholeNumber(number(value, 'truncate()').truncated(0).coefficient)),
  exp: unary(undefined, (value) => fromBinary(Math.exp(number(value, 'exp()').toNumber()))),
  ln: unary(undefined, (value) => fromBinary(Math.log(number(value, 'ln()').toNumber()))),
  sqrt: unary(undefined, (value) => fromBinary(Math.sqrt(number(value, 'sqrt()').toNumber()))),
  log: withNumber((value, base) => {
    const result = Math.log(value.toNumber()) / Math.log(base.toNumber());
    // The quotient of two logarithms misses whole results by a hair.
    const whole = Math.round(result);
    return fromBinary(base.toNumber() ** whole === value.toNumber() ? whole : result);
  }),
  power: withNumber(power),
  round: { arity: [0, 1], compile: roundCode },
};

function number(value: SystemValue, what: string): Decimal {
  const decimal = decimalOf(value);
  if (decimal) return decimal;
  throw executionError(`${what}: a number was expected, ${describe(value)} was found`);
}

/** @returns undefined for what is no number: the root of a negative one, the logarithm of zero. */
function fromBinary(value: number): Decimal | undefined {
  return Number.isFinite(value) ? Decimal.parse(String(value)) : undefined;
}

function withNumber(compute: (value: Decimal, other: Decimal) => Decimal | number | undefined): FunctionDefinition {
  return {
    arity: [1, 1],
    compile(site) {
      const what = `${site.call.name}()`;
      const value = valueOf(site.target, what);
      const other = valueOf(argument(site, 0)!, what);
      return {
        type: undefined,
        single: true,
        run: (focus, scope) => {
          const a = value(focus, scope);
          const b = other(focus, scope);
          return a === undefined || b === undefined ? undefined : compute(number(a, what), number(b, what));
        },
      };
    },
  };
}

function power(base: Decimal, exponent: Decimal): Decimal | number | undefined {
  const times = exponent.isInteger ? Number(exponent.truncated(0).coefficient) : -1;
  const digits = base.coefficient.toString().length * times;
  if (times < 0 || times > largestExactExponent || digits > largestExactDigits) {
    return fromBinary(base.toNumber() ** exponent.toNumber());
  }
  const result = base.coefficient ** BigInt(times);
  return base.scale === 0 ? wholeNumber(result) : Decimal.scaled(result, base.scale * times);
}

function roundCode(site: CallSite): Code {
  const value = valueOf(site.target, 'round()');
  const code = argument(site, 0);
  const digits = code && integerOf(code, 'round()');
  return {
    type: undefined,
    single: true,
    run: (focus, scope) => {
      const own = value(focus, scope);
      if (own === undefined) return undefined;
      const count = digits?.(focus, scope) ?? 0;
      if (count < 0 || count > 100) throw executionError('round(): precision must be 0 to 100');
      const rounded = number(own, 'round()').rounded(count);
      return count === 0 ? wholeNumber(rounded.coefficient) : rounded;
    },
  };
}
