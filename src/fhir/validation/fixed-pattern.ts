/** `fixed[x]` and `pattern[x]`. Spec: https://hl7.org/fhir/R4/elementdefinition-definitions.html#ElementDefinition.fixed_x_ */
import type { ElementDefinition } from '../definitions/types.js';

/** A demanded value. */
export interface Demand {
  readonly kind: 'fixed' | 'pattern';
  readonly value: unknown;
}

/** The `fixed[x]` or `pattern[x]` of an element; undefined when it has none. */
export function demandOf(element: ElementDefinition): Demand | undefined {
  for (const name in element) {
    if (name.startsWith('fixed')) return { kind: 'fixed', value: element[name] };
    if (name.startsWith('pattern')) return { kind: 'pattern', value: element[name] };
  }
  return undefined;
}

/** True when `value` is what `demand` says. */
export function meets(demand: Demand, value: unknown): boolean {
  return demand.kind === 'fixed' ? isEqual(value, demand.value) : hasPattern(value, demand.value);
}

/** Deep equality; the order of members does not count. */
export function isEqual(a: unknown, b: unknown): boolean {
  if (a === b) return true;
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return false;
  if (Array.isArray(a) !== Array.isArray(b)) return false;
  const keys = Object.keys(a);
  if (keys.length !== Object.keys(b).length) return false;
  return keys.every((key) => isEqual((a as Record<string, unknown>)[key], (b as Record<string, unknown>)[key]));
}

/** True when everything in `pattern` is in `value`; of lists, each item of the pattern is in some item of the value. */
function hasPattern(value: unknown, pattern: unknown): boolean {
  if (typeof pattern !== 'object' || pattern === null) return value === pattern;
  if (typeof value !== 'object' || value === null) return false;
  if (Array.isArray(pattern)) {
    return Array.isArray(value) && pattern.every((part) => value.some((item) => hasPattern(item, part)));
  }
  return Object.entries(pattern).every(([key, part]) => hasPattern((value as Record<string, unknown>)[key], part));
}
