/** Times in `_since` and `_at`. Spec: https://hl7.org/fhir/R4/http.html#history */
import { fhirError } from '../../base/outcome.js';

const form = /^(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:\d{2})?)?)?)?$/;

/**
 * @param value a date or dateTime; without offset it is UTC. A space stands for the "+" that a URL did not escape.
 * @returns `[start, end)` in milliseconds since 1970.
 * @throws FhirError 400 `invalid` when `value` is none of these.
 */
export function readInstant(name: string, value: string): readonly [number, number] {
  const match = form.exec(value.replace(' ', '+'));
  const [, year, month = '01', day = '01', time, offset = 'Z'] = match ?? [];
  const withSeconds = time === undefined ? '00:00:00' : time.length === 5 ? `${time}:00` : time;
  const start = match === null ? Number.NaN : Date.parse(`${year}-${month}-${day}T${withSeconds}${offset}`);
  if (match === null || Number.isNaN(start)) {
    throw fhirError(400, 'invalid', `${name} is "${value.slice(0, 64)}"; expected a date or an instant.`);
  }
  if (time !== undefined) return [start, start + (time.includes('.') ? 1 : time.length === 5 ? 60_000 : 1000)];
  const date = new Date(start);
  if (match[3] !== undefined) date.setUTCDate(date.getUTCDate() + 1);
  else if (match[2] !== undefined) date.setUTCMonth(date.getUTCMonth() + 1);
  else date.setUTCFullYear(date.getUTCFullYear() + 1);
  return [start, date.getTime()];
}
