/** `=`, `~` and the order of values. Spec: https://hl7.org/fhirpath/N1/#equality */
import type { SystemValue } from './convert.js';
import { systemValue } from './convert.js';
import { Decimal } from './decimal.js';
import { executionError } from './errors.js';
import type { TypeInfo } from './model.js';
import { compareQuantity, equivalentQuantity, Quantity } from './quantity.js';
import { compareTemporal, Temporal } from './temporal.js';
import { isObject, itemsOf, rawOf, TypeName, type Collection, type Item, type JsonObject } from './values.js';

/** A collection together with the static type of its raw items. */
export interface Typed {
  readonly collection: Collection;
  readonly type: TypeInfo | undefined;
}

/** `a = b` for collections that are not empty: undefined where a difference in precision leaves it open. */
export function equalCollections(a: Typed, b: Typed): boolean | undefined {
  const left = itemsOf(a.collection);
  const right = itemsOf(b.collection);
  if (left.length !== right.length) return false;
  let answer: boolean | undefined = true;
  for (let i = 0; i < left.length; i += 1) {
    const equal = equalItems(left[i], a.type, right[i], b.type);
    if (equal === false) return false;
    if (equal === undefined) answer = undefined;
  }
  return answer;
}

/** `a = b` for two items. */
export function equalItems(
  a: Item,
  aType: TypeInfo | undefined,
  b: Item,
  bType: TypeInfo | undefined,
): boolean | undefined {
  if (typeof a === 'string' && typeof b === 'string' && isText(aType) && isText(bType)) return a === b;
  return equalValues(systemValue(a, aType), systemValue(b, bType));
}

/** Raw strings of this type are equal exactly when they are the same. */
export function isText(type: TypeInfo | undefined): boolean {
  return type === undefined || type.system === 'String';
}

function equalValues(a: SystemValue | undefined, b: SystemValue | undefined): boolean | undefined {
  if (a === b) return true;
  if (a === undefined || b === undefined) return false;
  const numbers = decimals(a, b);
  if (numbers) return numbers[0].compare(numbers[1]) === 0;
  const times = temporals(a, b);
  if (times) {
    if ((times[0].kind === 'time') !== (times[1].kind === 'time')) return false;
    const order = compareTemporal(times[0], times[1]);
    return order === undefined ? undefined : order === 0;
  }
  const quantities = quantityPair(a, b);
  if (quantities) {
    const order = compareQuantity(quantities[0], quantities[1]);
    return order === undefined ? (incomparableYears(quantities) ? undefined : false) : order === 0;
  }
  if (!isObject(a) || !isObject(b)) return false;
  if (a instanceof TypeName || b instanceof TypeName) {
    return a instanceof TypeName && b instanceof TypeName && a.name === b.name && a.namespace === b.namespace;
  }
  return isPlain(a) && isPlain(b) && equalJson(a, b, true);
}

/** A calendar year or month against a UCUM duration: neither equal nor different. */
function incomparableYears([a, b]: readonly [Quantity, Quantity]): boolean {
  const open = (quantity: Quantity) => quantity.calendarWord === 'year' || quantity.calendarWord === 'month';
  return open(a) !== open(b);
}

/** `a ~ b` for two collections, in any order. */
export function equivalentCollections(a: Typed, b: Typed): boolean {
  const left = itemsOf(a.collection);
  const right = [...itemsOf(b.collection)];
  if (left.length !== right.length) return false;
  return left.every((item) => {
    const at = right.findIndex((other) => equivalentItems(item, a.type, other, b.type));
    if (at >= 0) right.splice(at, 1);
    return at >= 0;
  });
}

function equivalentItems(a: Item, aType: TypeInfo | undefined, b: Item, bType: TypeInfo | undefined): boolean {
  const left = systemValue(a, aType);
  const right = systemValue(b, bType);
  if (left === right) return true;
  if (left === undefined || right === undefined) return false;
  if (typeof left === 'string' && typeof right === 'string') return normalized(left) === normalized(right);
  const numbers = decimals(left, right);
  if (numbers) {
    const digits = Math.min(numbers[0].trimmed().scale, numbers[1].trimmed().scale);
    return numbers[0].rounded(digits).compare(numbers[1].rounded(digits)) === 0;
  }
  if (left instanceof Temporal && right instanceof Temporal) {
    return left.kind === right.kind && compareTemporal(left, right) === 0;
  }
  const quantities = quantityPair(left, right);
  if (quantities) return equivalentQuantity(quantities[0], quantities[1]);
  return isObject(left) && isObject(right) && isPlain(left) && isPlain(right) && equalJson(left, right, false);
}

function normalized(text: string): string {
  return text.toLowerCase().replace(/\s+/g, ' ');
}

/**
 * Order of two single items.
 *
 * @returns negative, zero or positive; undefined where precision or units leave it open.
 * @throws FhirPathError `execution` when the two have no order.
 */
