/**
 * One page of a search: matches that the principal may see, as of one log entry.
 *
 * Without `_sort` (or by `_lastUpdated`) the store's own order serves and a page costs what it holds. Any other order is made in memory from the
 * keys in the sealed headers of all matches.
 */
import { fhirError } from '../../base/outcome.js';
import type { VersionRow } from '../../commit/catalog.js';
import { isInScope, mayRead } from '../access.js';
import { noteDenied } from '../denials.js';
import { Slices } from '../pause.js';
import type { Context } from '../request.js';
import type { SearchQuery } from '../search/query.js';
import type { FhirServices } from '../services.js';
import { stillMatches } from './partial-match.js';
import { sortRows } from './sort-rows.js';
import { followsLinks, VisibleChains } from './visible-chains.js';

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
}

/** What of a search decides its pages. */
export type PageQuery = Pick<SearchQuery, 'plan' | 'recheck' | 'sort' | 'total'> & {
  /** What the terms cannot say, read from the sealed header. */
  readonly accepts?: (row: VersionRow) => boolean;
};

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
  if (count === 0) return { rows: [], total: (await allMatches(services, context, query, asOf, 'newest')).length };
  if (order === undefined) return sortedPage(services, context, query, count, asOf, resumed?.offset ?? 0);
  const page = await storePage(services, context, query, count, asOf, order, resumed);
  if (page.total !== undefined || (query.total !== 'accurate' && query.total !== 'estimate')) return page;
  return { ...page, total: (await allMatches(services, context, query, asOf, order)).length };
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
  const rows: VersionRow[] = [];
  let hasMore = false;
  for await (const row of visible(services, context, query, asOf, scan, count + 1, resumed?.after)) {
    if (rows.length === count) {
      hasMore = true;
      break;
    }
    rows.push(row);
  }
  if (isBackward) rows.reverse();
  const hasPrevious = isBackward ? hasMore : resumed?.after !== undefined;
  const hasNext = isBackward || hasMore;
  const isWhole = !hasPrevious && !hasNext;
  return {
    rows,
    ...(isWhole ? { total: rows.length } : {}),
    ...(isWhole ? {} : { first: { asOf } }),
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
    ...(isWhole ? {} : { first: { asOf } }),
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
  const slices = new Slices();
  const rows: VersionRow[] = [];
  for await (const row of visible(services, context, query, asOf, order, 1000, undefined)) {
    if (rows.length >= mostMatches) {
      throw fhirError(
        400,
        'too-costly',
        `More than ${mostMatches} resources match; narrow the search, or leave out _sort and _total.`,
      );
    }
    rows.push(row);
    const turn = slices.turn();
    if (turn !== undefined) await turn;
  }
  return rows;
}

/** Matches in the store's order, without those that the principal may not see or that only seemed to match. */
async function* visible(
  services: FhirServices,
  context: Context,
  { plan, recheck, accepts }: PageQuery,
  asOf: number,
  order: 'newest' | 'oldest',
  step: number,
  from: number | undefined,
): AsyncGenerator<VersionRow> {
  const { principal } = context;
  const chains = followsLinks(plan) ? new VisibleChains(services, principal, asOf) : undefined;
  let after = from;
  for (;;) {
    const found = await services.catalog.search({
      plan,
      asOf,
      order,
      ...(after === undefined ? {} : { after }),
      limit: step,
    });
    for (const row of found) {
      const decision = mayRead(services, principal, 's', row);
      if (!(typeof decision === 'boolean' ? decision : await decision)) {
        if (isInScope(services, principal, 's', row)) noteDenied(context, row);
        continue;
      }
      if (chains !== undefined && !(await chains.hold(plan, row))) continue;
      if (accepts !== undefined && !accepts(row)) continue;
      const isSure = recheck === undefined && services.opened.header(row).attributes.elementLabels === undefined;
      if (!isSure && !(await stillMatches(services, principal, { plan, recheck }, row))) continue;
      yield row;
    }
    if (found.length < step) return;
    after = found[found.length - 1].leafIndex;
  }
}
