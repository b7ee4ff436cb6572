/** FHIR Period and dateTime as half-open intervals in milliseconds since 1970. Spec: https://hl7.org/fhir/R4/datatypes.html#Period */
import { fhirError } from '../base/outcome.js';
import { FOREVER } from './policy.js';

const FORM = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;

/**
 * The interval that a dateTime stands for: a year, month, day, second or instant. Without offset it is UTC.
 *
 * @throws FhirError 422 `value` when it is none.
 */
export function dateTimeBounds(value: unknown, expression: string): [start: number, end: number] {
  const match = typeof value === 'string' ? FORM.exec(value) : null;
  if (match === null) throw notADate(value, expression);
  const [, year, month, day, hour, minute, second, fraction, offset] = match;
  if (hour === undefined) {
    const [y, m, d] = [Number(year), Number(month ?? 1) - 1, Number(day ?? 1)];
    const start = utc(y, m, d);
    if (new Date(start).getUTCMonth() !== m || new Date(start).getUTCDate() !== d) throw notADate(value, expression);
    if (month === undefined) return [start, utc(y + 1, 0, 1)];
    return [start, day === undefined ? utc(y, m + 1, 1) : utc(y, m, d + 1)];
  }
  const leap = second === '60' ? '59' : (second ?? '00');
  const start = Date.parse(
    `${year}-${month}-${day}T${hour}:${minute}:${leap}${(fraction ?? '').slice(0, 4)}${offset ?? 'Z'}`,
  );
  if (Number.isNaN(start)) throw notADate(value, expression);
  if (second === undefined) return [start, start + 60_000];
  return [start, start + (fraction === undefined ? 1000 : 10 ** Math.max(0, 4 - fraction.length))];
}

/**
 * [start, end) of a Period; open sides reach FOREVER. The end includes the whole day, second, ... that it names.
 *
 * @throws FhirError 422 when a side is no dateTime, or the end lies before the start.
 */
export function periodBounds(value: unknown, expression: string): [start: number, end: number] {
  if (typeof value !== 'object' || value === null)
    throw fhirError(422, 'value', `${expression}: not a Period`, expression);
  const period = value as { start?: unknown; end?: unknown };
  const start = period.start === undefined ? -FOREVER : dateTimeBounds(period.start, `${expression}.start`)[0];
  const end = period.end === undefined ? FOREVER : dateTimeBounds(period.end, `${expression}.end`)[1];
  if (end <= start) throw fhirError(422, 'invariant', `${expression}: the end lies before the start`, expression);
  return [start, end];
}

function notADate(value: unknown, expression: string) {
  return fhirError(422, 'value', `${expression}: expected a dateTime, found ${JSON.stringify(value)}`, expression);
}

/** Date.UTC that takes years below 100 as they are. */
function utc(year: number, month: number, day: number): number {
  return new Date(0).setUTCFullYear(year, month, day);
}
