/** `lowBoundary`, `highBoundary`, `precision`, `comparable`. Spec: https://hl7.org/fhirpath/2025Jan/#lowboundaryprecision-integer-decimal--date--datetime--time */
import { decimalOf } from '../arithmetic.js';
import type { Code } from '../code.js';
import { booleanCode } from '../code.js';
import { Decimal } from '../decimal.js';
import { executionError } from '../errors.js';
import { systemTypes } from '../model.js';
import { areComparable, Quantity } from '../quantity.js';
import { daysOfMonth, Temporal } from '../temporal.js';
import { argument, integerOf, unary, valueOf } from './arguments.js';
import type { CallSite, FunctionDefinition, FunctionTable } from './registry.js';

const defaultDigits = 8;
const mostDigits = 28;
/** Digits of a date, dateTime or time known down to each of its fields. */
const dateDigits = [4, 6, 8];
const dateTimeDigits = [4, 6, 8, 10, 12, 14, 17];
const timeDigits = [2, 4, 6, 9];
const farEast = 14 * 60;
const farWest = -12 * 60;

export const boundaryFunctions: FunctionTable = {
  lowBoundary: boundary('low'),
  highBoundary: boundary('high'),
  precision: unary(systemTypes.integer, (value) => {
    if (value instanceof Temporal) return digitsOf(value)[value.fields.length - 1];
    const number = decimalOf(value);
    if (!number) throw executionError('precision(): a number or a time was expected');
    return number.scale;
  }),
  comparable: {
    arity: [1, 1],
    compile(site) {
      const own = valueOf(site.target, 'comparable()');
      const other = valueOf(argument(site, 0)!, 'comparable()');
      return booleanCode((focus, scope) => {
        const a = own(focus, scope);
        const b = other(focus, scope);
        if (a === undefined || b === undefined) return undefined;
        return a instanceof Quantity && b instanceof Quantity && areComparable(a, b);
      });
    },
  },
};

function boundary(side: 'low' | 'high'): FunctionDefinition {
  return { arity: [0, 1], compile: (site) => boundaryCode(site, side) };
}

function boundaryCode(site: CallSite, side: 'low' | 'high'): Code {
  const what = `${side}Boundary()`;
  const read = valueOf(site.target, what);
  const code = argument(site, 0);
  const precision = code && integerOf(code, what);
  return {
    type: undefined,
    single: true,
    run: (focus, scope) => {
      const value = read(focus, scope);
      const wanted = precision?.(focus, scope);
      if (value === undefined) return undefined;
      if (value instanceof Temporal) return temporalBoundary(value, side, wanted);
      if (value instanceof Quantity) {
        const bound = decimalBoundary(value.value, side, wanted);
        return bound && new Quantity(bound, value.unit, value.isCalendar);
      }
      const number = decimalOf(value);
      if (!number) throw executionError(`${what}: a number, quantity or time was expected`);
      return decimalBoundary(number, side, wanted);
    },
  };
}

/**
 * Half a unit of the last digit away. To fewer digits than that has, the magnitude of the outer bound is rounded and that of the inner one
 * cut, as the official suite has it.
 */
function decimalBoundary(value: Decimal, side: 'low' | 'high', digits = defaultDigits): Decimal | undefined {
  if (digits < 0 || digits > mostDigits) return undefined;
  if (value.coefficient < 0n || (value.isZero && side === 'low')) {
    return magnitude(value.negated(), side === 'low' ? 'high' : 'low', digits)?.negated();
  }
  return magnitude(value, side, digits);
}

function magnitude(value: Decimal, side: 'low' | 'high', digits: number): Decimal {
  const half = Decimal.scaled(5n, value.scale + 1);
  return side === 'low' ? value.minus(half).truncated(digits) : value.plus(half).rounded(digits);
}

function digitsOf(value: Temporal): readonly number[] {
  return value.kind === 'date' ? dateDigits : value.kind === 'time' ? timeDigits : dateTimeDigits;
}

function temporalBoundary(value: Temporal, side: 'low' | 'high', wanted?: number): Temporal | undefined {
  const all = digitsOf(value);
  const count = wanted === undefined ? all.length : all.indexOf(wanted) + 1;
  if (count === 0) return undefined;
  const fields = [...value.fields];
  // FHIR knows no time of hours alone: T08 stands for T08:00.
  if (fields.length === (value.kind === 'time' ? 1 : 4)) fields.push(0);
  while (fields.length < count) fields.push(extreme(value.kind, fields, side));
  fields.length = count;
  const timed = value.kind === 'dateTime' && count > 3;
  const offset = timed ? (value.offset ?? (side === 'low' ? farEast : farWest)) : undefined;
  return new Temporal(value.kind, fields, offset);
}

function extreme(kind: Temporal['kind'], fields: readonly number[], side: 'low' | 'high'): number {
  const at = kind === 'time' ? fields.length + 3 : fields.length;
  const low = at === 1 || at === 2 ? 1 : 0;
  if (side === 'low') return low;
  if (at === 2) return daysOfMonth(fields[0], fields[1]);
  return [9999, 12, 31, 23, 59, 59, 999][at];
}
