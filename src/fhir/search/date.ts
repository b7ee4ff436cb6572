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
import { nodesOf, walkCalendar } from './calendar.js';
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

/** What is known of the elements that a key selects. */
export interface DateElement {
  readonly key: string;
  /** At most one value in a resource, so two bounds always speak of the same one. */
  readonly isSingle: boolean;
  /** No Periods and no Timings: a value never begins and ends in different nodes of its own precision. */
  readonly isPoint: boolean;
}

/** @param now milliseconds since 1970, for `ap`. */
export function planDate(blinder: TermSource, element: DateElement, value: DateValue, now: number): Bounds {
  const { start, end, comparator } = value;
  const bound = (side: Side, at: number) => fromTexts(blinder, compare(element, side, at));
  const inside = (from: number, until: number) => fromTexts(blinder, within(element.key, from, until));
  switch (comparator) {
    case 'eq':
      return inside(start, end);
    case 'ne':
      return or(bound('starts-before', start), bound('ends-after', end));
    case 'gt':
      return bound('ends-after', end);
    case 'lt':
      return bound('starts-before', start);
    case 'ge':
      return or(bound('ends-after', end), inside(start, end));
    case 'le':
      return or(bound('starts-before', start), inside(start, end));
    case 'sa':
      return bound('starts-from', end);
    case 'eb':
      return bound('ends-until', start);
    case 'po':
    case 'ap': {
      const margin = comparator === 'ap' ? approximation(value, now) : 0;
      const both = and(bound('starts-before', end + margin), bound('ends-after', start - margin));
      return element.isSingle ? both : { may: both.may, must: inside(start - margin, end + margin).must };
    }
  }
}

/** True when `planDateRange` can answer both at once. */
export function isDateRange(lower: DateValue, upper: DateValue): boolean {
  const isLower = lower.comparator === 'ge' || lower.comparator === 'gt';
  const isUpper = upper.comparator === 'le' || upper.comparator === 'lt';
  return isLower && isUpper && lower.end <= upper.start;
}

/**
 * From `lower` (`ge`, `gt`) to `upper` (`le`, `lt`), on an element that is single: the nodes between, instead of all nodes after the one and all
 * nodes before the other.
 */
export function planDateRange(blinder: TermSource, element: DateElement, lower: DateValue, upper: DateValue): Bounds {
  const { key, isPoint } = element;
  const from = lower.comparator === 'ge' ? lower.start : lower.end;
  const until = upper.comparator === 'le' ? upper.end : upper.start;
  const between = within(key, from, until);
  walkCalendar((node) => {
    if (node.end <= from || node.start >= until || (node.start >= from && node.end <= until)) return false;
    // A value that equals a node at the edge, or around the whole range, reaches into the range from outside.
    if (node.end > lower.end && node.start < upper.start) between.sure.push(termText(key, 'd=', node.text));
    return true;
  });
  const inside = fromTexts(blinder, between);
  if (isPoint) return inside;
  // What is left begins and ends in different nodes. Told by both its beginning and its end, or by one of them alone when the whole value lies in
  // the node beside the other bound: there is but one such node, since all further ones are told by themselves.
  const starts = compare(element, 'starts-before', upper.start);
  const ends = compare(element, 'ends-after', lower.end);
  const startsSplit = fromTexts(blinder, only(starts, termText(key, 'dl', '')));
  const endsSplit = fromTexts(blinder, only(ends, termText(key, 'dh', '')));
  const holding = (texts: Texts, at: number) =>
    fromTexts(
      blinder,
      only(texts, termText(key, 'dn', ''), new Set(nodesOf(at).map((node) => termText(key, 'dn', node.text)))),
    );
  return or(
    inside,
    and(startsSplit, endsSplit),
    and(endsSplit, holding(starts, lower.end)),
    and(startsSplit, holding(ends, upper.start)),
  );
}

/** The texts that begin with `prefix` and, where given, are among `wanted`. */
function only({ sure, maybe }: Texts, prefix: string, wanted?: ReadonlySet<string>): Texts {
  const isWanted = (text: string) => text.startsWith(prefix) && (wanted?.has(text) ?? true);
  return { sure: sure.filter(isWanted), maybe: maybe.filter(isWanted) };
}

type Side = 'starts-before' | 'starts-from' | 'ends-after' | 'ends-until';

/** Texts of terms: those that tell, and those that leave it open. */
interface Texts {
  readonly sure: string[];
  readonly maybe: string[];
}

/** Values that start before, start from, end after, or end until `at`. */
function compare({ key, isPoint }: DateElement, side: Side, at: number): Texts {
  const isStart = side === 'starts-before' || side === 'starts-from';
  const wantsBefore = side === 'starts-before' || side === 'ends-until';
  const inner = isPoint ? ['dn'] : isStart ? ['dn', 'dl'] : ['dn', 'dh'];
  const sure: string[] = [];
  const maybe: string[] = [];
  if (!isPoint && side === 'starts-before') sure.push(termText(key, 'dl', '-'));
  if (!isPoint && side === 'ends-after') sure.push(termText(key, 'dh', '+'));
  walkCalendar((node) => {
    const isInside = wantsBefore ? node.end <= at : node.start >= at;
    const isOutside = wantsBefore ? node.start >= at : node.end <= at;
    if (isOutside) return false;
    if (isInside) {
      for (const kind of inner) sure.push(termText(key, kind, node.text));
      sure.push(termText(key, 'd=', node.text));
      return false;
    }
    // The bound falls into this node: a value that equals the node starts before it and ends after it.
    if (side === 'starts-before' || side === 'ends-after') sure.push(termText(key, 'd=', node.text));
    if (node.isLeaf) for (const kind of inner) maybe.push(termText(key, kind, node.text));
    return true;
  });
  return { sure, maybe };
}

/** Values inside [start, end). All of them when that is a node, as every date value down to the second is. */
function within(key: string, start: number, end: number): Texts {
  const sure: string[] = [];
  const maybe: string[] = [];
  walkCalendar((node) => {
    if (node.end <= start || node.start >= end) return false;
    if (node.start >= start && node.end <= end) {
      sure.push(termText(key, 'dn', node.text), termText(key, 'd=', node.text));
      return false;
    }
    if (node.isLeaf) maybe.push(termText(key, 'dn', node.text));
    return true;
  });
  return { sure, maybe };
}

function fromTexts(blinder: TermSource, { sure, maybe }: Texts): Bounds {
  if (sure.length + maybe.length === 0) return nothing;
  const must = anyTerm(sure.map((text) => blinder.term(text)));
  if (maybe.length === 0) return { may: must, must };
  return { may: anyTerm([...sure, ...maybe].map((text) => blinder.term(text))), must };
}
