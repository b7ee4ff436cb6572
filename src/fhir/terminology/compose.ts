/**
 * ValueSet.compose as a question: is this code in?
 *
 * Within an include, system, filters and value sets narrow each other; includes add up; excludes take away. Value sets may include each
 * other; a circle adds nothing. Spec: https://hl7.org/fhir/R4/valueset.html#compositions
 */
import type { ValueSet, ValueSetContains, ValueSetInclude } from '../definitions/types.js';
import { filterTest, type ConceptTest } from './filters.js';
import type { KnownSystem } from './known-system.js';
import { both, either, negation, type Membership } from './verdict.js';

/** Where value sets and systems are found. */
export interface TerminologySources {
  system(url: string, version?: string): KnownSystem | undefined;
  test(canonical: string): ValueSetTest | undefined;
}

/** Membership in one value set. */
export class ValueSetTest {
  private readonly includes: readonly IncludeTest[];
  private readonly excludes: readonly IncludeTest[];
  private readonly listed?: ReadonlySet<string>;
  /** True while it is asked: a value set that includes itself adds nothing. */
  private isOpen = false;

  constructor(
    readonly resource: ValueSet,
    sources: TerminologySources,
  ) {
    this.includes = (resource.compose?.include ?? []).map((include) => new IncludeTest(include, sources));
    this.excludes = (resource.compose?.exclude ?? []).map((exclude) => new IncludeTest(exclude, sources));
    if (resource.expansion?.contains) this.listed = new Set(expandedKeys(resource.expansion.contains));
  }

  /** Systems that it includes, itself or through value sets: those a code without system may come from. */
  systems(into = new Set<string>()): ReadonlySet<string> {
    if (this.isOpen) return into;
    this.isOpen = true;
    try {
      for (const include of this.includes) include.systems(into);
      if (this.includes.length === 0) for (const key of this.listed ?? []) into.add(key.slice(0, key.indexOf('|')));
      return into;
    } finally {
      this.isOpen = false;
    }
  }

  /** True when a value set that it includes, at any depth, is not at hand: then systems() may lack some. */
  lacksValueSets(): boolean {
    if (this.isOpen) return false;
    this.isOpen = true;
    try {
      return this.includes.some((include) => include.lacksValueSets());
    } finally {
      this.isOpen = false;
    }
  }

  /** @param isExact the code must be spelled as the system spells it, even where case does not matter. */
  has(system: string, code: string, isExact: boolean): Membership {
    if (this.isOpen) return 'out';
    this.isOpen = true;
    try {
      const composed = this.composed(system, code, isExact);
      // A stored expansion decides what the composition cannot.
      if (composed !== 'unknown' || !this.listed) return composed;
      if (this.listed.has(`${system}|${code}`)) return 'in';
      return this.isExpansionWhole() ? 'out' : 'unknown';
    } finally {
      this.isOpen = false;
    }
  }

  private composed(system: string, code: string, isExact: boolean): Membership {
    if (this.includes.length === 0 && this.listed) return 'unknown';
    const included = anyHas(this.includes, system, code, isExact);
    if (included === 'out' || this.excludes.length === 0) return included;
    return both(included, negation(anyHas(this.excludes, system, code, isExact)));
  }

  private isExpansionWhole(): boolean {
    const { total, offset } = this.resource.expansion ?? {};
    return (offset === undefined || offset === 0) && (total === undefined || total === this.listed?.size);
  }
}

function anyHas(tests: readonly IncludeTest[], system: string, code: string, isExact: boolean): Membership {
  let result: Membership = 'out';
  for (const test of tests) {
    result = either(result, test.has(system, code, isExact));
    if (result === 'in') return result;
  }
  return result;
}

function* expandedKeys(contains: readonly ValueSetContains[]): Iterable<string> {
  for (const entry of contains) {
    if (entry.code !== undefined && entry.abstract !== true) yield `${entry.system ?? ''}|${entry.code}`;
    if (entry.contains) yield* expandedKeys(entry.contains);
  }
}

/** One include or exclude. */
class IncludeTest {
  private filters?: readonly ConceptTest[];
  private readonly listed?: ReadonlySet<string>;
  private readonly listedLower?: ReadonlySet<string>;
  private known: KnownSystem | null | undefined = null;

  constructor(
    private readonly include: ValueSetInclude,
    private readonly sources: TerminologySources,
  ) {
    if (include.concept && include.concept.length > 0) {
      this.listed = new Set(include.concept.map(({ code }) => code));
      this.listedLower = new Set(include.concept.map(({ code }) => String(code).toLowerCase()));
    }
  }

  systems(into: Set<string>): void {
    if (this.include.system !== undefined) into.add(this.include.system);
    else for (const url of this.include.valueSet ?? []) this.sources.test(url)?.systems(into);
  }

  lacksValueSets(): boolean {
    return (this.include.valueSet ?? []).some((url) => this.sources.test(url)?.lacksValueSets() ?? true);
  }

  has(system: string, code: string, isExact: boolean): Membership {
    const { include } = this;
    if (include.system !== undefined && include.system !== system) return 'out';
    let result: Membership = include.system === undefined ? 'in' : this.inSystem(code, isExact);
    for (const url of include.valueSet ?? []) {
      if (result === 'out') return result;
      result = both(result, this.sources.test(url)?.has(system, code, isExact) ?? 'unknown');
    }
    return include.system === undefined && !include.valueSet?.length ? 'out' : result;
  }

  private inSystem(code: string, isExact: boolean): Membership {
    const system = this.system();
    if (this.listed) {
      const isListed =
        system?.isCaseSensitive === false && !isExact
          ? this.listedLower?.has(code.toLowerCase())
          : this.listed.has(code);
      if (!isListed) return 'out';
      // A code that a complete system does not have is no code, even when a value set lists it.
      return system?.contains(code) === 'out' ? 'out' : 'in';
    }
    if (!system) return 'unknown';
    const member = system.contains(code);
    if (member !== 'in') return member;
    if (isExact && system.concepts() && system.find(code)?.code !== code) return 'out';
    return this.include.filter && this.include.filter.length > 0 ? this.passes(system, code) : 'in';
  }

  private passes(system: KnownSystem, code: string): Membership {
    let result: Membership = 'in';
    const concept = system.concepts() ? system.find(code) : undefined;
    this.filters ??= (this.include.filter ?? []).map((filter) => filterTest(filter, system));
    for (const [index, filter] of (this.include.filter ?? []).entries()) {
      const passed = concept
        ? fromBoolean(this.filters[index](concept))
        : system.filter?.(code, filter.property, filter.op, filter.value);
      result = both(result, passed ?? 'unknown');
    }
    return result;
  }

  private system(): KnownSystem | undefined {
    if (this.known === null) this.known = this.sources.system(this.include.system as string, this.include.version);
    return this.known;
  }
}

function fromBoolean(value: boolean | undefined): Membership {
  if (value === undefined) return 'unknown';
  return value ? 'in' : 'out';
}
