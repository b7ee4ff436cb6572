/** Dates, dateTimes and times of partial precision. Spec: https://hl7.org/fhirpath/N1/#date */

export type TemporalKind = 'date' | 'dateTime' | 'time';

const dateForm = /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$/;
const dateTimeForm =
  /^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?(?:T(?:(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d+))?)?)?(Z|[+-]\d{2}:\d{2})?)?)?$/;
const timeForm = /^T?(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d+))?)?)?$/;
const monthDays = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

/** Days of a month, 1 to 12. */
export function daysOfMonth(year: number, month: number): number {
  const leap = month === 2 && year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
  return leap ? 29 : monthDays[month - 1];
}

/** A point in time, known down to some unit. */
export class Temporal {
  constructor(
    readonly kind: TemporalKind,
    /**
     * From the coarsest unit: year, month, day, hour, minute, second, millisecond (times: from hour); as many as are known.
     * Seconds and milliseconds are one precision: 30 equals 30.000.
     */
    readonly fields: readonly number[],
    /** Minutes east of UTC; undefined when not given. */
    readonly offset: number | undefined,
    /** Digits of the fraction of the second as written. */
    readonly fractionDigits: number = fields.length === (kind === 'time' ? 4 : 7) ? 3 : 0,
  ) {}

  /** @param text as in FHIR or in a FHIRPath literal without `@`. @returns undefined when it is no such value. */
  static parse(kind: TemporalKind, text: string): Temporal | undefined {
    const parts = (kind === 'date' ? dateForm : kind === 'dateTime' ? dateTimeForm : timeForm).exec(text);
    if (!parts) return undefined;
    const count = kind === 'date' ? 3 : kind === 'dateTime' ? 6 : 3;
    const fields: number[] = [];
    for (let i = 1; i <= count && parts[i] !== undefined; i += 1) fields.push(Number(parts[i]));
    const fraction = kind === 'date' ? undefined : parts[count + 1];
    if (fraction !== undefined) fields.push(Number(fraction.slice(0, 3).padEnd(3, '0')));
    if (!inRange(kind, fields)) return undefined;
    const zone = kind === 'dateTime' ? parts[8] : undefined;
    return new Temporal(kind, fields, zone === undefined ? undefined : offsetOf(zone), fraction?.length ?? 0);
  }

  /** Milliseconds since 1970 as UTC, in the given zone. */
  static fromInstant(ms: number, offset = 0): Temporal {
    const at = new Date(ms + offset * 60_000);
    const fields = [at.getUTCFullYear(), at.getUTCMonth() + 1, at.getUTCDate(), at.getUTCHours()];
    fields.push(at.getUTCMinutes(), at.getUTCSeconds(), at.getUTCMilliseconds());
    return new Temporal('dateTime', fields, offset);
  }

  get hasZone(): boolean {
    return this.offset !== undefined;
  }

  /** Milliseconds since 1970 of the first moment that this stands for; a dateTime without zone counts as UTC. */
  instant(): number {
    const [year, month = 1, day = 1, hour = 0, minute = 0, second = 0, milli = 0] = this.fields;
    const at = new Date(0);
    at.setUTCFullYear(year, month - 1, day);
    return at.getTime() + ((hour * 60 + minute - (this.offset ?? 0)) * 60 + second) * 1000 + milli;
  }

  toString(): string {
    const two = (value: number) => String(value).padStart(2, '0');
    const f = this.fields;
    if (this.kind === 'time') return clock(f, two);
    const date = [String(f[0]).padStart(4, '0'), ...f.slice(1, 3).map(two)].join('-');
    if (this.kind === 'date' || f.length <= 3) return date;
    return `${date}T${clock(f.slice(3), two)}${this.offset === undefined ? '' : zoneText(this.offset, two)}`;
  }
}

function clock(fields: readonly number[], two: (value: number) => string): string {
  const text = fields.slice(0, 3).map(two).join(':');
  return fields.length > 3 ? `${text}.${String(fields[3]).padStart(3, '0')}` : text;
}

function zoneText(offset: number, two: (value: number) => string): string {
  if (offset === 0) return 'Z';
  const minutes = Math.abs(offset);
  return `${offset < 0 ? '-' : '+'}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
}

function offsetOf(zone: string): number {
  if (zone === 'Z') return 0;
  const minutes = Number(zone.slice(1, 3)) * 60 + Number(zone.slice(4, 6));
  return zone[0] === '-' ? -minutes : minutes;
}

function inRange(kind: TemporalKind, fields: readonly number[]): boolean {
  const [year, month = 1, day = 1, ...rest] = kind === 'time' ? [2000, 1, 1, ...fields] : fields;
  const [hour = 0, minute = 0, second = 0] = rest;
  if (month < 1 || month > 12 || day < 1 || day > daysOfMonth(year, month)) return false;
  return hour < 24 && minute < 60 && second < 61;
}

/**
 * Order of two values of the same kind, or of a date and a dateTime.
 *
 * @returns negative, zero or positive; undefined when the known parts are equal and one is known more exactly, or when one has a zone
 *   and the other has not (only from hours on).
 */
export function compareTemporal(a: Temporal, b: Temporal): number | undefined {
  let left = a;
  let right = b;
  const timed = a.kind !== 'time' && a.fields.length > 3 && b.fields.length > 3;
  if (timed && a.hasZone !== b.hasZone) return undefined;
  if (timed && a.offset !== b.offset) {
    left = inUtc(a);
    right = inUtc(b);
  }
  const secondAt = a.kind === 'time' ? 2 : 5;
  const known = Math.min(left.fields.length, right.fields.length, secondAt);
  for (let i = 0; i < known; i += 1) {
    if (left.fields[i] !== right.fields[i]) return left.fields[i] - right.fields[i];
  }
  const leftSeconds = left.fields.length > secondAt;
  const rightSeconds = right.fields.length > secondAt;
  if (leftSeconds && rightSeconds) {
    return (
      left.fields[secondAt] * 1000 +
      (left.fields[secondAt + 1] ?? 0) -
      right.fields[secondAt] * 1000 -
      (right.fields[secondAt + 1] ?? 0)
    );
  }
  return left.fields.length === right.fields.length ? 0 : undefined;
}

/** The same moment in UTC, equally precise. */
function inUtc(value: Temporal): Temporal {
  if (!value.offset) return value;
  const moved = Temporal.fromInstant(value.instant());
  return new Temporal(value.kind, moved.fields.slice(0, value.fields.length), 0);
}
