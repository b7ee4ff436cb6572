/** Dates and times plus a duration. Spec: https://hl7.org/fhirpath/N1/#datetime-arithmetic */
import { calendarWordOf } from './convert.js';
import { executionError } from './errors.js';
import { isCalendarWord, type Quantity } from './quantity.js';
import { daysOfMonth, Temporal } from './temporal.js';

const order = ['year', 'month', 'day', 'hour', 'minute', 'second', 'millisecond'];
const inMs: Readonly<Record<string, number>> = {
  week: 604_800_000,
  day: 86_400_000,
  hour: 3_600_000,
  minute: 60_000,
  second: 1000,
  millisecond: 1,
};
const dayMs = 86_400_000;

/**
 * `value + sign * duration`, as precise as `value`; fractions of the duration's unit are cut off.
 *
 * @returns undefined when the result lies outside the years 1 to 9999.
 * @throws FhirPathError when the unit is no duration, or a UCUM year or month: their length is an average.
 */
export function addToTemporal(value: Temporal, duration: Quantity, sign: 1 | -1): Temporal | undefined {
  const unit = unitOf(duration);
  const amount = Number(duration.value.truncated(0).coefficient) * sign;
  if (!Number.isSafeInteger(amount)) return undefined;
  if (value.kind === 'time') return shiftTime(value, unit, amount);
  const known = value.fields.length;
  if (unit === 'year' || unit === 'month') return shiftMonths(value, unit === 'year' ? amount * 12 : amount);
  const finest = order[known - 1];
  // A duration finer than the value: count it in the value's own unit, whole ones only.
  const ms = amount * inMs[unit];
  if (finest === 'year') return shiftMonths(value, Math.trunc(ms / (365 * dayMs)) * 12);
  if (finest === 'month') return shiftMonths(value, Math.trunc(ms / (30 * dayMs)));
  const whole = Math.trunc(ms / inMs[finest]) * inMs[finest];
  return moved(value, value.instant() + whole);
}

function unitOf(duration: Quantity): string {
  const word = duration.calendarWord ?? (isCalendarWord(duration.unit) ? duration.unit.replace(/s$/, '') : undefined);
  const unit = word ?? calendarWordOf(duration.unit);
  if (unit === undefined) throw executionError(`'${duration.unit}' is no duration`);
  if (word === undefined && (unit === 'year' || unit === 'month')) {
    throw executionError(`'${duration.unit}' is an average; calendar arithmetic takes ${unit}s`);
  }
  return unit;
}

function shiftTime(value: Temporal, unit: string, amount: number): Temporal {
  const ms = inMs[unit];
  if (ms === undefined || ms >= dayMs) throw executionError(`a time takes no ${unit}s`);
  const finest = inMs[order[value.fields.length + 2]];
  const [hour, minute = 0, second = 0, milli = 0] = value.fields;
  const shifted = ((hour * 60 + minute) * 60 + second) * 1000 + milli + Math.trunc((amount * ms) / finest) * finest;
  const at = ((shifted % dayMs) + dayMs) % dayMs;
  const fields = [Math.floor(at / 3_600_000), Math.floor(at / 60_000) % 60, Math.floor(at / 1000) % 60, at % 1000];
  return new Temporal('time', fields.slice(0, value.fields.length), undefined, value.fractionDigits);
}

/** The day is cut to the length of the month: 31 January and a month give 28 or 29 February. */
function shiftMonths(value: Temporal, months: number): Temporal | undefined {
  const [year, month = 1, ...rest] = value.fields;
  // A value of year precision moves by whole years only.
  const whole = value.fields.length === 1 ? Math.trunc(months / 12) * 12 : months;
  const count = year * 12 + month - 1 + whole;
  const newYear = Math.floor(count / 12);
  const newMonth = (count % 12) + 1;
  if (newYear < 1 || newYear > 9999) return undefined;
  const fields = [newYear, newMonth, ...rest].slice(0, value.fields.length);
  if (fields.length > 2) fields[2] = Math.min(fields[2], daysOfMonth(newYear, newMonth));
  return new Temporal(value.kind, fields, value.offset, value.fractionDigits);
}

function moved(value: Temporal, instant: number): Temporal | undefined {
  const at = Temporal.fromInstant(instant, value.offset ?? 0);
  if (!(at.fields[0] >= 1 && at.fields[0] <= 9999)) return undefined;
  return new Temporal(value.kind, at.fields.slice(0, value.fields.length), value.offset, value.fractionDigits);
}
