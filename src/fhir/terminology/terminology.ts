/**
 * What is known of codes: from the definitions in force, public registries and grammars. Offline, synchronous, answers kept.
 *
 * One instance per set of definitions; safe for any number of callers in a thread. What is not at hand is `unknown`, never a pass.
 * Spec: https://hl7.org/fhir/R4/terminology-module.html
 */
import type { Definitions } from '../definitions/definitions.js';
import type { CodeSystem } from '../definitions/types.js';
import { ValueSetTest, type TerminologySources } from './compose.js';
import { expand, type Expansion, type ExpandOptions } from './expand.js';
import type { ExternalAnswers } from './external.js';
import { isBelow } from './filters.js';
import type { Concept, KnownSystem } from './known-system.js';
import { registeredSystems } from './registries.js';
import { systemOf } from './resource-system.js';
import type { CodeVerdict, CodingInput } from './verdict.js';
import { VerdictCache, memberVerdict } from './verdict-cache.js';

export type { CodeVerdict, CodingInput, Membership, Reason } from './verdict.js';
export type { Concept, KnownSystem } from './known-system.js';

export type Subsumption = 'equivalent' | 'subsumes' | 'subsumed-by' | 'not-subsumed';

export interface Terminology {
  /**
   * Is the code in the value set? Without `system` the code is that of an element of type code: any system of the value set, spelled exactly.
   * @param valueSet canonical URL, perhaps with `|version`.
   */
  validateCode(coding: CodingInput, valueSet: string): CodeVerdict;
  /** Is it a code of its system? `out` only when the system is complete and at hand. */
  validateInSystem(coding: CodingInput): CodeVerdict;
  knowsSystem(system: string): 'complete' | 'fragment' | 'unknown';
  knowsValueSet(canonical: string): boolean;
  system(url: string, version?: string): KnownSystem | undefined;
  /** The concept of a code, undefined when the system or the code is not known. */
  lookup(system: string, code: string, version?: string): { system: KnownSystem; concept: Concept } | undefined;
  /** How A relates to B; undefined when the system or a code is not known. */
  subsumes(system: string, codeA: string, codeB: string, version?: string): Subsumption | undefined;
  /** @throws FhirError 404 `not-found` for an unknown value set, 422 `not-supported` or `too-costly` when it cannot be listed. */
  expand(canonical: string, options?: ExpandOptions): Expansion;
}

/**
 * @param supplements CodeSystems with content `supplement`, whose designations and properties `lookup` adds.
 * @param external answers of another terminology server, for what is `unknown` here.
 */
export function createTerminology(
  definitions: Pick<Definitions, 'valueSet' | 'codeSystem'>,
  supplements: readonly CodeSystem[] = [],
  external?: ExternalAnswers,
): Terminology {
  return new OfflineTerminology(definitions, supplements, external);
}

class OfflineTerminology implements Terminology, TerminologySources {
  private readonly systems = new Map<string, KnownSystem | undefined>();
  private readonly tests = new Map<string, ValueSetTest | undefined>();
  private readonly caches = new Map<string, VerdictCache>();
  private readonly systemVerdicts = new VerdictCache();

  constructor(
    private readonly definitions: Pick<Definitions, 'valueSet' | 'codeSystem'>,
    private readonly supplements: readonly CodeSystem[],
    private readonly external: ExternalAnswers | undefined,
  ) {}

  system(url: string, version?: string): KnownSystem | undefined {
    const canonical = version === undefined ? url : `${url}|${version}`;
    let system = this.systems.get(canonical);
    if (system === undefined && !this.systems.has(canonical)) {
      const resource = this.definitions.codeSystem(canonical);
      const bare = url.split('|')[0];
      const extra = this.supplements.filter(({ supplements }) => supplements?.split('|')[0] === bare);
      system = (resource && systemOf(resource, extra)) ?? registeredSystems.get(bare);
      remember(this.systems, canonical, system);
    }
    return system;
  }

  test(canonical: string): ValueSetTest | undefined {
    let test = this.tests.get(canonical);
    if (test === undefined && !this.tests.has(canonical)) {
      const resource = this.definitions.valueSet(canonical);
      test = resource && new ValueSetTest(resource, this);
      remember(this.tests, canonical, test);
    }
    return test;
  }

  validateCode(coding: CodingInput, valueSet: string): CodeVerdict {
    let cache = this.caches.get(valueSet);
    if (!cache) {
      cache = new VerdictCache();
      remember(this.caches, valueSet, cache);
    }
    const { system = noSystem, code = '' } = coding;
    const kept = cache.get(system, code);
    if (kept) return kept;
    const verdict = this.judge(coding, valueSet);
    if (verdict.result !== 'unknown' || !this.external) return cache.put(system, code, verdict);
    return this.asked(verdict, coding, valueSet);
  }

