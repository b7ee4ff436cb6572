/**
 * One page of a search: matches that the principal may see, as of one log entry.
 *
 * Without `_sort` (or by `_lastUpdated`) the store's own order serves and a page costs what it holds. Any other order is made in memory from the
 * keys in the sealed headers of all matches.
 */
import { fhirError } from '../../base/outcome.js';
import type { VersionRow } from '../../commit/catalog.js';
import { ACT_REASON, selfAndAncestors } from '../../consent/hierarchies.js';
import type { Context } from '../request.js';
import type { SearchQuery } from '../search/query.js';
import type { FhirServices } from '../services.js';
import { sortRows } from './sort-rows.js';
import { visibleRows, type MatchQuery } from './visible-rows.js';

export interface PagePosition {
  readonly asOf: number;
  /** Behind this leafIndex, in the direction of the page (store order). */
  readonly after?: number;
  readonly direction?: 'forward' | 'backward';
  /** Rank of the first match (order made in memory). */
  readonly offset?: number;
}

export interface Page {
  readonly rows: readonly VersionRow[];
  /** How many matches there are in all, when that is known or asked for. */
  readonly total?: number;
  readonly first?: PagePosition;
  readonly previous?: PagePosition;
  readonly next?: PagePosition;
  /** In the store's order the last matches, however many the pages before them leave. */
  readonly last?: PagePosition;
}

/** What of a search decides its pages. */
export type PageQuery = MatchQuery & Pick<SearchQuery, 'sort' | 'total'>;

/** Matches that a search may look at before it is called too costly. */
const mostMatches = 100_000;

/** @throws FhirError 400 `too-costly` when more matches would have to be looked at than the limit. */
export async function findPage(
  services: FhirServices,
  context: Context,
  query: PageQuery,
  count: number,
  asOf: number,
  resumed: PagePosition | undefined,
): Promise<Page> {
  const order = storeOrder(query);
  if (count === 0) return { rows: [], total: await countOf(services, context, query, asOf) };
  if (order === undefined) return sortedPage(services, context, query, count, asOf, resumed?.offset ?? 0);
  const page = await storePage(services, context, query, count, asOf, order, resumed);
  if (page.total !== undefined || (query.total !== 'accurate' && query.total !== 'estimate')) return page;
  return { ...page, total: (await allMatches(services, context, query, asOf, order)).length };
}

/** Fewer records than this that may only be counted are not: their number could tell of one person. */
const leastCounted = 5;

/** Research may count what it may use and not see (docs/consent.md, HRESCH). */
async function countOf(services: FhirServices, context: Context, query: PageQuery, asOf: number): Promise<number> {
  const seen = (await allMatches(services, context, query, asOf, 'newest')).length;
  if (!selfAndAncestors(ACT_REASON, context.principal.purposeOfUse).includes('HRESCH')) return seen;
  const counted = (await allMatches(services, context, { ...query, counts: true }, asOf, 'newest')).length;
  return counted - seen < leastCounted ? seen : counted;
}

/** The order that the store itself can give; undefined: it must be made in memory. */
function storeOrder({ sort }: PageQuery): 'newest' | 'oldest' | undefined {
  if (sort.length === 0) return 'newest';
  if (sort[0].by !== 'lastUpdated') return undefined;
  return sort[0].direction === 'desc' ? 'newest' : 'oldest';
}

async function storePage(
  services: FhirServices,
  context: Context,
  query: PageQuery,
  count: number,
  asOf: number,
  order: 'newest' | 'oldest',
  resumed: PagePosition | undefined,
): Promise<Page> {
  const isBackward = resumed?.direction === 'backward';
  const scan = isBackward ? (order === 'newest' ? 'oldest' : 'newest') : order;
  const rows = await visibleRows(services, context, query, {
    asOf,
    order: scan,
    after: resumed?.after,
    wanted: count + 1,
  });
  const hasMore = rows.length > count;
  if (hasMore) rows.pop();
  if (isBackward) rows.reverse();
  const hasPrevious = isBackward ? hasMore : resumed?.after !== undefined;
  const hasNext = isBackward ? resumed.after !== undefined : hasMore;
  const isWhole = !hasPrevious && !hasNext;
  return {
    rows,
    ...(isWhole ? { total: rows.length } : {}),
    ...(isWhole ? {} : { first: { asOf }, last: { asOf, direction: 'backward' as const } }),
    ...(hasPrevious && rows.length > 0
      ? { previous: { asOf, after: rows[0].leafIndex, direction: 'backward' as const } }
      : {}),
    ...(hasNext && rows.length > 0 ? { next: { asOf, after: rows[rows.length - 1].leafIndex } } : {}),
  };
}

async function sortedPage(
  services: FhirServices,
  context: Context,
  query: PageQuery,
  count: number,
  asOf: number,
  offset: number,
): Promise<Page> {
  const matches = await allMatches(services, context, query, asOf, 'newest');
  const sorted = await sortRows(services, context.principal, query, matches);
  const rows = sorted.slice(offset, offset + count);
  const isWhole = offset === 0 && sorted.length <= count;
  return {
    rows,
    total: query.total === 'none' ? undefined : sorted.length,
    ...(isWhole ? {} : { first: { asOf }, last: { asOf, offset: sorted.length - 1 - ((sorted.length - 1) % count) } }),
    ...(offset > 0 ? { previous: { asOf, offset: Math.max(0, offset - count) } } : {}),
    ...(offset + count < sorted.length ? { next: { asOf, offset: offset + count } } : {}),
  };
}

async function allMatches(
  services: FhirServices,
  context: Context,
  query: PageQuery,
  asOf: number,
  order: 'newest' | 'oldest',
): Promise<VersionRow[]> {
  const rows = await visibleRows(services, context, query, { asOf, order, wanted: mostMatches + 1 });
  if (rows.length <= mostMatches) return rows;
  const diagnostics = `More than ${mostMatches} resources match; narrow the search, or leave out _sort and _total.`;
  throw fhirError(400, 'too-costly', diagnostics);
}
