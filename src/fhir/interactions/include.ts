/** `_include` and `_revinclude`, also iterated. Spec: https://hl7.org/fhir/R4/search.html#include */
import type { Term } from '../../base/ids.js';
import type { VersionRow } from '../../commit/catalog.js';
import { isInScope, mayRead } from '../access.js';
import { noteDenied } from '../denials.js';
import type { Context } from '../request.js';
import { revincludePlan, type Include } from '../search/include.js';
import type { Plan } from '../search/plan.js';
import { tooCostly } from '../search/problems.js';
import type { SearchQuery } from '../search/query.js';
import type { FhirServices } from '../services.js';
import { isWhole, visibleTargets } from './partial-match.js';
import { VisibleMatches } from './visible-matches.js';
import type { MatchQuery } from './visible-rows.js';

/** Included resources of one page at most. */
const mostIncluded = 5_000;
/** How far `:iterate` goes. */
const mostRounds = 8;

/**
 * What a page brings along beside its matches, each resource once, as far as the principal may see it.
 * @param elsewhere what it finds has a page of its own and is not brought along.
 * @throws FhirError 400 `too-costly` when that is more than the limit.
 */
export async function included(
  services: FhirServices,
  context: Context,
  { includes, revincludes }: Pick<SearchQuery, 'includes' | 'revincludes'>,
  matches: readonly VersionRow[],
  asOf: number,
  elsewhere?: Pick<MatchQuery, 'plan' | 'accepts'>,
): Promise<VersionRow[]> {
  if (includes.length + revincludes.length === 0) return [];
  const seen = new Set(matches.map(({ resource }) => keyOf(resource)));
  const all: VersionRow[] = [];
  const seenLinks = new VisibleMatches(services, context.principal, asOf);
  let fresh: readonly VersionRow[] = matches;
  for (let round = 0; round < mostRounds && fresh.length > 0; round += 1) {
    const next: VersionRow[] = [];
    const take = async (row: VersionRow | undefined, include: Include, plan?: Plan) => {
      if (row === undefined || row.isDeleted) return;
      if (all.length + next.length >= mostIncluded) {
        throw tooCostly(
          `A page would bring along more than ${mostIncluded} resources; ask for a smaller page (_count)`,
        );
      }
      if (seen.has(keyOf(row.resource))) return;
      const { resourceType } = services.opened.header(row);
      if (include.target !== undefined && include.target !== resourceType) return;
      if (!(await mayRead(services, context.principal, 'r', row))) {
        if (isInScope(services, context.principal, 'r', row)) noteDenied(context, row);
        return;
      }
      if (plan !== undefined && !isWhole(services, row) && (await seenLinks.filter(plan, [row])).length === 0) return;
      seen.add(keyOf(row.resource));
      next.push(row);
    };
    for (const include of includes) {
      if (round > 0 && !include.iterate) continue;
      const sources = fresh.filter((row) => isSource(services, include, row));
      const names = await visibleTargets(services, context.principal, sources, include.links);
      const targets = await currentOf(services, names, seen, asOf);
      const others = elsewhere === undefined ? targets : await notFoundBy(services, context, elsewhere, targets, asOf);
      for (const row of others) await take(row, include);
    }
    for (const include of revincludes) {
      if (round > 0 && !include.iterate) continue;
      const targets = fresh.filter((row) => isTarget(services, include, row));
      if (targets.length === 0) continue;
      const plan = revincludePlan(
        services.search,
        include,
        targets.map(({ resource }) => resource),
      );
      const found = await services.catalog.search({ plan, asOf, order: 'oldest', limit: mostIncluded + 1 });
      for (const row of found)
        await take(row, { ...include, target: include.source === '*' ? undefined : include.source }, plan);
    }
    all.push(...next);
    fresh = next;
  }
  return all;
}

/** The resources among `names` that are not there yet, each once; in the order of the log, which tells nothing of links that are hidden. */
async function currentOf(
  { catalog }: FhirServices,
  names: readonly Term[],
  seen: ReadonlySet<string>,
  asOf: number,
): Promise<VersionRow[]> {
  const targets = new Map(names.map((name) => [keyOf(name), name]));
  for (const key of seen) targets.delete(key);
  const rows = await catalog.currentOf([...targets.values()], asOf);
  return rows.toSorted((a, b) => a.leafIndex - b.leafIndex);
}

/** The rows that a search would not find. */
async function notFoundBy(
  services: FhirServices,
  { principal }: Context,
  { plan, accepts }: Pick<MatchQuery, 'plan' | 'accepts'>,
  rows: readonly VersionRow[],
  asOf: number,
): Promise<readonly VersionRow[]> {
  if (rows.length === 0) return rows;
  const own: Plan = { kind: 'and', of: [{ kind: 'resource', names: rows.map(({ resource }) => resource) }, plan] };
  const found = await services.catalog.search({ plan: own, asOf, order: 'newest', limit: rows.length });
  const elsewhere = new Set<number>();
  for (const row of await new VisibleMatches(services, principal, asOf).filter(plan, found)) {
    if (accepts === undefined || (await accepts(row))) elsewhere.add(row.leafIndex);
  }
  return rows.filter(({ leafIndex }) => !elsewhere.has(leafIndex));
}

function isSource({ opened }: FhirServices, { source }: Include, row: VersionRow): boolean {
  return source === undefined || source === '*' || source === opened.header(row).resourceType;
}

/** `_revinclude=Observation:subject:Group` brings what refers to Groups. */
function isTarget({ opened }: FhirServices, { target }: Include, row: VersionRow): boolean {
  return target === undefined || target === opened.header(row).resourceType;
}

function keyOf(name: Term): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1');
}
