/** Random policies and requests over a small vocabulary, so that they meet often. Deterministic by seed. */
import type { Alternative, ClearRequest, Criterion, Policy, Rule } from '../../src/consent/policy.js';

export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = seed >>> 0 || 1;
  }

  /** 0 <= n < bound (xorshift32). */
  below(bound: number): number {
    this.#state ^= this.#state << 13;
    this.#state >>>= 0;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    this.#state >>>= 0;
    return this.#state % bound;
  }

  chance(percent: number): boolean {
    return this.below(100) < percent;
  }

  pick<T>(items: readonly T[]): T {
    return items[this.below(items.length)] as T;
  }
}

const VOCABULARY = Array.from({ length: 12 }, (_, i) => `term ${i}`);
const NOW = 1_800_000_000_000;
const DAY = 86_400_000;

function interval(random: Random): { start: number; end: number } {
  const start = NOW + (random.below(21) - 14) * DAY;
  return { start, end: start + (1 + random.below(20)) * DAY };
}

function randomAlternative(random: Random): Alternative {
  switch (random.below(10)) {
    case 0:
      return { kind: 'all-terms', terms: Array.from({ length: random.below(3) }, () => random.pick(VOCABULARY)) };
    case 1:
      return { kind: 'confidentiality-at-most', level: random.below(6) };
    case 2:
      return { kind: 'confidentiality-at-least', level: random.below(6) };
    case 3:
      return { kind: 'time-within', ...interval(random) };
    case 4:
      return { kind: 'data-within', ...interval(random) };
    case 5:
      return { kind: 'data-overlaps', ...interval(random) };
    case 6:
      return random.chance(30) ? { kind: 'always' } : { kind: 'term', term: random.pick(VOCABULARY) };
    default:
      return { kind: 'term', term: random.pick(VOCABULARY) };
  }
}

function randomCriterion(random: Random): Criterion {
  const count = random.chance(8) ? 0 : 1 + random.below(3);
  return { element: 'any', alternatives: Array.from({ length: count }, () => randomAlternative(random)) };
}

function randomRule(random: Random, depth: number): Rule {
  const isRoot = depth === 0;
  const nested = depth < 5 && random.chance(isRoot ? 80 : 45) ? 1 + random.below(3) : 0;
  return {
    type: isRoot && random.chance(25) ? 'none' : random.pick(['permit', 'deny'] as const),
    criteria: Array.from({ length: random.chance(40) ? 0 : 1 + random.below(2) }, () => randomCriterion(random)),
    rules: Array.from({ length: nested }, () => randomRule(random, depth + 1)),
    expression: 'Consent.provision',
  };
}

export function randomPolicy(random: Random): Policy {
  return {
    source: `Consent/${random.below(1_000_000)}`,
    group: `group ${random.below(3)}`,
    time: NOW - random.below(3) * DAY,
    canPermit: random.chance(85),
    root: randomRule(random, 0),
  };
}

export function randomRequest(random: Random): ClearRequest {
  const dataStart = NOW + (random.below(30) - 20) * DAY;
  return {
    time: NOW + (random.below(5) - 2) * DAY,
    data: random.chance(25) ? undefined : [dataStart, dataStart + 1 + random.below(3) * DAY],
    confidentiality: random.below(6),
    isPatient: random.chance(4),
    isAuthor: random.chance(15),
    isOwnConsent: random.chance(2),
    terms: new Set(VOCABULARY.filter(() => random.chance(40))),
  };
}