export function compareItems(
  a: Item,
  aType: TypeInfo | undefined,
  b: Item,
  bType: TypeInfo | undefined,
): number | undefined {
  const likeUnits = sameUnitOrder(rawOf(a), rawOf(b));
  if (likeUnits !== undefined) return likeUnits;
  const left = systemValue(a, aType);
  const right = systemValue(b, bType);
  if (left === undefined || right === undefined) return undefined;
  if (typeof left === 'string' && typeof right === 'string') return left < right ? -1 : left > right ? 1 : 0;
  const numbers = decimals(left, right);
  if (numbers) return numbers[0].compare(numbers[1]);
  const times = temporals(left, right);
  if (times && (times[0].kind === 'time') === (times[1].kind === 'time')) return compareTemporal(times[0], times[1]);
  const quantities = quantityPair(left, right);
  if (quantities) return compareQuantity(quantities[0], quantities[1]);
  // A FHIR Quantity without a value: nothing to compare.
  if (aType?.system === 'Quantity' && bType?.system === 'Quantity') return undefined;
  throw executionError(`${describe(left)} and ${describe(right)} have no order`);
}

/** Two FHIR Quantities with the same unit, or none, are compared by value, whatever their codes: so does the HL7 validator. */
function sameUnitOrder(a: Item | undefined, b: Item | undefined): number | undefined {
  if (!isObject(a) || !isObject(b) || a.unit !== b.unit) return undefined;
  if (typeof a.value !== 'number' || typeof b.value !== 'number') return undefined;
  return a.value - b.value;
}

/** Words for an error message; never the value itself. */
export function describe(value: SystemValue | undefined): string {
  if (value === undefined) return 'nothing';
  if (!isObject(value)) return typeof value === 'number' ? 'an integer' : `a ${typeof value}`;
  if (value instanceof Decimal) return 'a decimal';
  if (value instanceof Temporal) return `a ${value.kind}`;
  return value instanceof Quantity ? 'a quantity' : 'an element';
}

function decimals(a: SystemValue, b: SystemValue): readonly [Decimal, Decimal] | undefined {
  const left = typeof a === 'number' ? Decimal.of(a) : a;
  const right = typeof b === 'number' ? Decimal.of(b) : b;
  return left instanceof Decimal && right instanceof Decimal ? [left, right] : undefined;
}

/** Both as times, a text read as the other's kind. */
function temporals(a: SystemValue, b: SystemValue): readonly [Temporal, Temporal] | undefined {
  const left = a instanceof Temporal ? a : typeof a === 'string' && b instanceof Temporal ? read(a, b) : undefined;
  const right = b instanceof Temporal ? b : typeof b === 'string' && a instanceof Temporal ? read(b, a) : undefined;
  return left && right ? [left, right] : undefined;
}

function read(text: string, like: Temporal): Temporal | undefined {
  return Temporal.parse(like.kind === 'date' ? 'dateTime' : like.kind, text);
}

/** Both as quantities, where one is: a number then counts as dimensionless. */
function quantityPair(a: SystemValue, b: SystemValue): readonly [Quantity, Quantity] | undefined {
  if (!(a instanceof Quantity) && !(b instanceof Quantity)) return undefined;
  const left = asQuantity(a);
  const right = asQuantity(b);
  return left && right ? [left, right] : undefined;
}

function asQuantity(value: SystemValue): Quantity | undefined {
  if (value instanceof Quantity) return value;
  if (typeof value === 'number') return new Quantity(Decimal.of(value), '1', false);
  return value instanceof Decimal ? new Quantity(value, '1', false) : undefined;
}

function isPlain(value: SystemValue): value is JsonObject {
  return isObject(value) && !(value instanceof Decimal || value instanceof Temporal || value instanceof Quantity);
}

/** Same elements with the same values; where not `exact`, strings as `~` takes them and arrays in any order. */
function equalJson(a: unknown, b: unknown, exact: boolean): boolean {
  if (a === b) return true;
  if (!exact && typeof a === 'string' && typeof b === 'string') return normalized(a) === normalized(b);
  if (!isObject(a) || !isObject(b) || Array.isArray(a) !== Array.isArray(b)) return false;
  if (Array.isArray(a)) return equalArrays(a, b as unknown as readonly unknown[], exact);
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => Object.hasOwn(b, key) && equalJson(a[key], b[key], exact));
}

function equalArrays(a: readonly unknown[], b: readonly unknown[], exact: boolean): boolean {
  if (a.length !== b.length) return false;
  if (exact) return a.every((item, i) => equalJson(item, b[i], true));
  const rest = [...b];
  return a.every((item) => {
    const at = rest.findIndex((other) => equalJson(item, other, false));
    if (at >= 0) rest.splice(at, 1);
    return at >= 0;
  });
}
