/**
 * Searches: one query where a filter says it all; else candidates window by window, about which the rest is asked in sets.
 *
 * Ends of chains with few matches are followed first, which turns most chains into filters. A search that looks at too many candidates, or for
 * too long, ends with SearchTooCostly.
 */
import { SearchTooCostly, type SearchRequest, type VersionRow } from '../catalog.js';
import type { Plan } from '../../fhir/search/plan.js';
import {
  allOf,
  anyOf,
  conditionOf,
  conjunction,
  filterOf,
  negation,
  nothing,
  relaxed,
  resourcesCondition,
  type Condition,
  type VersionFilter,
} from './conditions.js';
import { rowOf, type VersionDocument } from './documents.js';
import { guarded, type MongoStore } from './store.js';

/** Ends of chains with at most this many matches become part of the filter. */
const followedAtMost = 512;
const firstWindow = 200;
const largestWindow = 2_000;
/** Bound on one query of a search. */
const maxTimeMS = 15_000;

/** What an answer needs, and no terms. */
export const rowFields = { t: 0, k: 0, h: 0 } as const;

interface Budget {
  scanned: number;
}

type Candidate = Pick<VersionDocument, 'l' | 'r' | 'k'>;

export class MongoSearcher {
  /** @param scanLimit candidates that one search may look at. */
  constructor(
    private readonly store: MongoStore,
    private readonly scanLimit: number,
  ) {}

  async search({ plan, asOf, order, after, limit }: SearchRequest): Promise<VersionRow[]> {
    if (limit <= 0) return [];
    const budget: Budget = { scanned: 0 };
    const condition = await this.follow(conditionOf(plan), asOf, budget);
    const rows: VersionRow[] = [];
    for await (const piece of this.matches(condition, asOf, order, after, limit, budget))
      rows.push(...piece.map(rowOf));
    return rows.slice(0, limit);
  }

  async count(plan: Plan, asOf: number, limit: number): Promise<number> {
    const budget: Budget = { scanned: 0 };
    const condition = await this.follow(conditionOf(plan), asOf, budget);
    if (condition === nothing) return 0;
    if (condition.kind === 'filter') {
      const filter = allOf([condition.filter, currentAt(asOf)]);
      const bound = Number.isFinite(limit) ? { limit } : {};
      return guarded(() => this.store.version.countDocuments(filter, { maxTimeMS, ...bound }));
    }
    let found = 0;
    for await (const piece of this.matches(condition, asOf, 'newest', undefined, limit, budget)) found += piece.length;
    return Math.min(found, limit);
  }

  /** Current versions that meet `condition`, in order; ends soon after `limit`. */
  private async *matches(
    condition: Condition,
    asOf: number,
    order: 'newest' | 'oldest',
    after: number | undefined,
    limit: number,
    budget: Budget,
  ): AsyncIterable<VersionDocument[]> {
    if (condition === nothing) return;
    const filter = allOf([relaxed(condition), currentAt(asOf)].filter((one) => Object.keys(one).length > 0));
    const isExact = condition.kind === 'filter';
    let from = after;
    let found = 0;
    for (let size = isExact ? limit : firstWindow; ; size = Math.min(size * 2, largestWindow)) {
      const place: VersionFilter = from === undefined ? {} : { l: order === 'newest' ? { $lt: from } : { $gt: from } };
      const window = await guarded(() =>
        this.store.version
          .find(from === undefined ? filter : allOf([filter, place]), {
            projection: isExact ? rowFields : { t: 0, h: 0 },
            maxTimeMS,
          })
          .sort({ l: order === 'newest' ? -1 : 1 })
          .limit(Math.min(size, 2 ** 31 - 1))
          .toArray(),
      );
      budget.scanned += isExact ? 0 : window.length;
      const kept = isExact ? window : await this.keep(condition, window, asOf, budget);
      found += kept.length;
      yield kept;
      if (isExact || window.length < size || found >= limit) return;
      from = window.at(-1)!.l;
    }
  }

  private async keep(condition: Condition, window: VersionDocument[], asOf: number, budget: Budget) {
    const leaves = await this.decide(condition, window, asOf, budget);
    return window.filter(({ l }) => leaves.has(l));
  }

  /** Which of these current versions (by leafIndex) meet `condition`. */
  private async decide(
    condition: Condition,
    candidates: readonly Candidate[],
    asOf: number,
    budget: Budget,
  ): Promise<Set<number>> {
    if (candidates.length === 0) return new Set();
    if (budget.scanned > this.scanLimit) throw new SearchTooCostly(budget.scanned);
    switch (condition.kind) {
      case 'filter': {
        const among = { l: { $in: candidates.map(({ l }) => l) } };
        const found = await this.find(allOf([condition.filter, among]), { l: 1 });
        return new Set(found.map(({ l }) => l));
      }
      case 'and': {
        let left = candidates;
        for (const operand of condition.of) {
          const met = await this.decide(operand, left, asOf, budget);
          left = left.filter(({ l }) => met.has(l));
        }
        return new Set(left.map(({ l }) => l));
      }
      case 'or': {
        const met = new Set<number>();
        for (const operand of condition.of) {
          const left = candidates.filter(({ l }) => !met.has(l));
          for (const l of await this.decide(operand, left, asOf, budget)) met.add(l);
        }
        return met;
      }
      case 'not': {
        const met = await this.decide(condition.of, candidates, asOf, budget);
        return new Set(candidates.map(({ l }) => l).filter((l) => !met.has(l)));
      }
      case 'link-to': {
        const targets = await this.resources(condition.target, targetsOf(candidates, condition.params), asOf, budget);
        const isMet = ({ k = [] }: Candidate) => linkTargets(k, condition.params).some((name) => targets.has(name));
        return new Set(candidates.filter(isMet).map(({ l }) => l));
      }
      case 'linked-from': {
        const names = await this.linked(condition, candidates, asOf, budget);
        return new Set(candidates.filter(({ r }) => names.has(r!)).map(({ l }) => l));
      }
    }
  }

