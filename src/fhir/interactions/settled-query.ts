/** Settles what a search cannot decide by terms alone inside chains: those conditions are looked up and checked on opened resources first. */
import type { Term } from '../../base/ids.js';
import { settle, type SearchQuery } from '../search/query.js';
import type { FhirServices } from '../services.js';

/** Candidates of one inner condition that are opened at most. */
const mostCandidates = 10_000;

/** @param asOf the state that the search is about. */
export async function settledQuery(
  { catalog, opened }: Pick<FhirServices, 'catalog' | 'opened'>,
  query: SearchQuery,
  asOf: number,
): Promise<SearchQuery> {
  if (query.subqueries.length === 0) return query;
  return settle(query, async (plan, recheck) => {
    const rows = await catalog.search({ plan, asOf, order: 'newest', limit: mostCandidates });
    const names: Term[] = [];
    for (const row of rows) if (recheck((await opened.text(row)).value())) names.push(row.resource);
    return names;
  });
}