  validateInSystem(coding: CodingInput): CodeVerdict {
    const { system = '', code = '' } = coding;
    const kept = this.systemVerdicts.get(system, code);
    if (kept) return kept;
    const verdict = this.judgeInSystem(system, code);
    if (verdict.result !== 'unknown' || !this.external) return this.systemVerdicts.put(system, code, verdict);
    return this.asked(verdict, coding);
  }

  knowsSystem(url: string): 'complete' | 'fragment' | 'unknown' {
    return this.system(url)?.status ?? 'unknown';
  }

  knowsValueSet(canonical: string): boolean {
    return this.test(canonical) !== undefined;
  }

  lookup(url: string, code: string, version?: string): { system: KnownSystem; concept: Concept } | undefined {
    const system = this.system(url, version);
    const concept = system?.find(code);
    return system && concept && { system, concept };
  }

  subsumes(url: string, codeA: string, codeB: string, version?: string): Subsumption | undefined {
    const system = this.system(url, version);
    const [a, b] = [system?.find(codeA), system?.find(codeB)];
    if (!a || !b) return undefined;
    if (a.code === b.code) return 'equivalent';
    if (isBelow(b, a)) return 'subsumes';
    return isBelow(a, b) ? 'subsumed-by' : 'not-subsumed';
  }

  expand(canonical: string, options: ExpandOptions = {}): Expansion {
    return expand(
      this.definitions.valueSet(canonical),
      canonical,
      this,
      (url) => this.definitions.valueSet(url),
      options,
    );
  }

  private judge({ system, code }: CodingInput, valueSet: string): CodeVerdict {
    if (code === undefined || code === '') {
      return {
        result: 'out',
        reason: 'no-code',
        message: `A code from the value set ${valueSet} is needed, and there is none`,
      };
    }
    const test = this.test(valueSet);
    if (!test) {
      return {
        result: 'unknown',
        reason: 'unknown-value-set',
        message: `The value set ${valueSet} is not at hand, so '${code}' was not checked`,
      };
    }
    const candidates = system === undefined ? test.systems() : [system];
    let isUnknown = system === undefined && test.lacksValueSets();
    for (const candidate of candidates) {
      const result = test.has(candidate, code, system === undefined);
      if (result === 'in')
        return system === undefined ? { result, reason: 'member', system: candidate } : memberVerdict;
      if (result === 'unknown') isUnknown = true;
    }
    const text = system === undefined ? `'${code}'` : `'${system}#${code}'`;
    if (isUnknown) {
      const reason = system !== undefined && !this.system(system) ? 'unknown-system' : 'undecidable';
      return {
        result: 'unknown',
        reason,
        message: `${text} could not be checked against the value set ${valueSet}: a code system or value set that it is made from is not at hand`,
      };
    }
    return { result: 'out', reason: 'not-member', message: `${text} is not in the value set ${valueSet}` };
  }

  /** What the other server says about a code that cannot be decided here. */
  private asked(verdict: CodeVerdict, { system, code }: CodingInput, valueSet?: string): CodeVerdict {
    if (!system || !code || registeredSystems.has(system)) return verdict;
    const answer = this.external?.find({ system, code, valueSet });
    if (!answer) return verdict;
    if (answer.isMember) return memberVerdict;
    const place = valueSet === undefined ? system : `the value set ${valueSet}`;
    const message = answer.message ?? `'${system}#${code}' is not in ${place}, says the terminology server`;
    return { result: 'out', reason: valueSet === undefined ? 'unknown-code' : 'not-member', message };
  }

  private judgeInSystem(url: string, code: string): CodeVerdict {
    if (url === '') {
      return { result: 'unknown', reason: 'no-system', message: `'${code}' has no system, so it cannot be checked` };
    }
    const system = this.system(url);
    if (!system) {
      return {
        result: 'unknown',
        reason: 'unknown-system',
        message: `The code system ${url} is not at hand, so '${code}' was not checked`,
      };
    }
    const result = system.contains(code);
    if (result === 'in') return memberVerdict;
    const why = system.explain?.(code);
    const detail = why === undefined ? '' : `: ${why}`;
    if (result === 'unknown') {
      return { result, reason: 'fragment', message: `'${code}' is not among the known codes of ${url}${detail}` };
    }
    const reason = why === undefined ? 'unknown-code' : 'invalid-unit';
    return { result, reason, message: `'${code}' is no code of ${url}${detail}` };
  }
}

/** Stands for the absent system of a code element among the kept verdicts; no URL has a blank. */
const noSystem = ' ';

const mapLimit = 20_000;

/** Keeps an answer; instances name systems and value sets at will, so the map is emptied before it grows without bound. */
function remember<V>(map: Map<string, V>, key: string, value: V): void {
  if (map.size >= mapLimit) map.clear();
  map.set(key, value);
}
