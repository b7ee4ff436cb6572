/** What a condition finds, as far as the principal may see it. */
import type { VersionRow } from '../../commit/catalog.js';
import type { Principal } from '../../consent/gate.js';
import { mayRead } from '../access.js';
import { parseCriteria, type SearchQuery } from '../search/query.js';
import { settledQuery } from '../interactions/settled-query.js';
import { passes } from '../interactions/partial-match.js';
import { VisibleMatches } from '../interactions/visible-matches.js';
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
  const matches = new VisibleMatches(services, principal, facts.asOf);
  const candidates = matches.candidates(query.plan);
  for (let limit = enough; ; limit *= more) {
    const rows = await facts.matches(`${limit} of ${resourceType}?${criteria}`, candidates, limit);
    const visible = await visibleOf(services, principal, query, matches, rows);
    if (rows.length < limit || visible.length > 1 || limit >= most) return visible;
  }
}

async function visibleOf(
  services: MatchServices,
  principal: Principal,
  { plan, recheck }: SearchQuery,
  matches: VisibleMatches,
  rows: readonly VersionRow[],
): Promise<VersionRow[]> {
  const visible: VersionRow[] = [];
  for (const row of rows) if (await mayRead(services, principal, 's', row)) visible.push(row);
  const found = await matches.filter(plan, visible);
  if (recheck === undefined) return [...found];
  const passed: VersionRow[] = [];
  for (const row of found) if (await passes(services, principal, recheck, row)) passed.push(row);
  return passed;
}
