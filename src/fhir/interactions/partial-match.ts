/**
 * Searches and resources that are seen in part: what is hidden of a resource neither finds it, nor sorts it, nor leads on from it.
 *
 * The index knows whole resources. So a match that its reader sees in part is matched again, against what she sees.
 */
import type { Link, LinkOf, VersionRow } from '../../commit/catalog.js';
import type { Term } from '../../base/ids.js';
import type { Principal } from '../../consent/gate.js';
import type { Extracted } from '../search/extract.js';
import { asksForAbsence } from '../search/labelled.js';
import { matchesPlan } from '../search/matches-plan.js';
import type { Plan } from '../search/plan.js';
import type { SearchQuery } from '../search/query.js';
import type { FhirServices } from '../services.js';
import { contentOf, partOf } from '../visible-content.js';

export type PartialServices = Pick<FhirServices, 'gate' | 'opened' | 'definitions' | 'extractor' | 'catalog'>;

/** Whether a match of the index, visible to the principal, matches by what she sees of it. At once when nothing has to be opened. */
export function stillMatches(
  services: PartialServices,
  principal: Principal,
  { plan, recheck }: Pick<SearchQuery, 'plan' | 'recheck'>,
  row: VersionRow,
): boolean | Promise<boolean> {
  const isWhole = services.opened.header(row).attributes.elementLabels === undefined;
  if (isWhole && recheck === undefined) return true;
  return isWhole
    ? passes(services, principal, recheck, row)
    : matchesInPart(services, principal, { plan, recheck }, row);
}

async function matchesInPart(
  services: PartialServices,
  principal: Principal,
  { plan, recheck }: Pick<SearchQuery, 'plan' | 'recheck'>,
  row: VersionRow,
): Promise<boolean> {
  const part =
    (await seenInPart(services, principal, row)) ??
    // Who sees all of it may have found it as a candidate only.
    (asksForAbsence(plan) ? services.extractor.extract((await services.opened.text(row)).value()) : undefined);
  if (part !== undefined) {
    const { terms, links } = part;
    const indexed = { terms, name: row.resource, lastUpdated: row.lastUpdated };
    if (!matchesPlan(withOwnLinks(plan, links), indexed)) return false;
  }
  return passes(services, principal, recheck, row);
}

async function passes(
  services: PartialServices,
  principal: Principal,
  recheck: SearchQuery['recheck'],
  row: VersionRow,
): Promise<boolean> {
  return recheck === undefined || recheck((await contentOf(services, principal, row)).value());
}

/** References of versions for these parameters, as far as the principal sees them. */
export async function visibleLinks(
  services: PartialServices,
  principal: Principal,
  rows: readonly VersionRow[],
  params: readonly Term[],
): Promise<readonly LinkOf[]> {
  const leafIndexes = rows.map(({ leafIndex }) => leafIndex);
  const links = await services.catalog.linksOf(leafIndexes, params);
  const parts = new Map<number, Extracted>();
  for (const row of rows) {
    if (services.opened.header(row).attributes.elementLabels === undefined) continue;
    const part = await seenInPart(services, principal, row);
    if (part !== undefined) parts.set(row.leafIndex, part);
  }
  if (parts.size === 0) return links;
  return links.filter(({ leafIndex, target }) => {
    const part = parts.get(leafIndex);
    return part === undefined || part.links.some((link) => isEqual(link.target, target));
  });
}

/** What the index would hold of a version, had it only what the principal sees; undefined when she sees all. */
export async function seenInPart(
  services: PartialServices,
  principal: Principal,
  row: VersionRow,
): Promise<Extracted | undefined> {
  if (services.opened.header(row).attributes.elementLabels === undefined) return undefined;
  const part = await partOf(services, principal, row);
  return part === undefined ? undefined : services.extractor.extract(part.value());
}

/** Chains are decided elsewhere, link by link; here they hold when there is a link to follow. */
function withOwnLinks(plan: Plan, links: readonly Link[]): Plan {
  switch (plan.kind) {
    case 'and':
    case 'or':
      return { kind: plan.kind, of: plan.of.map((operand) => withOwnLinks(operand, links)) };
    case 'not':
      return { kind: 'not', of: withOwnLinks(plan.of, links) };
    case 'link-to':
      return { kind: links.some(({ param }) => plan.params.some((one) => isEqual(one, param))) ? 'all' : 'none' };
    case 'linked-from':
      return { kind: 'all' };
    case 'all':
    case 'none':
    case 'term':
    case 'resource':
    case 'updated':
      return plan;
  }
}

function isEqual(a: Term, b: Term): boolean {
  return Buffer.compare(a, b) === 0;
}
