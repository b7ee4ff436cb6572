/**
 * Resource to index entries: what a catalog stores beside a sealed version.
 *
 * Pure: equal resources under equal definitions give equal entries. Spec of what is searchable: https://hl7.org/fhir/R4/search.html
 */
import type { Link } from '../../commit/catalog.js';
import type { Resource } from '../../base/resource.js';
import { elementLabelsOf, isMandatoryIn, labelKey, redacted } from '../inline-labels.js';
import { compartmentText, containedText, linkText, resourceName, typeText, type TermPacker } from './blind.js';
import { patientsOf } from './compartment.js';
import { dateTexts } from './date.js';
import type { Selected } from './expression.js';
import { intervalOf } from './interval.js';
import { nearTexts, positionOf } from './near.js';
import { numberRangeOf, numberTexts } from './number.js';
import type { Parameter, SearchParameters, SearchType } from './parameters.js';
import { measuredRangeOf, quantityTexts } from './quantity.js';
import { referenceOf, referenceTexts } from './reference.js';
import { targetTypeOf } from './reference-text.js';
import { packTerms, termsIn } from '../../vault/blinder.js';
import { RepeatedTexts } from './repeated-texts.js';
import { sortRangeOf, type SortKeys } from './sort-keys.js';
import { sourceKey, sourcesOf, type Source } from './sources.js';
import { labelledText } from './labelled.js';
import { fieldsOf, stringTexts } from './string.js';
import { contentWords, narrativeWords, wordTerm } from './full-text.js';
import { hasSounds, phoneticText } from './phonetic.js';
import { tokenTexts } from './token.js';
import { uriTexts } from './uri.js';

/** Which words of a resource are indexed: they cost most. `_text` and `_content` open candidates where words are not. */
export type WordIndex = 'none' | 'narrative' | 'all';

export interface ExtractorServices {
  readonly parameters: SearchParameters;
  readonly blinder: TermPacker;
  /** Without a slash at the end: absolute references below it are local. */
  readonly baseUrl: string;
  /** Default `narrative`. */
  readonly words?: WordIndex;
}

export interface Extracted {
  /** Sorted, distinct, 16 bytes each, packed; the type term is among them. */
  readonly terms: Uint8Array;
  /** References of reference parameters to local `Type/id`. */
  readonly links: readonly Link[];
  /** Least and greatest value of each date, number, quantity and string parameter: small, for the sealed header. */
  readonly sortKeys: SortKeys;
  /** Ids of the patients in whose compartments it is. */
  readonly patients: readonly string[];
}

export interface Extractor {
  /** Changes when what is extracted changes (rotation of the index key): what was extracted before must not be committed after. */
  readonly epoch?: number;
  /** What a resource says. */
  extract(resource: Resource): Extracted;
  /** What the index holds of it: also what it says to those from whom some of its labelled elements are hidden. */
  entries(resource: Resource): Extracted;
}

export function createExtractor(services: ExtractorServices): Extractor {
  const repeated = new RepeatedTexts();
  return {
    extract: (resource) => extract(services, repeated, resource),
    entries: (resource) => entries(services, repeated, resource),
  };
}

/** Parts of one resource that are indexed at most, beside the whole. */
const mostParts = 31;

/**
 * A period without its end, a coding without its system, or an expression over what is cut out may match where the whole does not. So the index
 * has the terms of each part too; which of them hold for a reader is decided on what she sees (interactions/visible-matches.ts).
 */
function entries(services: ExtractorServices, repeated: RepeatedTexts, resource: Resource): Extracted {
  const whole = extract(services, repeated, resource);
  const labels = elementLabelsOf(resource).map(labelKey);
  if (labels.length === 0) return whole;
  const isMandatory = isMandatoryIn(services.parameters.definitions, resource.resourceType);
  const terms = [whole.terms];
  for (const hidden of someSubsets(labels, mostParts)) {
    const part = redacted(resource, (found) => hidden.has(labelKey(found)), isMandatory);
    terms.push(extract(services, repeated, part).terms);
  }
  return { ...whole, terms: packTerms(terms.flatMap(termsIn)) };
}

/** Up to `most` sets of one or more of `labels`: all of them, then every single one, then all but one, two together, and so on. */
function* someSubsets(labels: readonly string[], most: number): Generator<ReadonlySet<string>> {
  const seen = new Set<string>();
  for (let size = 0; size <= labels.length / 2; size += 1) {
    for (const chosen of combinations(labels, size)) {
      for (const set of [labels.filter((label) => !chosen.includes(label)), chosen]) {
        if (set.length === 0 || seen.has(set.join('\n'))) continue;
        if (seen.size === most) return;
        seen.add(set.join('\n'));
        yield new Set(set);
      }
    }
  }
}

