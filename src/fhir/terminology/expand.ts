/**
 * All codes of a value set.
 *
 * Spec: https://hl7.org/fhir/R4/valueset-operation-expand.html
 */
import { fhirError } from '../../base/outcome.js';
import type { ValueSet, ValueSetContains, ValueSetInclude } from '../definitions/types.js';
import type { TerminologySources } from './compose.js';
import { filterTest } from './filters.js';
import { plainConcept, type Concept, type KnownSystem } from './known-system.js';
import { designationsOf, type Designation } from './resource-system.js';

export interface ExpandOptions {
  /** Every word must begin a word of the display or the code. */
  readonly filter?: string;
  /** How many of the found codes to skip. */
  readonly offset?: number;
  /** How many to answer at most; 0 answers the total only. */
  readonly count?: number;
  readonly activeOnly?: boolean;
  /** Without the concepts that only group others. */
  readonly excludeNotForUI?: boolean;
  readonly includeDesignations?: boolean;
  /** BCP-47: the display is the designation in this language, where there is one. */
  readonly displayLanguage?: string;
}

/** One code of an expansion, as `ValueSet.expansion.contains` has it. */
export interface ExpandedConcept {
  readonly system: string;
  readonly version?: string;
  readonly code: string;
  readonly display?: string;
  readonly abstract?: true;
  readonly inactive?: true;
  readonly designation?: readonly Designation[];
}

export interface Expansion {
  readonly valueSet: ValueSet;
  /** Before `offset` and `count`. */
  readonly total: number;
  readonly contains: readonly ExpandedConcept[];
  /** `url|version` of the code systems that were listed. */
  readonly usedSystems: readonly string[];
}

interface Found {
  readonly system: string;
  readonly version?: string;
  readonly concept: Concept;
}

const conceptLimit = 100_000;

/** @throws FhirError 404 `not-found`; 422 `not-supported` when a system cannot be listed; 422 `too-costly` above 100,000 codes. */
export function expand(
  valueSet: ValueSet | undefined,
  canonical: string,
  sources: TerminologySources,
  valueSetOf: (canonical: string) => ValueSet | undefined,
  options: ExpandOptions,
): Expansion {
  if (!valueSet) throw fhirError(404, 'not-found', `The value set ${canonical} is not known here`);
  const lister = new Lister(sources, valueSetOf);
  const found = [...lister.list(valueSet, canonical).values()];
  const wanted = found.filter(({ concept }) => isWanted(concept, options));
  const offset = options.offset ?? 0;
  const page = wanted.slice(offset, options.count === undefined ? undefined : offset + options.count);
  return {
    valueSet,
    total: wanted.length,
    contains: page.map((item) => expanded(item, options)),
    usedSystems: [...lister.usedSystems].sort(),
  };
}

class Lister {
  readonly usedSystems = new Set<string>();
  private readonly open = new Set<string>();

  constructor(
    private readonly sources: TerminologySources,
    private readonly valueSetOf: (canonical: string) => ValueSet | undefined,
  ) {}

  list(valueSet: ValueSet, canonical: string): Map<string, Found> {
    const all = new Map<string, Found>();
    if (this.open.has(canonical)) return all; // a circle adds nothing
    this.open.add(canonical);
    try {
      if (!valueSet.compose?.include.length && valueSet.expansion?.contains) return stored(valueSet.expansion.contains);
      for (const include of valueSet.compose?.include ?? []) {
        for (const [key, item] of this.included(include)) if (!all.has(key)) all.set(key, item);
        if (all.size > conceptLimit)
          throw fhirError(422, 'too-costly', `${canonical} has more than ${conceptLimit} codes`);
      }
      for (const exclude of valueSet.compose?.exclude ?? [])
        for (const key of this.included(exclude).keys()) all.delete(key);
      return all;
    } catch (error) {
      if (valueSet.expansion?.contains) return stored(valueSet.expansion.contains);
      throw error;
    } finally {
      this.open.delete(canonical);
    }
  }

