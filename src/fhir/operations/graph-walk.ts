/** Follows the links of a graph from one resource, each resource once, as far as the principal may see it. */
import { fhirError } from '../../base/outcome.js';
import type { VersionRow } from '../../commit/catalog.js';
import { seenAttributes } from '../interactions/partial-match.js';
import { findPage } from '../interactions/search-page.js';
import { settledQuery } from '../interactions/settled-query.js';
import { compileFhirPath, FhirPathError } from '../fhirpath/fhirpath.js';
import type { Context } from '../request.js';
import { parseSearch } from '../search/query.js';
import type { FhirServices } from '../services.js';
import { paramsOf, type GraphCompartment, type GraphLink, type GraphTarget } from './graph-definition.js';
import { contentOfRow, referencedRow } from './stored.js';

/** Resources of one graph; beyond, it ends in `too-costly`. */
const mostResources = 2_000;
/** Links one behind the other. */
const mostSteps = 12;

export class GraphWalk {
  /** In the order in which they were found, without the start. */
  readonly found: VersionRow[] = [];
  private readonly seen = new Set<string>();

  constructor(
    private readonly services: FhirServices,
    private readonly context: Context,
    private readonly asOf: number,
  ) {}

  /** @throws FhirError 400 `too-costly`; 422 when a link finds fewer or more targets than it says. */
  async from(row: VersionRow, links: readonly GraphLink[], depth = 0): Promise<void> {
    this.seen.add(this.nameOf(row));
    if (depth > mostSteps) throw tooCostly(`more than ${mostSteps} links one behind the other`);
    for (const link of links) {
      let count = 0;
      for (const target of link.target ?? []) {
        for (const next of await this.targetsOf(row, link, target)) {
          count += 1;
          await this.take(next, target.link ?? [], depth);
        }
      }
      this.checkCount(row, link, count);
    }
  }

  private async take(row: VersionRow, links: readonly GraphLink[], depth: number): Promise<void> {
    const isNew = !this.seen.has(this.nameOf(row));
    if (isNew) {
      this.found.push(row);
      if (this.found.length > mostResources) throw tooCostly(`more than ${mostResources} resources`);
    }
    if (isNew || links.length > 0) await this.from(row, links, depth + 1);
  }

  private async targetsOf(row: VersionRow, link: GraphLink, target: GraphTarget): Promise<VersionRow[]> {
    const rows =
      link.path === undefined ? await this.searched(row, target) : await this.referenced(row, link.path, target);
    const obeying: VersionRow[] = [];
    for (const one of rows) if (await this.obeysAll(row, one, target.compartment ?? [])) obeying.push(one);
    return obeying;
  }

  private async searched(row: VersionRow, target: GraphTarget): Promise<VersionRow[]> {
    const { services, context, asOf } = this;
    const parsed = parseSearch(services.search, target.type, paramsOf(target, this.nameOf(row)), 'strict');
    const query = await settledQuery(services, context.principal, parsed, asOf);
    const { rows } = await findPage(services, context, query, mostResources + 1, asOf, undefined);
    return [...rows];
  }

  private async referenced(row: VersionRow, path: string, { type }: GraphTarget): Promise<VersionRow[]> {
    const rows: VersionRow[] = [];
    for (const reference of await this.referencesAt(row, path)) {
      const next = await referencedRow(this.services, this.context, reference, this.asOf);
      if (next !== undefined && this.services.opened.header(next).resourceType === type) rows.push(next);
    }
    return rows;
  }

  private async referencesAt(row: VersionRow, path: string): Promise<string[]> {
    const resource = await contentOfRow(this.services, this.context, row);
    try {
      const values = compileFhirPath(path, this.services.search.parameters.model).evaluate(resource, { resource });
      return values.flatMap((value) => {
        const reference = typeof value === 'string' ? value : (value as { reference?: unknown } | null)?.reference;
        return typeof reference === 'string' ? [reference] : [];
      });
    } catch (error) {
      if (!(error instanceof FhirPathError)) throw error;
      throw fhirError(422, 'business-rule', `The graph cannot be followed: the path "${path}": ${error.message}.`);
    }
  }

  private async obeysAll(from: VersionRow, to: VersionRow, rules: readonly GraphCompartment[]): Promise<boolean> {
    for (const { code, rule } of rules) {
      const [ours, theirs] = [await this.compartments(from, code), await this.compartments(to, code)];
      const shared = ours.filter((name) => theirs.includes(name)).length;
      const isSame = shared === ours.length && shared === theirs.length;
      if (!(rule === 'different' ? shared === 0 : rule === 'identical' ? isSame : shared > 0)) return false;
    }
    return true;
  }

  private async compartments(row: VersionRow, code: string): Promise<readonly string[]> {
    const seen = await seenAttributes(this.services, this.context.principal, row);
    const { patients, resourceType, id, references: related = [], authors = [] } = seen;
    if (code === 'Patient') return patients;
    const references = [...related, ...authors];
    const own = resourceType === code ? [`${code}/${id}`] : [];
    return [...own, ...references.filter((reference) => reference.startsWith(`${code}/`))];
  }

  private checkCount(row: VersionRow, { min = 0, max = '*', path }: GraphLink, count: number): void {
    if (count >= min && (max === '*' || count <= Number(max))) return;
    const what = path ?? 'a link by search';
    const diagnostics = `${this.nameOf(row)} does not fit the graph: ${what} leads to ${count} resources; expected ${min} to ${max}.`;
    throw fhirError(422, 'business-rule', diagnostics);
  }

  private nameOf(row: VersionRow): string {
    const { resourceType, id } = this.services.opened.header(row);
    return `${resourceType}/${id}`;
  }
}

function tooCostly(reason: string) {
  return fhirError(400, 'too-costly', `The graph is too large: ${reason}.`);
}
