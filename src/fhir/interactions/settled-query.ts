/** Settles what a search cannot decide by terms alone inside chains: those conditions are looked up and checked on opened resources first. */
import type { Term } from '../../base/ids.js';
import { tooCostly } from '../search/problems.js';
import { settle, type SearchQuery } from '../search/query.js';
import type { Principal } from '../../consent/gate.js';
import { mayRead } from '../access.js';
import type { VersionRow } from '../../commit/catalog.js';
import { passes, type PartialServices } from './partial-match.js';
import { VisibleMatches } from './visible-matches.js';

/** Candidates of one inner condition that are opened at most. */
const mostCandidates = 10_000;

/** @param asOf the state that the search is about. */
export async function settledQuery(
  services: PartialServices,
  principal: Principal,
  query: SearchQuery,
  asOf: number,
): Promise<SearchQuery> {
  if (query.subqueries.length === 0) return query;
  const matches = new VisibleMatches(services, principal, asOf);
  return settle(query, async (plan, recheck) => {
    const candidates = matches.candidates(plan);
    const rows = await services.catalog.search({ plan: candidates, asOf, order: 'newest', limit: mostCandidates + 1 });
    if (rows.length > mostCandidates) {
      throw tooCostly(`More than ${mostCandidates} resources inside a chain would have to be opened; narrow it`);
    }
    const visible: VersionRow[] = [];
    for (const row of rows) if (await mayRead(services, principal, 's', row)) visible.push(row);
    const names: Term[] = [];
    for (const row of await matches.filter(plan, visible)) {
      if (await passes(services, principal, recheck, row)) names.push(row.resource);
    }
    return names;
  });
}
