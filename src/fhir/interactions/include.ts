/** `_include` and `_revinclude`, also iterated. Spec: https://hl7.org/fhir/R4/search.html#include */
import type { Term } from '../../base/ids.js';
import type { Link, VersionRow } from '../../commit/catalog.js';
import { isInScope, mayRead } from '../access.js';
import { noteDenied } from '../denials.js';
import type { Context } from '../request.js';
import { revincludePlan, type Include } from '../search/include.js';
import type { SearchQuery } from '../search/query.js';
import type { FhirServices } from '../services.js';
import { stillMatches, visibleLinks } from './partial-match.js';

/** Included resources of one page at most. */
const mostIncluded = 5_000;
/** How far `:iterate` goes. */
const mostRounds = 8;

/** What a page brings along beside its matches, each resource once, as far as the principal may see it. */
export async function included(
  services: FhirServices,
  context: Context,
  { includes, revincludes }: Pick<SearchQuery, 'includes' | 'revincludes'>,
  matches: readonly VersionRow[],
  asOf: number,
): Promise<VersionRow[]> {
  if (includes.length + revincludes.length === 0) return [];
  const seen = new Set(matches.map(({ resource }) => keyOf(resource)));
  const all: VersionRow[] = [];
  let fresh: readonly VersionRow[] = matches;
  for (let round = 0; round < mostRounds && fresh.length > 0 && all.length < mostIncluded; round += 1) {
    const next: VersionRow[] = [];
    const take = async (row: VersionRow | undefined, include: Include) => {
      if (row === undefined || row.isDeleted || all.length + next.length >= mostIncluded) return;
      if (seen.has(keyOf(row.resource))) return;
      const { resourceType } = services.opened.header(row);
      if (include.target !== undefined && include.target !== resourceType) return;
      if (!(await mayRead(services, context.principal, 'r', row))) {
        if (isInScope(services, context.principal, 'r', row)) noteDenied(context, row);
        return;
      }
      seen.add(keyOf(row.resource));
      next.push(row);
    };
    for (const include of includes) {
      if (round > 0 && !include.iterate) continue;
      const sources = fresh.filter((row) => isSource(services, include, row));
      const links = await visibleLinks(services, context.principal, sources, include.links);
      for (const row of await currentOf(services, links, seen, asOf)) await take(row, include);
    }
    for (const include of revincludes) {
      if (round > 0 && !include.iterate) continue;
      const plan = revincludePlan(
        services.search,
        include,
        fresh.map(({ resource }) => resource),
      );
      const found = await services.catalog.search({ plan, asOf, order: 'oldest', limit: mostIncluded });
      for (const row of found)
        if (await stillMatches(services, context.principal, { plan }, row))
          await take(row, { ...include, target: include.source === '*' ? undefined : include.source });
    }
    all.push(...next);
    fresh = next;
  }
  return all;
}

/** The resources that are linked to and not there yet, each once, in the order of the links. */
async function currentOf(
  { catalog }: FhirServices,
  links: readonly Link[],
  seen: ReadonlySet<string>,
  asOf: number,
): Promise<VersionRow[]> {
  const targets = new Map<string, Term>();
  for (const { target } of links) if (!seen.has(keyOf(target))) targets.set(keyOf(target), target);
  const rows = new Map<string, VersionRow>();
  for (const row of await catalog.currentOf([...targets.values()], asOf)) rows.set(keyOf(row.resource), row);
  return [...targets.keys()].flatMap((key) => rows.get(key) ?? []);
}

function isSource({ opened }: FhirServices, { source }: Include, row: VersionRow): boolean {
  return source === undefined || source === '*' || source === opened.header(row).resourceType;
}

function keyOf(name: Term): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1');
}
