/** What consent can depend on, read from a resource; goes into the sealed header of its version. */
import type { Coding, Resource } from '../../base/resource.js';
import type { RecordAttributes } from '../../consent/gate.js';
import { elementLabelsOf } from '../inline-labels.js';

/** Elements whose codings a provision's `code` is compared with. */
const codedElements = ['code', 'type', 'category', 'class', 'vaccineCode', 'medicationCodeableConcept'];

/** Elements that name who made the record's content. */
const authorElements = ['author', 'performer', 'recorder', 'asserter'];

/** Elements that say which other records it belongs to. */
const relatedElements = [
  'encounter',
  'context',
  'episodeOfCare',
  'basedOn',
  'partOf',
  'derivedFrom',
  'hasMember',
  'result',
  'focus',
  'carePlan',
  'diagnosis',
];

/** So many of a kind are kept: a header stays small. */
const mostReferences = 16;

/** Elements that say when the record's content happened, the most telling first. */
const timeElements = [
  'effective',
  'onset',
  'performed',
  'occurrence',
  'period',
  'actualPeriod',
  'billablePeriod',
  'started',
  'authoredOn',
  'recordedDate',
  'issued',
  'date',
  'created',
  'sent',
];

/**
 * @param resource with its final id.
 * @param patients ids of the patients in whose compartments it is.
 * @param author reference of the organisation or person who wrote it first.
 */
export function attributesOf(resource: Resource, patients: readonly string[], author: string): RecordAttributes {
  const dataPeriod = dataPeriodOf(resource);
  const authors = authorElements.flatMap((element) => referencesIn(resource[element], 2));
  const references = relatedElements.flatMap((element) => referencesIn(resource[element], 2));
  const elementLabels = elementLabelsOf(resource);
  return {
    resourceType: resource.resourceType,
    id: resource.id ?? '',
    patients,
    securityLabels: (resource.meta?.security ?? []).map(systemAndCode),
    codes: codedElements.flatMap((element) => codingsOf(resource[element])).map(systemAndCode),
    author,
    ...(dataPeriod === undefined ? {} : { dataPeriod }),
    ...(references.length === 0 ? {} : { references: distinct(references) }),
    ...(authors.length === 0 ? {} : { authors: distinct(authors) }),
    ...(elementLabels.length === 0 ? {} : { elementLabels }),
  };
}

/** `Type/id` of references in an element, at most `depth` levels below it. */
function referencesIn(value: unknown, depth: number): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => referencesIn(item, depth));
  if (typeof value !== 'object' || value === null) return [];
  const { reference } = value as { reference?: unknown };
  if (typeof reference === 'string') return reference.startsWith('#') ? [] : [reference];
  return depth === 0 ? [] : Object.values(value).flatMap((child) => referencesIn(child, depth - 1));
}

function distinct(references: readonly string[]): string[] {
  return [...new Set(references)].slice(0, mostReferences);
}

function systemAndCode({ system, code }: Coding): Coding {
  return { ...(system === undefined ? {} : { system }), ...(code === undefined ? {} : { code }) };
}

function codingsOf(value: unknown): Coding[] {
  if (Array.isArray(value)) return value.flatMap(codingsOf);
  if (typeof value !== 'object' || value === null) return [];
  const { coding, code } = value as { coding?: unknown; code?: unknown };
  if (Array.isArray(coding)) return coding as Coding[];
  return typeof code === 'string' ? [value as Coding] : [];
}

function dataPeriodOf(resource: Resource): readonly [number, number] | undefined {
  for (const element of timeElements) {
    const span =
      spanOf(resource[element]) ??
      spanOf(resource[`${element}DateTime`]) ??
      spanOf(resource[`${element}Instant`]) ??
      spanOf(resource[`${element}Period`]);
    if (span !== undefined) return span;
  }
  return undefined;
}

const dateForm = /^(\d{4})(?:-(\d{2})(?:-(\d{2})(T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2}))?)?)?$/;

/** Ends of time, for periods that are open at one side. */
const always: readonly [number, number] = [-Infinity, Infinity];

function spanOf(value: unknown): readonly [number, number] | undefined {
  if (typeof value === 'string') return instantOf(value);
  if (typeof value !== 'object' || value === null) return undefined;
  const { start, end } = value as { start?: unknown; end?: unknown };
  if (typeof start !== 'string' && typeof end !== 'string') return undefined;
  const from = typeof start === 'string' ? instantOf(start)?.[0] : undefined;
  const until = typeof end === 'string' ? instantOf(end)?.[1] : undefined;
  return [from ?? always[0], until ?? always[1]];
}

function instantOf(text: string): readonly [number, number] | undefined {
  const match = dateForm.exec(text);
  if (match === null) return undefined;
  const [, year, month, day, time] = match;
  if (time !== undefined) {
    const at = Date.parse(text);
    return Number.isNaN(at) ? undefined : [at, at + (time.includes('.') ? 1 : 1000)];
  }
  const y = Number(year);
  const m = month === undefined ? 0 : Number(month) - 1;
  const d = day === undefined ? 1 : Number(day);
  const end =
    month === undefined ? Date.UTC(y + 1, 0, 1) : day === undefined ? Date.UTC(y, m + 1, 1) : Date.UTC(y, m, d + 1);
  return [Date.UTC(y, m, d), end];
}
