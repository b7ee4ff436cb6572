/**
 * Strings and their index terms. Spec: https://hl7.org/fhir/R4/search.html#string
 *
 * A field matches when it begins with the value, without case and accents. Beginnings of names up to 12 letters have a term each, all others a
 * few; a query of another length is cut to the next shorter one and checked on the opened resource.
 */
import { termText, type TermSource } from './blind.js';
import { exactly, upTo, type Bounds } from './bounds.js';
import { normaliseText } from './text.js';

export interface StringValue {
  readonly kind: 'string';
  readonly text: string;
}

const everyLength: readonly number[] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 16, 24, 32, 48];
const someLengths: readonly number[] = [1, 3, 5, 8, 12, 20, 32, 48];

/** Names, titles and addresses are what people type the beginning, or the middle, of. */
function isNamed(key: string): boolean {
  return /\.(?:name|alias|title|address)\b/.test(key);
}

/** Longer fields have a mark instead of trigrams: `:contains` opens them. */
const longestWithTrigrams = 32;

/** The fields of a selected value: the value itself, the parts of a HumanName or Address. */
export function fieldsOf(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (typeof value !== 'object' || value === null) return [];
  const node = value as Record<string, unknown>;
  return fieldNames
    .flatMap((name) => (Array.isArray(node[name]) ? node[name] : [node[name]]))
    .filter((field) => typeof field === 'string');
}

/** Which parts of HumanName and Address string search looks at. */
export const partsOf: Readonly<Record<string, readonly string[]>> = {
  HumanName: ['family', 'given', 'prefix', 'suffix', 'text'],
  Address: ['line', 'city', 'district', 'state', 'postalCode', 'country', 'text'],
};

const fieldNames = [...new Set([...partsOf.HumanName, ...partsOf.Address])];

/** The index texts of one field of the elements that `key` selects. */
export function stringTexts(key: string, field: string, emit: (text: string) => void): void {
  const text = normaliseText(field);
  for (const length of isNamed(key) ? everyLength : someLengths) {
    if (length > text.length) break;
    emit(termText(key, 'x', text.slice(0, length)));
  }
  emit(termText(key, 'X', field));
  if (text.length > longestWithTrigrams) emit(termText(key, 'y', ''));
  else if (isNamed(key))
    for (let at = 0; at + 3 <= text.length; at += 1) emit(termText(key, 'y', text.slice(at, at + 3)));
}

/** Fields that begin with the value. */
export function planStartsWith(blinder: TermSource, key: string, value: string): Bounds {
  const text = normaliseText(value);
  const length = (isNamed(key) ? everyLength : someLengths).findLast((candidate) => candidate <= text.length);
  if (length === undefined) return exactly({ kind: 'term', term: blinder.term(termText(key, 'p', '')) });
  const term = { kind: 'term', term: blinder.term(termText(key, 'x', text.slice(0, length))) } as const;
  return length === text.length ? exactly(term) : upTo(term);
}

/** Fields that are the value, with case and accents. */
export function planExact(blinder: TermSource, key: string, value: string): Bounds {
  return exactly({ kind: 'term', term: blinder.term(termText(key, 'X', value)) });
}

/** Fields that hold the value anywhere: by its trigrams; undefined where there are none, or the value is too short to have any. */
export function planContains(blinder: TermSource, key: string, value: string): Bounds | undefined {
  const text = normaliseText(value);
  if (text.length < 3 || !isNamed(key)) return undefined;
  const starts = [0, Math.floor((text.length - 3) / 2), text.length - 3];
  const grams = [...new Set(starts.map((at) => text.slice(at, at + 3)))];
  const term = (gram: string) => ({ kind: 'term', term: blinder.term(termText(key, 'y', gram)) }) as const;
  const some = grams.length === 1 ? term(grams[0]) : ({ kind: 'and', of: grams.map(term) } as const);
  return upTo({ kind: 'or', of: [some, term('')] });
}
