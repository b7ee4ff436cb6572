/** A catalog's reading of plans, over a few thousand resources in memory: sets of record numbers, nothing clever. */
import { Blinder } from '../../../src/vault/blinder.js';
import type { Term } from '../../../src/base/ids.js';
import { toHex } from '../../../src/base/bytes.js';
import type { Resource } from '../../../src/base/resource.js';
import type { Clock } from '../../../src/base/clock.js';
import { loadDefinitions } from '../../../src/fhir/definitions/definitions.js';
import { resourceName } from '../../../src/fhir/search/blind.js';
import type { SearchContext } from '../../../src/fhir/search/context.js';
import { createExtractor, type Extracted, type WordIndex } from '../../../src/fhir/search/extract.js';
import { createParameters, type Parameter, type SearchParameters } from '../../../src/fhir/search/parameters.js';
import type { Plan } from '../../../src/fhir/search/plan.js';
import { localTarget } from '../../../src/fhir/search/reference.js';
import { settle, type SearchQuery } from '../../../src/fhir/search/query.js';
import type { Surroundings } from '../../../src/fhir/search/matches.js';

export const baseUrl = 'http://mooring.test/fhir';
/** 2024-06-01T12:00:00Z. */
export const clock: Clock = { now: () => 1_717_243_200_000 };

let parameters: SearchParameters | undefined;

/** A context over the R4 definitions, loaded once. */
export function testContext(extra: Partial<SearchContext> = {}): SearchContext {
  parameters ??= createParameters(loadDefinitions());
  return { parameters, blinder: new Blinder(new Uint8Array(32).fill(7)), baseUrl, clock, ...extra };
}

interface Row {
  readonly resource: Resource;
  readonly name: string;
  readonly extracted: Extracted;
  readonly updated: number;
}

export class MemoryIndex {
  readonly rows: Row[] = [];
  private readonly byTerm = new Map<string, Set<number>>();
  private readonly byName = new Map<string, number>();
  private readonly numbers = new Map<string, number>();
  private readonly every = new Set<number>();

  constructor(
    readonly context: SearchContext,
    resources: readonly Resource[],
    words?: WordIndex,
  ) {
    const extractor = createExtractor({ ...context, ...(words ? { words } : {}) });
    for (const resource of resources) this.add(resource, extractor.extract(resource));
  }

  private add(resource: Resource, extracted: Extracted): void {
    const number = this.rows.length;
    const name = toHex(resourceName(this.context.blinder, resource.resourceType, resource.id ?? ''));
    this.rows.push({ resource, name, extracted, updated: Date.parse(resource.meta?.lastUpdated ?? '1970-01-01') });
    this.byName.set(name, number);
    this.numbers.set(`${resource.resourceType}/${resource.id}`, number);
    this.every.add(number);
    for (let at = 0; at < extracted.terms.length; at += 16) {
      const term = toHex(extracted.terms.subarray(at, at + 16));
      const set = this.byTerm.get(term);
      if (set) set.add(number);
      else this.byTerm.set(term, new Set([number]));
    }
  }

  /** @param name `Type/id`. */
  resource(name: string): Resource {
    const row = this.rows[this.numbers.get(name) ?? -1];
    if (!row) throw new Error(`${name} is not in the index`);
    return row.resource;
  }

  /** Record numbers that the plan finds. */
  find(plan: Plan): Set<number> {
    switch (plan.kind) {
      case 'all':
        return this.every;
      case 'none':
        return new Set();
      case 'term':
        return this.byTerm.get(toHex(plan.term)) ?? new Set();
      case 'and': {
        const [first, ...rest] = plan.of.map((part) => this.find(part));
        return new Set([...first].filter((number) => rest.every((set) => set.has(number))));
      }
      case 'or':
        return new Set(plan.of.flatMap((part) => [...this.find(part)]));
      case 'not': {
        const found = this.find(plan.of);
        return new Set([...this.every].filter((number) => !found.has(number)));
      }
      case 'resource':
        return new Set(plan.names.map((name) => this.byName.get(toHex(name))).filter((number) => number !== undefined));
      case 'updated':
        return this.where(({ updated }) => updated >= plan.from && updated < plan.until);
      case 'link-to': {
        const targets = this.find(plan.target);
        const params = new Set(plan.params.map(toHex));
        return this.where((row) => this.linked(row, params).some((target) => targets.has(target)));
      }
      case 'linked-from': {
        const params = new Set(plan.params.map(toHex));
        return new Set([...this.find(plan.source)].flatMap((number) => this.linked(this.rows[number], params)));
      }
    }
  }

  private where(test: (row: Row) => boolean): Set<number> {
    const found = new Set<number>();
    for (const [number, row] of this.rows.entries()) if (test(row)) found.add(number);
    return found;
  }

  private linked({ extracted }: Row, params: ReadonlySet<string>): number[] {
    return extracted.links
      .filter(({ param }) => params.has(toHex(param)))
      .map(({ target }) => this.byName.get(toHex(target)))
      .filter((number) => number !== undefined);
  }

  /** `Type/id` of the matches, sorted; the way that a server goes: settle, search, open, check. */
  async search(query: SearchQuery): Promise<string[]> {
    const settled = await settle(query, (plan, recheck) => {
      const names = [...this.find(plan)].map((number) => this.rows[number]).filter(({ resource }) => recheck(resource));
      return Promise.resolve(names.map(({ resource }) => this.nameOf(resource)));
    });
    const sure = this.find(settled.sure);
    const matches = [...this.find(settled.plan)].filter(
      (number) => settled.recheck?.(this.rows[number].resource) ?? true,
    );
    const refused = [...sure]
      .filter((number) => !matches.includes(number))
      .map((number) => this.rows[number].resource.id);
    if (refused.length > 0) throw new Error(`sure finds ${refused.join()}, which are no matches`);
    return matches
      .map((number) => this.rows[number].resource)
      .map(({ resourceType, id }) => `${resourceType}/${id}`)
      .sort();
  }

  private nameOf(resource: Resource): Term {
    return resourceName(this.context.blinder, resource.resourceType, resource.id ?? '');
  }
}

/** Links between opened resources, followed one by one. */
export function surroundingsOf(context: SearchContext, resources: readonly Resource[]): Surroundings {
  const byName = new Map(resources.map((resource) => [`${resource.resourceType}/${resource.id}`, resource]));
  const targets = (resource: Resource, parameter: Parameter) => {
    const own = context.parameters.get(resource.resourceType, parameter.code) ?? parameter;
    return own.selections
      .flatMap((selection) => selection.select(resource))
      .map(({ value }) => String((value as { reference?: string }).reference ?? value))
      .map((text) => localTarget(text, context.baseUrl))
      .map((target) => target && byName.get(`${target.type}/${target.id}`))
      .filter((target) => target !== undefined);
  };
  return {
    targets,
    sources: (resource, type, parameter) =>
      resources.filter((source) => source.resourceType === type && targets(source, parameter).includes(resource)),
  };
}
