/** Dates, compared as the specification words it. Spec: https://hl7.org/fhir/R4/search.html#prefix */
import { approximation, type DateValue } from './date.js';
import { intervalOf, type Interval } from './interval.js';

export function matchesDate(found: unknown, value: DateValue, now: number): boolean {
  const target = intervalOf(found);
  return target !== undefined && compare(target, value, now);
}

/** `time`: milliseconds since 1970. */
export function matchesInstant(time: number, value: DateValue, now: number): boolean {
  return compare({ start: time, end: time + 1 }, value, now);
}

function compare(target: Interval, search: DateValue, now: number): boolean {
  const isContained = search.start <= target.start && target.end <= search.end;
  const reachesAbove = target.end > search.end;
  const reachesBelow = target.start < search.start;
  switch (search.comparator) {
    case 'eq':
      return isContained;
    case 'ne':
      return !isContained;
    case 'gt':
      return reachesAbove;
    case 'lt':
      return reachesBelow;
    case 'ge':
      return reachesAbove || isContained;
    case 'le':
      return reachesBelow || isContained;
    case 'sa':
      return target.start >= search.end;
    case 'eb':
      return target.end <= search.start;
    case 'po':
    case 'ap': {
      const margin = search.comparator === 'ap' ? approximation(search, now) : 0;
      return target.start < search.end + margin && target.end > search.start - margin;
    }
  }
}
