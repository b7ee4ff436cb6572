/** What a condition finds, as far as the principal may see it. */
import type { VersionRow } from '../../commit/catalog.js';
import type { Principal } from '../../consent/gate.js';
import { mayRead } from '../access.js';
import { parseCriteria, type SearchQuery } from '../search/query.js';
import { settledQuery } from '../interactions/settled-query.js';
import { followsLinks, VisibleChains } from '../interactions/visible-chains.js';
import type { FhirServices } from '../services.js';
import type { Facts } from './facts.js';

export type MatchServices = Pick<
  FhirServices,
  'catalog' | 'gate' | 'opened' | 'search' | 'extractor' | 'names' | 'records'
>;

/** More matches than this are not looked at: it is clear that there are several. */
const enough = 50;

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
  const query = await settledQuery(services, parseCriteria(services.search, resourceType, criteria), facts.asOf);
  const rows = await facts.matches(`${resourceType}?${criteria}`, query.plan, enough);
  const visible: VersionRow[] = [];
  const chains = followsLinks(query.plan) ? new VisibleChains(services, principal, facts.asOf) : undefined;
  for (const row of rows) {
    if (chains !== undefined && !(await chains.hold(query.plan, row))) continue;
    if ((await mayRead(services, principal, 's', row)) && (await rechecked(services, query, row))) visible.push(row);
  }
  return visible;
}

async function rechecked(services: MatchServices, query: SearchQuery, row: VersionRow): Promise<boolean> {
  return query.recheck === undefined || query.recheck((await services.opened.text(row)).value());
}
