/** Items to FHIRPath's own values. Spec: https://hl7.org/fhir/R4/fhirpath.html#types */
import { Decimal } from './decimal.js';
import { systemTypes, type TypeInfo } from './model.js';
import { isCalendarWord, Quantity } from './quantity.js';
import { Temporal, type TemporalKind } from './temporal.js';
import { isObject, Node, type Item, type JsonObject, type TypeName } from './values.js';

/** A value without FHIR's wrapping: an integer is a number; complex elements stay the JSON objects that they are. */
export type SystemValue = boolean | string | number | Decimal | Temporal | Quantity | TypeName | JsonObject;

const temporalKinds: Readonly<Record<string, TemporalKind | undefined>> = {
  Date: 'date',
  DateTime: 'dateTime',
  Time: 'time',
};
const ucumSystem = 'http://unitsofmeasure.org';
const dayDurations: Readonly<Record<string, string>> = {
  a: 'year',
  mo: 'month',
  wk: 'week',
  d: 'day',
  h: 'hour',
  min: 'minute',
  s: 'second',
  ms: 'millisecond',
};

/** @param type static type of raw items; a Node brings its own. @returns undefined for a primitive without value. */
export function systemValue(item: Item, type: TypeInfo | undefined): SystemValue | undefined {
  if (item instanceof Node) return item.value === undefined ? undefined : systemValue(item.value, item.type);
  if (typeof item === 'string') {
    const kind = type?.system === undefined ? undefined : temporalKinds[type.system];
    // A text that is no date is left as text: the validator, not this, complains of it.
    return kind === undefined ? item : (Temporal.parse(kind, item) ?? item);
  }
  if (typeof item === 'number') {
    return type?.system === 'Decimal' || !Number.isSafeInteger(item) ? Decimal.of(item) : item;
  }
  if (type?.system === 'Quantity' && typeof item === 'object' && !(item instanceof Quantity)) {
    return quantityOf(item as JsonObject) ?? (item as JsonObject);
  }
  return item as SystemValue;
}

/** System.Quantity of a FHIR Quantity. @returns undefined without a value, or with a comparator: such a thing is a range. */
function quantityOf(quantity: JsonObject): Quantity | undefined {
  const { value, code, unit, system, comparator } = quantity;
  if (typeof value !== 'number' || comparator !== undefined) return undefined;
  const decimal = Decimal.of(value);
  if (system === ucumSystem && typeof code === 'string') return new Quantity(decimal, code, false);
  if (typeof unit === 'string') return new Quantity(decimal, unit, isCalendarWord(unit));
  return new Quantity(decimal, typeof code === 'string' ? code : '1', false);
}

/** Calendar word for a UCUM duration code, `a` to `year`; undefined for other units. */
export function calendarWordOf(code: string): string | undefined {
  return Object.hasOwn(dayDurations, code) ? dayDurations[code] : undefined;
}

/** The type of an item. @param type static type of raw items, where it is known. */
export function typeOf(item: Item, type: TypeInfo | undefined, resourceType: (name: string) => TypeInfo | undefined) {
  if (item instanceof Node) return item.type;
  if (isObject(item)) {
    if (item instanceof Decimal) return systemTypes.decimal;
    if (item instanceof Quantity) return systemTypes.quantity;
    if (item instanceof Temporal) return systemTypes[item.kind];
    if (typeof item.resourceType === 'string') return resourceType(item.resourceType) ?? type;
    return type;
  }
  if (type) return type;
  if (typeof item === 'string') return systemTypes.string;
  if (typeof item === 'boolean') return systemTypes.boolean;
  return Number.isSafeInteger(item) ? systemTypes.integer : systemTypes.decimal;
}