function* combinations(labels: readonly string[], size: number): Generator<string[]> {
  if (size === 0) yield [];
  for (let first = 0; first <= labels.length - size && size > 0; first += 1) {
    for (const rest of combinations(labels.slice(first + 1), size - 1)) yield [labels[first], ...rest];
  }
}

function extract(services: ExtractorServices, repeated: RepeatedTexts, resource: Resource): Extracted {
  const { parameters, blinder, words = 'narrative' } = services;
  const texts = new Set<string>();
  const links = new Map<string, Link>();
  const selected = new Map<string, readonly Selected[]>();
  const emit = (text: string) => void texts.add(text);
  for (const source of sourcesOf(parameters, resource.resourceType)) {
    const values = source.selection.selectAll(resource);
    if (values.length > 0) selected.set(source.key, values);
    presenceTexts(source, values, emit);
    for (const value of values) {
      if (source.searchType === 'reference') addLink(services, source, value, links);
      const make = (add: (text: string) => void) => valueTexts(services, source, value, add);
      if (measured.has(source.searchType)) make(emit);
      else for (const text of repeated.of(source, value, make)) texts.add(text);
    }
  }
  const patients = patientsOf(parameters, resource);
  for (const patient of patients) emit(compartmentText(patient));
  if (words !== 'none') for (const word of narrativeWords(resource)) emit(wordTerm('_text', word));
  if (words === 'all') for (const word of contentWords(resource)) emit(wordTerm('_content', word));
  texts.add(typeText(resource.resourceType));
  if (elementLabelsOf(resource).length > 0) emit(labelledText);
  for (const { resourceType } of (resource.contained ?? []) as readonly Resource[]) emit(containedText(resourceType));
  const sortKeys = sortKeysOf(parameters.parametersOf(resource.resourceType), selected);
  return { terms: blinder.pack(texts), links: [...links.values()], sortKeys, patients };
}

function presenceTexts({ presence, isUsual }: Source, values: readonly Selected[], emit: (text: string) => void): void {
  for (const { targetType, text } of presence) {
    const isPresent =
      targetType === undefined ? values.length > 0 : values.some(({ value }) => targetTypeOf(value) === targetType);
    if (isPresent !== isUsual) emit(text);
  }
}

/** Kinds of search whose values hardly repeat, and have more to them than their JSON: the exact text of their number. */
const measured: ReadonlySet<SearchType> = new Set(['number', 'quantity', 'special', 'composite']);

function valueTexts(
  { baseUrl }: ExtractorServices,
  { key, searchType, isPlain }: Source,
  { value, type, text }: Selected,
  emit: (text: string) => void,
): void {
  switch (searchType) {
    case 'token':
      return tokenTexts(key, value, type, isPlain, emit);
    case 'string':
      for (const field of fieldsOf(value)) {
        stringTexts(key, field, emit);
        if (hasSounds(key)) phoneticText(key, field, emit);
      }
      return;
    case 'date': {
      const interval = intervalOf(value);
      return interval && dateTexts(key, interval, emit);
    }
    case 'number': {
      const range = numberRangeOf(value, text);
      return range && numberTexts(key, 'n', range, emit);
    }
    case 'quantity': {
      const measured = measuredRangeOf(value, text);
      return measured && quantityTexts(key, measured, emit);
    }
    case 'uri':
      return typeof value === 'string' ? uriTexts(key, value, emit) : undefined;
    case 'special': {
      const position = positionOf(value);
      return position && nearTexts(key, position, emit);
    }
    case 'reference':
      return referenceTexts(key, referenceOf(value, baseUrl), emit);
    case 'composite':
      return;
  }
}

function addLink(
  { blinder, baseUrl }: ExtractorServices,
  { key }: Source,
  { value }: Selected,
  links: Map<string, Link>,
): void {
  const { target } = referenceOf(value, baseUrl);
  if (target === undefined) return;
  const linkKey = `${key}\u0000${target.type}/${target.id}`;
  if (links.has(linkKey)) return;
  links.set(linkKey, { param: blinder.term(linkText(key)), target: resourceName(blinder, target.type, target.id) });
}

function sortKeysOf(
  parameters: ReadonlyMap<string, Parameter>,
  selected: ReadonlyMap<string, readonly Selected[]>,
): SortKeys {
  const keys: Record<string, readonly [number | string | null, number | string | null]> = {};
  for (const { code, type, selections } of parameters.values()) {
    if (type !== 'date' && type !== 'number' && type !== 'quantity' && type !== 'string') continue;
    const values = selections.flatMap((selection) => selected.get(sourceKey(selection, type)) ?? []);
    const range = values.length > 0 ? sortRangeOf(type, values) : undefined;
    if (range) keys[code] = range;
  }
  return keys;
}
