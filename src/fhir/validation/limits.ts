/** `maxLength`, `minValue[x]`, `maxValue[x]`. Spec: https://hl7.org/fhir/R4/elementdefinition.html */
import type { ElementDefinition } from '../definitions/types.js';
import { shown } from './run.js';
import type { Property } from './shapes.js';
import type { ItemCheck } from './slicing.js';

/** The check of the limits that `element` sets beyond its base; undefined when it sets none. */
export function limitOf(element: ElementDefinition, property: Property | undefined): ItemCheck | undefined {
  const base = property?.definition;
  const length = element.maxLength === base?.maxLength ? undefined : element.maxLength;
  const least = valueOf(element, 'minValue');
  const most = valueOf(element, 'maxValue');
  if (length === undefined && least === undefined && most === undefined) return undefined;
  return (run, { value, path }) => {
    if (length !== undefined && typeof value === 'string' && value.length > length) {
      run.error(
        'value',
        'max-length',
        path,
        `${element.path} has ${value.length} characters; at most ${length} allowed`,
      );
    }
    if (least !== undefined && (compare(value, least) ?? 0) < 0) {
      run.error('value', 'min-value', path, `${element.path} is ${shown(value)}; at least ${shown(least)} expected`);
    }
    if (most !== undefined && (compare(value, most) ?? 0) > 0) {
      run.error('value', 'max-value', path, `${element.path} is ${shown(value)}; at most ${shown(most)} expected`);
    }
  };
}

function valueOf(element: ElementDefinition, prefix: string): unknown {
  for (const name in element) if (name.startsWith(prefix)) return element[name];
  return undefined;
}

interface Quantity {
  readonly value?: number;
  readonly code?: string;
  readonly system?: string;
}

/** Less than, equal to or greater than 0; undefined when the two cannot be compared. */
function compare(a: unknown, b: unknown): number | undefined {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return compareDates(a, b);
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return undefined;
  const [left, right] = [a as Quantity, b as Quantity];
  const isComparable = left.code === right.code && left.system === right.system;
  return isComparable && left.value !== undefined && right.value !== undefined ? left.value - right.value : undefined;
}

/** Dates and times as far as both are given. */
function compareDates(a: string, b: string): number | undefined {
  if (a.length > 10 && b.length > 10) {
    const difference = Date.parse(a) - Date.parse(b);
    return Number.isNaN(difference) ? undefined : difference;
  }
  const length = Math.min(a.length, b.length);
  const [left, right] = [a.slice(0, length), b.slice(0, length)];
  return left < right ? -1 : left > right ? 1 : 0;
}
