/** What a condition finds, as far as the principal may see it. */
import type { VersionRow } from '../../commit/catalog.js';
import type { Principal } from '../../consent/gate.js';
import { mayRead } from '../access.js';
import { parseCriteria, type SearchQuery } from '../search/query.js';
import { settledQuery } from '../interactions/settled-query.js';
import { stillMatches } from '../interactions/partial-match.js';
import { followsLinks, VisibleChains } from '../interactions/visible-chains.js';
import type { FhirServices } from '../services.js';
import type { Facts } from './facts.js';

export type MatchServices = Pick<
  FhirServices,
  'catalog' | 'gate' | 'opened' | 'search' | 'extractor' | 'names' | 'records' | 'definitions'
>;

/** Matches that are looked at first; so many times more when most of them are hidden. */
const enough = 50;
const more = 20;
/** A condition that finds more than this is decided by the newest of them. */
const most = enough * more * more;

/**
 * Versions that match `criteria` (`identifier=s|v`), newest first.
 * @throws FhirError 400 `invalid` for criteria that are no search.
 */
export async function visibleMatches(
  services: MatchServices,
  facts: Facts,
  principal: Principal,
  resourceType: string,
  criteria: string,
): Promise<VersionRow[]> {
  const parsed = parseCriteria(services.search, resourceType, criteria);
  const query = await settledQuery(services, principal, parsed, facts.asOf);
  for (let limit = enough; ; limit *= more) {
    const rows = await facts.matches(`${limit} of ${resourceType}?${criteria}`, query.plan, limit);
    const visible = await visibleOf(services, facts, principal, query, rows);
    if (rows.length < limit || visible.length > 1 || limit >= most) return visible;
  }
}

async function visibleOf(
  services: MatchServices,
  facts: Facts,
  principal: Principal,
  query: SearchQuery,
  rows: readonly VersionRow[],
): Promise<VersionRow[]> {
  const visible: VersionRow[] = [];
  const chains = followsLinks(query.plan) ? new VisibleChains(services, principal, facts.asOf) : undefined;
  for (const row of rows) {
    if (chains !== undefined && !(await chains.hold(query.plan, row))) continue;
    if (!(await mayRead(services, principal, 's', row))) continue;
    if (await stillMatches(services, principal, query, row)) visible.push(row);
  }
  return visible;
}
