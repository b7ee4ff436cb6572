/**
 * What the links of a write lead to: entries of the same Bundle, conditional references, resources that are here.
 *
 * Spec: https://hl7.org/fhir/R4/http.html#trules, https://hl7.org/fhir/R4/bundle.html#references
 */
import { fhirError } from '../../base/outcome.js';
import type { Context } from '../request.js';
import { findReferences } from '../bundle/references.js';
import { matchesPlan } from '../search/matches-plan.js';
import { parseCriteria } from '../search/query.js';
import type { Facts } from './facts.js';
import { visibleMatches } from './matches.js';
import type { Problems } from './problems.js';
import type { Target, TargetServices } from './targets.js';
import { mapInSlices, type Slices } from '../../base/pause.js';

const conditionalForm = /^([A-Z][A-Za-z]+)\?(.+)$/;
const relativeForm = /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}/;
const absoluteForm = /^(https?:\/\/.+\/)[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;

/** Links of one write: what to put in their place. */
export class Links {
  private readonly byFullUrl = new Map<string, string>();
  private readonly byCondition = new Map<string, string>();

  private constructor(
    private readonly services: TargetServices,
    private readonly targets: readonly Target[],
  ) {}

  /** @param targets every target with its operation; those of creates and updates can be linked to. */
  static async of(services: TargetServices, targets: readonly Target[], slices: Slices): Promise<Links> {
    const links = new Links(services, targets);
    await mapInSlices(targets, (target) => links.add(target), slices);
    return links;
  }

  private add({ operation, kind, resourceType, id }: Target): void {
    if (operation.fullUrl === undefined || kind === 'delete' || kind === 'nothing') return;
    this.byFullUrl.set(operation.fullUrl, `${resourceType}/${id}`);
  }

  /** Settles every conditional reference; those without exactly one match become problems at their places. */
  async settleConditions(facts: Facts, context: Context, problems: Problems, slices: Slices): Promise<void> {
    for (const { operation, kind } of this.targets) {
      const { resource, place } = operation;
      if (resource === undefined || kind === 'matched') continue;
      for (const { reference, expression } of findReferences(resource, place)) {
        const match = conditionalForm.exec(reference);
        if (match === null || this.byCondition.has(reference)) continue;
        await problems.collect(`${expression}.reference`, async () => {
          const target = await this.find(facts, context, match[1], match[2]);
          this.byCondition.set(reference, target);
        });
      }
      await slices.turn();
    }
  }

  /** The one resource that a conditional reference means, in this write or on the server. */
  private async find(facts: Facts, context: Context, resourceType: string, criteria: string): Promise<string> {
    const inWrite = this.targetsMatching(resourceType, criteria);
    const stored = await visibleMatches(this.services, facts, context.principal, resourceType, criteria);
    const all = new Set([...inWrite, ...stored.map((row) => `${resourceType}/${this.services.opened.header(row).id}`)]);
    if (all.size === 1) return [...all][0];
    if (all.size === 0) {
      const diagnostics = `The conditional reference "${resourceType}?${criteria}" matches nothing; expected one resource.`;
      throw fhirError(422, 'not-found', diagnostics);
    }
    const diagnostics = `The conditional reference "${resourceType}?${criteria}" matches ${all.size} resources; expected one.`;
    throw fhirError(412, 'multiple-matches', diagnostics);
  }

  private targetsMatching(resourceType: string, criteria: string): string[] {
    const candidates = this.targets.filter(
      ({ operation, kind, resourceType: type }) =>
        type === resourceType && operation.resource !== undefined && (kind === 'create' || kind === 'update'),
    );
    if (candidates.length === 0) return [];
    const { plan, recheck } = parseCriteria(this.services.search, resourceType, criteria);
    return candidates
      .filter(({ operation, id }) => {
        const resource = { ...operation.resource, resourceType, id };
        const { terms } = this.services.extractor.extract(resource);
        const name = this.services.names.resource(resourceType, id);
        return matchesPlan(plan, { terms, name, lastUpdated: 0 }) && (recheck === undefined || recheck(resource));
      })
      .map(({ id }) => `${resourceType}/${id}`);
  }

  /** How to rewrite the links of one entry; relative ones are seen from its fullUrl. */
  replacer(fullUrl: string | undefined): (link: string, isReference: boolean) => string | undefined {
    const base = fullUrl === undefined ? undefined : absoluteForm.exec(fullUrl)?.[1];
    return (link, isReference) => {
      const direct = this.byFullUrl.get(link) ?? (isReference ? this.byCondition.get(link) : undefined);
      if (direct !== undefined) return direct;
      const { bare, rest } = splitFragment(link);
      if (rest !== '' && this.byFullUrl.has(bare)) return `${this.byFullUrl.get(bare)}${rest}`;
      if (base === undefined || !isReference || !relativeForm.test(link)) return undefined;
      return this.byFullUrl.get(base + link);
    };
  }
}

function splitFragment(link: string): { bare: string; rest: string } {
  const at = link.indexOf('#');
  const history = link.indexOf('/_history/');
  if (history !== -1) return { bare: link.slice(0, history), rest: '' };
  return at === -1 ? { bare: link, rest: '' } : { bare: link.slice(0, at), rest: link.slice(at) };
}