  private included(include: ValueSetInclude): Map<string, Found> {
    let result = include.system === undefined ? undefined : this.ofSystem(include, include.system);
    for (const url of include.valueSet ?? []) {
      const valueSet = this.valueSetOf(url);
      if (!valueSet)
        throw fhirError(422, 'not-supported', `The value set ${url}, which is included, is not known here`);
      const other = this.list(valueSet, url);
      result = result ? new Map([...result].filter(([key]) => other.has(key))) : other;
    }
    return result ?? new Map();
  }

  private ofSystem(include: ValueSetInclude, url: string): Map<string, Found> {
    const system = this.sources.system(url, include.version);
    const version = include.version ?? system?.version;
    if (system) this.usedSystems.add(version === undefined ? url : `${url}|${version}`);
    const concepts = include.concept?.length ? listedConcepts(include, system) : filtered(include, url, system);
    return new Map(concepts.map((concept) => [`${url}|${concept.code}`, { system: url, version, concept }]));
  }
}

function listedConcepts(include: ValueSetInclude, system: KnownSystem | undefined): Concept[] {
  return (include.concept ?? []).flatMap(({ code, display, ...rest }) => {
    if (system?.contains(code) === 'out') return [];
    const known = system?.find(code) ?? plainConcept(code);
    const source = { ...known.source, ...rest };
    return [{ ...known, source, display: display ?? known.display }];
  });
}

function filtered(include: ValueSetInclude, url: string, system: KnownSystem | undefined): readonly Concept[] {
  const concepts = system?.concepts();
  if (!system || !concepts) {
    throw fhirError(
      422,
      'not-supported',
      `The code system ${url} ${system ? 'has no end' : 'is not at hand'}, so it cannot be listed`,
    );
  }
  const filters = (include.filter ?? []).map((filter) => ({ filter, test: filterTest(filter, system) }));
  return concepts.filter((concept) =>
    filters.every(({ filter, test }) => {
      const passed = test(concept);
      if (passed === undefined) {
        throw fhirError(
          422,
          'not-supported',
          `The filter ${filter.property} ${filter.op} ${filter.value} on ${url} is not understood`,
        );
      }
      return passed;
    }),
  );
}

function stored(contains: readonly ValueSetContains[], into = new Map<string, Found>()): Map<string, Found> {
  for (const { system = '', version, code, display, abstract, inactive, contains: below } of contains) {
    if (code !== undefined) {
      const flags = { isAbstract: abstract === true, isInactive: inactive === true };
      into.set(`${system}|${code}`, { system, version, concept: { ...plainConcept(code, display), ...flags } });
    }
    if (below) stored(below, into);
  }
  return into;
}

function isWanted(concept: Concept, { filter, activeOnly, excludeNotForUI }: ExpandOptions): boolean {
  if (activeOnly && concept.isInactive) return false;
  if (excludeNotForUI && concept.isAbstract) return false;
  if (filter === undefined || filter.trim() === '') return true;
  const text = `${concept.display ?? ''} ${concept.code}`.toLowerCase();
  const words = text.split(/[^\p{L}\p{N}]+/u);
  return filter
    .toLowerCase()
    .split(/\s+/)
    .every(
      (word) =>
        word === '' ||
        text.startsWith(word) ||
        words.some((found) => found.startsWith(word)) ||
        concept.code.toLowerCase() === word,
    );
}

function expanded({ system, version, concept }: Found, options: ExpandOptions): ExpandedConcept {
  const designations = designationsOf(concept.source);
  const language = options.displayLanguage?.toLowerCase();
  const translated =
    language &&
    designations.find((designation) => designation.language?.toLowerCase().split('-')[0] === language.split('-')[0]);
  const display = (translated ? translated.value : undefined) ?? concept.display;
  return {
    system,
    ...(version === undefined ? {} : { version }),
    ...(concept.isAbstract ? { abstract: true } : {}),
    ...(concept.isInactive ? { inactive: true } : {}),
    code: concept.code,
    ...(display === undefined ? {} : { display }),
    ...(options.includeDesignations && designations.length > 0 ? { designation: designations } : {}),
  };
}
