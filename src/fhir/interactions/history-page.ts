/** Pages and totals of a history: the versions that may be seen, newest first, as of one sequence number. */
import { fhirError } from '../../base/outcome.js';
import type { HistoryRequest, VersionRow } from '../../commit/catalog.js';
import { isInScope, mayRead } from '../access.js';
import { noteDenied } from '../denials.js';
import type { Context } from '../request.js';
import type { FhirServices } from '../services.js';

/** What of the past is asked for. */
export type HistoryScope = Pick<HistoryRequest, 'resource' | 'type'>;

/** Where a page starts. */
export interface HistoryPosition {
  readonly asOf: number;
  /** Versions with a lesser leafIndex; absent: the newest first. */
  readonly before?: number;
  /** Milliseconds since 1970. */
  readonly since?: number;
  readonly at?: readonly [number, number];
}

/** One page of versions that may be seen, and where the next one starts; what was hidden on the way is noted for the access record. */
export async function pageOf(
  services: FhirServices,
  context: Context,
  scope: HistoryScope,
  start: HistoryPosition,
  count: number,
): Promise<{ rows: VersionRow[]; next?: HistoryPosition }> {
  const rows: VersionRow[] = [];
  for await (const row of visibleVersions(services, context, scope, start, count + 1, true)) {
    if (rows.length === count) return { rows, next: { ...start, before: rows[rows.length - 1].leafIndex } };
    rows.push(row);
  }
  return { rows };
}

/** Versions that are counted at most. */
const mostCounted = 100_000;

/** How many versions may be seen on all pages of the history that `start` belongs to. @throws FhirError 400 `too-costly` beyond 100,000. */
export async function countOf(
  services: FhirServices,
  context: Context,
  scope: HistoryScope,
  start: HistoryPosition,
): Promise<number> {
  const versions = visibleVersions(services, context, scope, { ...start, before: undefined }, 1_000, false);
  let total = 0;
  while ((await versions.next()).done !== true) {
    total += 1;
    if (total > mostCounted) {
      throw fhirError(400, 'too-costly', `More than ${mostCounted} versions are not counted; narrow it with _since.`);
    }
  }
  return total;
}

/** @param together so many are asked of the catalog at once. */
async function* visibleVersions(
  services: FhirServices,
  context: Context,
  scope: HistoryScope,
  { asOf, since, at, ...start }: HistoryPosition,
  together: number,
  areNoted: boolean,
): AsyncGenerator<VersionRow> {
  const permission = scope.resource === undefined ? 's' : 'r';
  let { before } = start;
  for (;;) {
    const found = await services.catalog.history({
      ...scope,
      asOf,
      ...(since === undefined ? {} : { since }),
      ...(before === undefined ? {} : { before }),
      limit: together,
    });
    for (const row of found) {
      if (at !== undefined && !(await wasCurrent(services, row, at, asOf))) continue;
      if (await mayRead(services, context.principal, permission, row)) yield row;
      else if (areNoted && isInScope(services, context.principal, permission, row)) noteDenied(context, row);
    }
    if (found.length < together) return;
    before = found[found.length - 1].leafIndex;
  }
}

/** Whether a version was the present one at some time of [from, until). */
async function wasCurrent(
  { catalog }: FhirServices,
  row: VersionRow,
  [from, until]: readonly [number, number],
  asOf: number,
): Promise<boolean> {
  if (row.lastUpdated >= until) return false;
  const next = await catalog.version(row.resource, row.versionId + 1);
  return next === undefined || next.seq > asOf || next.lastUpdated > from;
}
