/** FHIR's ways to write time, as half-open intervals. Spec: https://hl7.org/fhir/R4/datatypes.html#dateTime */
import { startOf } from './calendar.js';

/** [start, end) in milliseconds since 1970, start < end; infinite where a Period is open. */
export interface Interval {
  readonly start: number;
  readonly end: number;
}

const form = /^(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?$/;

/**
 * The time that a date, dateTime or instant stands for.
 *
 * @param text `YYYY`, `YYYY-MM`, `YYYY-MM-DD`, or with time to the minute, second or fraction; without offset: UTC.
 * @returns undefined when it is none of these, or no day of the calendar.
 */
export function intervalOfDateText(text: string): Interval | undefined {
  const match = form.exec(text);
  if (!match) return undefined;
  const year = Number(match[1]);
  if (match[2] === undefined) return { start: startOf(year), end: startOf(year + 1) };
  const month = Number(match[2]) - 1;
  if (month < 0 || month > 11) return undefined;
  if (match[3] === undefined) return { start: startOf(year, month), end: startOf(year, month + 1) };
  const day = Number(match[3]);
  const midnight = startOf(year, month, day);
  if (day < 1 || new Date(midnight).getUTCMonth() !== month) return undefined;
  if (match[4] === undefined) return { start: midnight, end: midnight + 86_400_000 };
  return intervalOfTime(midnight, match);
}

function intervalOfTime(midnight: number, match: RegExpExecArray): Interval | undefined {
  const [hour, minute] = [Number(match[4]), Number(match[5])];
  // A leap second counts as the last second of its minute.
  const second = Math.min(Number(match[6] ?? 0), 59);
  const offset = offsetOf(match[8]);
  if (hour > 23 || minute > 59 || Number(match[6] ?? 0) > 60 || offset === undefined) return undefined;
  const start = midnight + hour * 3_600_000 + minute * 60_000 + second * 1000 - offset;
  if (match[6] === undefined) return { start, end: start + 60_000 };
  if (match[7] === undefined) return { start, end: start + 1000 };
  const digits = Math.min(match[7].length, 3);
  const unit = 10 ** (3 - digits);
  const from = start + Number(match[7].slice(0, digits)) * unit;
  return { start: from, end: from + unit };
}

function offsetOf(zone: string | undefined): number | undefined {
  if (zone === undefined || zone === 'Z') return 0;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(4, 6))];
  if (hours > 14 || minutes > 59) return undefined;
  return (zone[0] === '-' ? -1 : 1) * (hours * 60 + minutes) * 60_000;
}

/**
 * The time that a selected value stands for: date, dateTime, instant, Period, or the outer limits of a Timing.
 * @returns undefined for other types and for text that is no date.
 */
export function intervalOf(value: unknown): Interval | undefined {
  if (typeof value === 'string') return intervalOfDateText(value);
  if (typeof value !== 'object' || value === null) return undefined;
  const { event, repeat, start, end } = value as {
    event?: unknown[];
    repeat?: { boundsPeriod?: unknown };
    start?: unknown;
    end?: unknown;
  };
  if (event !== undefined || repeat !== undefined) return intervalOfTiming(event ?? [], repeat?.boundsPeriod);
  const from = typeof start === 'string' ? intervalOfDateText(start)?.start : undefined;
  const until = typeof end === 'string' ? intervalOfDateText(end)?.end : undefined;
  if (from === undefined && until === undefined) return undefined;
  const interval = { start: from ?? -Infinity, end: until ?? Infinity };
  return interval.start < interval.end ? interval : undefined;
}

function intervalOfTiming(events: readonly unknown[], bounds: unknown): Interval | undefined {
  const intervals = [...events, bounds].map(intervalOf).filter((one) => one !== undefined);
  if (intervals.length === 0) return undefined;
  return {
    start: Math.min(...intervals.map((one) => one.start)),
    end: Math.max(...intervals.map((one) => one.end)),
  };
}
