/**
 * A resource as the list of its elements: every primitive by its FHIRPath-like path and its exact JSON text.
 *
 * `Patient.name[0].given[1]` -> `"Ann"`. Two resources have the same list exactly when they are the same JSON value; the order of members does not
 * matter, the text of decimals does (`1.0` is not `1.00`). Byte layout: docs/poi.md, "Elements".
 */
import { EXACT, numberText } from '../base/exact-numbers.js';

/** One primitive (or empty object, or empty array) of a resource. */
export interface Element {
  /** Resource type, then member names and `[index]`: `Patient.name[0].family`. Odd names stand in backticks, as in FHIRPath. */
  readonly path: string;
  /** JSON text without white space: strings as RFC 8785 prints them, numbers as they were written. */
  readonly text: string;
}

const plainName = /^[A-Za-z_][A-Za-z0-9_]*$/;
const needsEscape = /["\\\u0000-\u001f\ud800-\udfff]/;

/** Elements of `resource`, members in ascending order of their names (UTF-16 code units), array items by index. */
export function elementsOf(resource: { readonly resourceType: string }): Element[] {
  const found: Element[] = [];
  visitObject(resource as unknown as Record<string, unknown>, stepOf(resource.resourceType), found);
  return found;
}

function visitObject(object: Record<string, unknown>, path: string, found: Element[]): void {
  const before = found.length;
  for (const name of Object.keys(object).sort()) visit(object[name], object, name, `${path}.${stepOf(name)}`, found);
  if (found.length === before) found.push({ path, text: '{}' });
}

function visit(value: unknown, holder: object, key: string | number, path: string, found: Element[]): void {
  if (typeof value === 'string')
    found.push({ path, text: needsEscape.test(value) ? JSON.stringify(value) : `"${value}"` });
  else if (typeof value === 'number')
    found.push({ path, text: EXACT in holder ? numberText(holder, key) : String(value) });
  else if (typeof value === 'boolean') found.push({ path, text: value ? 'true' : 'false' });
  else if (value === null) found.push({ path, text: 'null' });
  else if (Array.isArray(value)) visitArray(value, path, found);
  else if (typeof value === 'object') visitObject(value as Record<string, unknown>, path, found);
  // undefined: a member that is not there
}

function visitArray(array: readonly unknown[], path: string, found: Element[]): void {
  if (array.length === 0) found.push({ path, text: '[]' });
  for (let index = 0; index < array.length; index += 1)
    visit(array[index], array, index, `${path}[${String(index)}]`, found);
}

function stepOf(name: string): string {
  return plainName.test(name) ? name : `\`${name.replace(/[\\`]/g, '\\$&')}\``;
}
