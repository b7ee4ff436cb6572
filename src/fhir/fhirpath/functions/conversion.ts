/** Spec: https://hl7.org/fhirpath/N1/#conversion */
import { singleCode } from '../code.js';
import type { SystemValue } from '../convert.js';
import { Decimal } from '../decimal.js';
import { systemTypes, type TypeInfo } from '../model.js';
import { isCalendarWord, Quantity } from '../quantity.js';
import { Temporal } from '../temporal.js';
import { argument, stringOf, unary, valueOf } from './arguments.js';
import type { FunctionDefinition, FunctionTable } from './registry.js';

const largestInteger = 2_147_483_647;
const trueWords = new Set(['true', 't', 'yes', 'y', '1', '1.0']);
const falseWords = new Set(['false', 'f', 'no', 'n', '0', '0.0']);
const quantityForm = /^([+-]?\d+(?:\.\d+)?)(?:\s*(?:'([^']+)'|([a-z]+)))?$/;

type Conversion = (value: SystemValue) => SystemValue | undefined;

export const conversionFunctions: FunctionTable = {
  ...pair('Boolean', systemTypes.boolean, toBoolean),
  ...pair('Integer', systemTypes.integer, toInteger),
  ...pair('Decimal', systemTypes.decimal, toDecimal),
  ...pair('String', systemTypes.string, toText),
  ...pair('Date', systemTypes.date, (value) => toTemporal(value, 'date')),
  ...pair('DateTime', systemTypes.dateTime, (value) => toTemporal(value, 'dateTime')),
  ...pair('Time', systemTypes.time, (value) => toTemporal(value, 'time')),
  toQuantity: quantityFunction(systemTypes.quantity, (value) => value),
  convertsToQuantity: quantityFunction(systemTypes.boolean, (value) => value !== undefined),
};

/** `toX()` and `convertsToX()`. */
function pair(name: string, type: TypeInfo, convert: Conversion): FunctionTable {
  return {
    [`to${name}`]: unary(type, convert),
    [`convertsTo${name}`]: unary(systemTypes.boolean, (value) => convert(value) !== undefined),
  };
}

function toBoolean(value: SystemValue): boolean | undefined {
  if (typeof value === 'boolean') return value;
  const word =
    typeof value === 'string'
      ? value.toLowerCase()
      : typeof value === 'number'
        ? String(value)
        : value instanceof Decimal
          ? value.trimmed().toString()
          : '';
  return trueWords.has(word) ? true : falseWords.has(word) ? false : undefined;
}

function toInteger(value: SystemValue): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  if (typeof value !== 'string' || !/^[+-]?\d+$/.test(value)) return undefined;
  const number = Number(value);
  return Math.abs(number) <= largestInteger ? number : undefined;
}

function toDecimal(value: SystemValue): Decimal | undefined {
  if (value instanceof Decimal) return value;
  if (typeof value === 'number') return Decimal.of(value);
  if (typeof value === 'boolean') return Decimal.of(value ? 1 : 0);
  return typeof value === 'string' && /^[+-]?\d+(?:\.\d+)?$/.test(value) ? Decimal.parse(value) : undefined;
}

/** The text of a value; undefined for elements. */
export function toText(value: SystemValue): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const printable = value instanceof Decimal || value instanceof Temporal || value instanceof Quantity;
  return printable ? value.toString() : undefined;
}

function toTemporal(value: SystemValue, kind: 'date' | 'dateTime' | 'time'): Temporal | undefined {
  if (typeof value === 'string') {
    const parsed = kind === 'date' ? (Temporal.parse('date', value) ?? Temporal.parse('dateTime', value)) : undefined;
    if (parsed) return toTemporal(parsed, 'date');
    return Temporal.parse(kind, value);
  }
  if (!(value instanceof Temporal)) return undefined;
  if (value.kind === kind) return value;
  if (value.kind === 'time' || kind === 'time') return undefined;
  return kind === 'date'
    ? new Temporal('date', value.fields.slice(0, 3), undefined)
    : new Temporal('dateTime', value.fields, undefined);
}

function toQuantity(value: SystemValue): Quantity | undefined {
  if (value instanceof Quantity) return value;
  if (typeof value === 'boolean') return new Quantity(Decimal.parse(value ? '1.0' : '0.0')!, '1', false);
  if (typeof value === 'number') return new Quantity(Decimal.of(value), '1', false);
  if (value instanceof Decimal) return new Quantity(value, '1', false);
  const parts = typeof value === 'string' ? quantityForm.exec(value) : null;
  if (!parts) return undefined;
  const [, number, ucum, word] = parts;
  if (word !== undefined && !isCalendarWord(word)) return undefined;
  return new Quantity(Decimal.parse(number)!, ucum ?? word ?? '1', word !== undefined);
}

/** With a unit as argument, only quantities of that unit are taken. */
function quantityFunction(
  type: TypeInfo,
  result: (value: Quantity | undefined) => Quantity | boolean | undefined,
): FunctionDefinition {
  return {
    arity: [0, 1],
    compile(site) {
      const { target, call } = site;
      const read = valueOf(target, `${call.name}()`);
      const unit = call.args.length > 0 ? stringOf(site, argument(site, 0)!, `${call.name}()`) : undefined;
      return singleCode(type, (focus, scope) => {
        const value = read(focus, scope);
        if (value === undefined) return undefined;
        const quantity = toQuantity(value);
        const wanted = unit?.(focus, scope);
        return result(quantity && wanted !== undefined && quantity.unit !== wanted ? undefined : quantity);
      });
    },
  };
}
