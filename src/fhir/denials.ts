/**
 * Versions that a list left out because consent hides them: noted while it is made, written into the access log with it.
 *
 * A scope that does not cover a version is no refusal here: the request did not ask for it.
 */
import type { VersionRow } from '../commit/catalog.js';
import type { Context } from './request.js';

const noted = new WeakMap<Context, VersionRow[]>();

/** @param row that the request matched, and that the principal may not see. */
export function noteDenied(context: Context, row: VersionRow): void {
  const rows = noted.get(context);
  if (rows === undefined) noted.set(context, [row]);
  else rows.push(row);
}

/** What was noted since the last call, each version once. */
export function takeDenied(context: Context): VersionRow[] {
  const rows = noted.get(context);
  if (rows === undefined) return [];
  noted.delete(context);
  const seen = new Set<number>();
  return rows.filter(({ leafIndex }) => !seen.has(leafIndex) && seen.add(leafIndex));
}
