/**
 * Dates as intervals, and their index terms. Spec: https://hl7.org/fhir/R4/search.html#date
 *
 * The calendar is a tree: eras of 20 years, years, months, days, hours, minutes, seconds. A value carries a term for each node that holds it
 * (`n`), one for the node that it equals (`=`: every date, dateTime and whole second), and, where it begins and ends in different nodes, terms
 * for the nodes of its beginning (`l`) and its end (`h`). A comparison with a bound is then an `or` over the few nodes before or after it.
 */
import { fhirError } from '../../base/outcome.js';
import type { TermSource } from './blind.js';
import { termText } from './blind.js';
import { and, anyTerm, nothing, or, type Bounds } from './bounds.js';
import { nodesOf, walkCalendar, type CalendarNode } from './calendar.js';
import type { Comparator } from './comparator.js';
import { splitComparator } from './comparator.js';
import type { Interval } from './interval.js';
import { intervalOfDateText } from './interval.js';

export interface DateValue extends Interval {
  readonly kind: 'date';
  readonly comparator: Comparator;
  /** As written. */
  readonly text: string;
}

/**
 * @param text a search value such as `ge2013-01-14` or `2013-01-14T10:00Z`; without offset: UTC.
 * @throws FhirError 400 `invalid`.
 */
export function parseDateValue(text: string, name: string): DateValue {
  const [comparator, rest] = splitComparator(text);
  // A `+` that was not escaped in the URL arrives as a space.
  const interval = intervalOfDateText(rest.replace(/ (\d\d:\d\d)$/, '+$1'));
  if (!interval) {
    throw fhirError(
      400,
      'invalid',
      `Search parameter ${name}: found '${text}', expected a date such as 2013, 2013-01, 2013-01-14 or 2013-01-14T10:00:00Z, ` +
        'with or without one of the prefixes eq ne gt lt ge le sa eb ap',
    );
  }
  return { kind: 'date', comparator, ...interval, text };
}

/** The index texts of one value of the elements that `key` selects. */
export function dateTexts(key: string, { start, end }: Interval, emit: (text: string) => void): void {
  if (!(start < end)) return;
  const ofStart = start === -Infinity ? [] : nodesOf(start);
  const ofEnd = end === Infinity ? [] : nodesOf(end - 1);
  if (start === -Infinity) emit(termText(key, 'dl', '-'));
  if (end === Infinity) emit(termText(key, 'dh', '+'));
  for (let level = 0; level < Math.max(ofStart.length, ofEnd.length); level += 1) {
    const low = ofStart[level];
    const high = ofEnd[level];
    if (low !== undefined && high !== undefined && low.text === high.text) {
      if (low.start === start && low.end === end) {
        emit(termText(key, 'd=', low.text));
        return;
      }
      emit(termText(key, 'dn', low.text));
    } else {
      if (low !== undefined) emit(termText(key, 'dl', low.text));
      if (high !== undefined) emit(termText(key, 'dh', high.text));
    }
  }
}

/** Milliseconds to each side that `ap` allows: a tenth of the gap between now and the date. */
export function approximation({ start, end }: Interval, now: number): number {
  return Math.abs(now - (start + end) / 2) / 10;
}

/**
 * @param isSingle the element occurs at most once, so two bounds always speak of the same value.
 * @param now milliseconds since 1970, for `ap`.
 */
export function planDate(blinder: TermSource, key: string, isSingle: boolean, value: DateValue, now: number): Bounds {
  const { start, end, comparator } = value;
  const bound = (side: Side, at: number) => compare(blinder, key, side, at);
  switch (comparator) {
    case 'eq':
      return within(blinder, key, start, end);
    case 'ne':
      return or(bound('starts-before', start), bound('ends-after', end));
    case 'gt':
      return bound('ends-after', end);
    case 'lt':
      return bound('starts-before', start);
    case 'ge':
      return or(bound('ends-after', end), within(blinder, key, start, end));
    case 'le':
      return or(bound('starts-before', start), within(blinder, key, start, end));
    case 'sa':
      return bound('starts-from', end);
    case 'eb':
      return bound('ends-until', start);
    case 'po':
    case 'ap': {
      const margin = comparator === 'ap' ? approximation(value, now) : 0;
      const both = and(bound('starts-before', end + margin), bound('ends-after', start - margin));
      return isSingle ? both : { may: both.may, must: within(blinder, key, start - margin, end + margin).must };
    }
  }
}

type Side = 'starts-before' | 'starts-from' | 'ends-after' | 'ends-until';

/** Values that start before, start from, end after, or end until `at`. */
function compare(blinder: TermSource, key: string, side: Side, at: number): Bounds {
  const isStart = side === 'starts-before' || side === 'starts-from';
  const wantsBefore = side === 'starts-before' || side === 'ends-until';
  const inner = isStart ? ['dn', 'dl'] : ['dn', 'dh'];
  const sure: string[] = [];
  const maybe: string[] = [];
  if (side === 'starts-before') sure.push(termText(key, 'dl', '-'));
  if (side === 'ends-after') sure.push(termText(key, 'dh', '+'));
  walkCalendar((node: CalendarNode) => {
    const isInside = wantsBefore ? node.end <= at : node.start >= at;
    const isOutside = wantsBefore ? node.start >= at : node.end <= at;
    if (isOutside) return false;
    if (isInside) {
      for (const kind of [...inner, 'd=']) sure.push(termText(key, kind, node.text));
      return false;
    }
    // The bound falls into this node: a value that equals the node starts before it and ends after it.
    if (side === 'starts-before' || side === 'ends-after') sure.push(termText(key, 'd=', node.text));
    if (node.isLeaf) for (const kind of inner) maybe.push(termText(key, kind, node.text));
    return true;
  });
  return fromTexts(blinder, sure, maybe);
}

/** Values inside [start, end). Exact when that is a node, as every date value down to the second is. */
function within(blinder: TermSource, key: string, start: number, end: number): Bounds {
  const sure: string[] = [];
  const maybe: string[] = [];
  walkCalendar((node: CalendarNode) => {
    if (node.end <= start || node.start >= end) return false;
    if (node.start >= start && node.end <= end) {
      sure.push(termText(key, 'dn', node.text), termText(key, 'd=', node.text));
      return false;
    }
    if (node.isLeaf) maybe.push(termText(key, 'dn', node.text));
    return true;
  });
  return fromTexts(blinder, sure, maybe);
}

function fromTexts(blinder: TermSource, sure: readonly string[], maybe: readonly string[]): Bounds {
  if (sure.length + maybe.length === 0) return nothing;
  const must = anyTerm(sure.map((text) => blinder.term(text)));
  if (maybe.length === 0) return { may: must, must };
  return { may: anyTerm([...sure, ...maybe].map((text) => blinder.term(text))), must };
}
