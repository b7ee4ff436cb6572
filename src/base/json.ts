/**
 * JSON text to values and back, keeping what JSON.parse loses: the exact text of decimals (exact-numbers.ts), duplicate keys, positions.
 *
 * Spec: RFC 8259; FHIR's additions https://hl7.org/fhir/R4/json.html (decimals keep their precision, keys are distinct).
 */
import { EXACT } from './exact-numbers.js';
import { JsonParser, type JsonValue } from './json-parser.js';

/**
 * The value of `text`.
 * @throws JsonError: `syntax`, `duplicate-key` (named with its position) or `depth` (more than 256 levels).
 */
export function parseJson(text: string): JsonValue {
  const parser = new JsonParser(text);
  const value = parser.value(0);
  parser.end();
  return value;
}

/**
 * Like parseJson, but lets other work go on: arrays directly inside the outermost object (such as `Bundle.entry`) are parsed element by
 * element, and `pause` is awaited whenever `sliceMs` milliseconds have passed.
 */
export async function parseJsonInSlices(text: string, pause: () => Promise<void>, sliceMs = 15): Promise<JsonValue> {
  const parser = new JsonParser(text);
  const steps = parser.inSteps();
  let sliceEnd = performance.now() + sliceMs;
  for (let step = steps.next(); ; step = steps.next()) {
    if (step.done) {
      parser.end();
      return step.value;
    }
    if (performance.now() >= sliceEnd) {
      await pause();
      sliceEnd = performance.now() + sliceMs;
    }
  }
}

const needsEscape = /["\\\u0000-\u001f\ud800-\udfff]/;

/** JSON text without white space; numbers as they were written. Members whose value is undefined are left out. */
export function stringifyJson(value: unknown): string {
  if (typeof value === 'string') return needsEscape.test(value) ? JSON.stringify(value) : `"${value}"`;
  if (typeof value === 'number') return Number.isFinite(value) ? String(value) : 'null';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value !== 'object' || value === null) return 'null';
  return Array.isArray(value) ? stringifyArray(value) : stringifyObject(value as Record<string, unknown>);
}

function stringifyArray(array: readonly unknown[]): string {
  const exact = (array as { [EXACT]?: Record<string, string> })[EXACT];
  let text = '[';
  for (let index = 0; index < array.length; index += 1) {
    if (index > 0) text += ',';
    text += exact !== undefined && index in exact ? exact[index] : stringifyJson(array[index]);
  }
  return `${text}]`;
}

function stringifyObject(object: Record<string, unknown>): string {
  const exact = (object as { [EXACT]?: Record<string, string> })[EXACT];
  let text = '{';
  for (const key in object) {
    const value = object[key];
    if (value === undefined) continue;
    if (text.length > 1) text += ',';
    text += needsEscape.test(key) ? JSON.stringify(key) : `"${key}"`;
    text += ':';
    text += exact !== undefined && typeof value === 'number' && key in exact ? exact[key] : stringifyJson(value);
  }
  return `${text}}`;
}