  /** Which of these resources have a current version that meets `condition`. */
  private async resources(condition: Condition, names: readonly string[], asOf: number, budget: Budget) {
    const found = new Set<string>();
    for (let at = 0; at < names.length; at += largestWindow) {
      const filter = allOf([{ r: { $in: names.slice(at, at + largestWindow) } }, currentAt(asOf), relaxed(condition)]);
      const documents = await this.find(filter, { l: 1, r: 1, k: 1 });
      budget.scanned += documents.length;
      const met = condition.kind === 'filter' ? undefined : await this.decide(condition, documents, asOf, budget);
      for (const { l, r } of documents) if (met === undefined || met.has(l)) found.add(r!);
    }
    return found;
  }

  /** Which of the candidates' resources a current version that meets the source condition links to. */
  private async linked(
    { params, source }: Extract<Condition, { kind: 'linked-from' }>,
    candidates: readonly Candidate[],
    asOf: number,
    budget: Budget,
  ): Promise<Set<string>> {
    const names = new Set<string>();
    const links = candidates.flatMap(({ r }) => params.map((param) => `${param}.${r!}`));
    const filter = allOf([{ k: { $in: links } }, currentAt(asOf), relaxed(source)]);
    for (let after = -1; ;) {
      const page = await guarded(() =>
        this.store.version
          .find(allOf([filter, { l: { $gt: after } }]), { projection: { l: 1, r: 1, k: 1 }, maxTimeMS })
          .sort({ l: 1 })
          .limit(largestWindow)
          .toArray(),
      );
      budget.scanned += page.length;
      const met = source.kind === 'filter' ? undefined : await this.decide(source, page, asOf, budget);
      for (const { l, k = [] } of page) {
        if (met === undefined || met.has(l)) for (const name of linkTargets(k, params)) names.add(name);
      }
      if (page.length < largestWindow) return names;
      if (budget.scanned > this.scanLimit) throw new SearchTooCostly(budget.scanned);
      after = page.at(-1)!.l;
    }
  }

  /** Replaces chains whose ends have few matches by filters. */
  private async follow(condition: Condition, asOf: number, budget: Budget): Promise<Condition> {
    switch (condition.kind) {
      case 'filter':
        return condition;
      case 'and':
        return conjunction(await this.followAll(condition.of, asOf, budget));
      case 'or':
        return anyOf(await this.followAll(condition.of, asOf, budget));
      case 'not':
        return negation(await this.follow(condition.of, asOf, budget));
      case 'link-to': {
        const target = await this.follow(condition.target, asOf, budget);
        const ends = await this.few(target, asOf);
        if (ends === undefined) return { ...condition, target };
        const links = ends.flatMap(({ r }) => condition.params.map((param) => `${param}.${r!}`));
        return links.length === 0 ? nothing : filterOf({ k: { $in: links } });
      }
      case 'linked-from': {
        const source = await this.follow(condition.source, asOf, budget);
        const ends = await this.few(source, asOf);
        if (ends === undefined) return { ...condition, source };
        return resourcesCondition(targetsOf(ends, condition.params));
      }
    }
  }

  private async followAll(conditions: readonly Condition[], asOf: number, budget: Budget): Promise<Condition[]> {
    const followed: Condition[] = [];
    for (const condition of conditions) followed.push(await this.follow(condition, asOf, budget));
    return followed;
  }

  /** The matches of a filter, when they are few. */
  private async few(condition: Condition, asOf: number): Promise<Candidate[] | undefined> {
    if (condition === nothing) return [];
    if (condition.kind !== 'filter') return undefined;
    const filter = allOf([condition.filter, currentAt(asOf)]);
    const found = await this.find(filter, { l: 1, r: 1, k: 1 }, followedAtMost + 1);
    return found.length > followedAtMost ? undefined : found;
  }

  private find(filter: VersionFilter, projection: Record<string, 1>, limit = 0): Promise<VersionDocument[]> {
    return guarded(() => this.store.version.find(filter, { projection, maxTimeMS, limit }).toArray());
  }
}

/** Current after entry `asOf`, and no deletion. */
function currentAt(asOf: number): VersionFilter {
  return { s: { $lte: asOf }, u: { $gt: asOf }, d: false };
}

function targetsOf(candidates: readonly Candidate[], params: readonly string[]): string[] {
  return [...new Set(candidates.flatMap(({ k = [] }) => linkTargets(k, params)))];
}

function linkTargets(links: readonly string[], params: readonly string[]): string[] {
  return links.flatMap((link) => {
    const at = link.indexOf('.');
    return params.includes(link.slice(0, at)) ? [link.slice(at + 1)] : [];
  });
}
