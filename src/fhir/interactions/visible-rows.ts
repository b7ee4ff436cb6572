/**
 * What a search finds, in the store's order, without what the principal may not see and what only seemed to match.
 *
 * Consent, chains and what the terms cannot decide are asked of many rows at a time; a row whose decisions are at hand costs no wait.
 */
import type { VersionRow } from '../../commit/catalog.js';
import { isInScope, mayRead } from '../access.js';
import { noteDenied } from '../denials.js';
import { Slices } from '../../base/pause.js';
import { permits } from '../permits.js';
import type { Context } from '../request.js';
import type { SearchQuery } from '../search/query.js';
import type { FhirServices } from '../services.js';
import { isWhole, passes } from './partial-match.js';
import { VisibleMatches } from './visible-matches.js';

/** What of a search decides its matches. */
export type MatchQuery = Pick<SearchQuery, 'plan' | 'recheck'> & {
  /** Finds only matches: what it finds need not be opened. */
  readonly sure?: SearchQuery['sure'];
  /** What the terms cannot say, read from the sealed header. */
  readonly accepts?: (row: VersionRow) => boolean | Promise<boolean>;
  /** For a count alone: also what may be used and not seen. */
  readonly counts?: boolean;
};

/** Which of the matches are wanted. */
export interface Stretch {
  readonly asOf: number;
  readonly order: 'newest' | 'oldest';
  /** Behind this leafIndex, in that order. */
  readonly after?: number;
  /** So many at most. */
  readonly wanted: number;
}

/** Rows that the store is asked for at once, at most. */
const largestStep = 1_000;

export async function visibleRows(
  services: FhirServices,
  context: Context,
  query: MatchQuery,
  { asOf, order, after, wanted }: Stretch,
): Promise<VersionRow[]> {
  const matches = new VisibleMatches(services, context.principal, asOf);
  const candidates = matches.candidates(query.plan);
  const slices = new Slices();
  const rows: VersionRow[] = [];
  let from = after;
  let limit = Math.min(wanted, largestStep);
  for (;;) {
    const found = await services.catalog.search({
      plan: candidates,
      asOf,
      order,
      limit,
      ...(from === undefined ? {} : { after: from }),
    });
    const permitted = await permittedOf(services, context, found, slices, query.counts === true);
    const filtered = matches.filter(query.plan, permitted);
    const matching = filtered instanceof Promise ? await filtered : filtered;
    const sure = await sureOf(services, query, matching, asOf);
    for (const row of matching) {
      if (query.accepts !== undefined && !(await query.accepts(row))) continue;
      if (query.recheck !== undefined && !sure.has(row.leafIndex)) {
        if (!(await passes(services, context.principal, query.recheck, row))) continue;
      }
      rows.push(row);
      if (rows.length === wanted) return rows;
      const turn = slices.turn();
      if (turn !== undefined) await turn;
    }
    if (found.length < limit) return rows;
    from = found[found.length - 1].leafIndex;
    limit = Math.min(2 * limit, largestStep);
  }
}

/** @param counts whether a row counts also when it may be used (consent's action `use`) and not seen. */
async function permittedOf(
  services: FhirServices,
  context: Context,
  found: readonly VersionRow[],
  slices: Slices,
  counts: boolean,
): Promise<VersionRow[]> {
  const { principal } = context;
  // Asked together: what the contract has to decide travels in one call.
  const decisions = found.map((row) => {
    const decision = mayRead(services, principal, 's', row);
    // Looked at below, one after the other: one that fails meanwhile is no unhandled rejection.
    if (typeof decision !== 'boolean') decision.catch(() => undefined);
    return decision;
  });
  const permitted: VersionRow[] = [];
  for (const [index, row] of found.entries()) {
    const decision = decisions[index];
    if (typeof decision === 'boolean' ? decision : await decision) permitted.push(row);
    else if (isInScope(services, principal, 's', row)) {
      const { attributes } = services.opened.header(row);
      if (counts && (await permits(services, principal, 'use', attributes))) permitted.push(row);
      else noteDenied(context, row);
    }
    const turn = slices.turn();
    if (turn !== undefined) await turn;
  }
  return permitted;
}

const none: ReadonlySet<number> = new Set();
/** Fewer rows are opened faster than they are looked up once more. */
const worthAsking = 8;

/** leafIndexes of the rows that match for certain; of one that may be seen in part only, the index cannot be sure. */
async function sureOf(
  services: Pick<FhirServices, 'catalog' | 'opened'>,
  { plan, sure, recheck }: MatchQuery,
  rows: readonly VersionRow[],
  asOf: number,
): Promise<ReadonlySet<number>> {
  if (
    recheck === undefined ||
    sure === undefined ||
    sure === plan ||
    sure.kind === 'none' ||
    rows.length < worthAsking
  ) {
    return none;
  }
  const names = rows.filter((row) => isWhole(services, row)).map(({ resource }) => resource);
  const found = await services.catalog.search({
    plan: { kind: 'and', of: [{ kind: 'resource', names }, sure] },
    asOf,
    order: 'newest',
    limit: rows.length,
  });
  return new Set(found.map(({ leafIndex }) => leafIndex));
}
