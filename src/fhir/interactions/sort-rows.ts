/** `_sort` by anything but `_lastUpdated`: keys come from the sealed headers, from the opened resource where a header has none. */
import type { VersionRow } from '../../commit/catalog.js';
import { Slices } from '../../base/pause.js';
import type { SearchQuery } from '../search/query.js';
import { compareSorted } from '../search/sort.js';
import type { SortKey, SortKeys } from '../search/sort-keys.js';
import type { Principal } from '../../consent/gate.js';
import { contentOf } from '../visible-content.js';
import { seenInPart, type PartialServices } from './partial-match.js';

/** The matches in the order that the query wants; equal ones newest first, as they came. */
export async function sortRows(
  services: PartialServices,
  principal: Principal,
  { sort }: Pick<SearchQuery, 'sort'>,
  rows: readonly VersionRow[],
): Promise<VersionRow[]> {
  const slices = new Slices();
  const keyed: { row: VersionRow; keys: (SortKey | undefined)[] }[] = [];
  for (const row of rows) {
    keyed.push({ row, keys: await keysOf(services, principal, sort, row) });
    await slices.turn();
  }
  const compare = compareSorted(sort);
  return keyed.sort((a, b) => compare(a.keys, b.keys)).map(({ row }) => row);
}

async function keysOf(
  services: PartialServices,
  principal: Principal,
  sort: SearchQuery['sort'],
  row: VersionRow,
): Promise<(SortKey | undefined)[]> {
  const { id, ...header } = services.opened.header(row);
  const sortKeys = (await seenInPart(services, principal, row))?.sortKeys ?? header.sortKeys;
  const keys: (SortKey | undefined)[] = [];
  for (const criterion of sort) {
    if (criterion.by === 'lastUpdated') keys.push(row.lastUpdated);
    else if (criterion.by === 'id') keys.push(id);
    else {
      const key = criterion.keyFromHeader((sortKeys ?? {}) as SortKeys);
      keys.push(key === 'unknown' ? criterion.keyOf((await contentOf(services, principal, row)).value()) : key);
    }
  }
  return keys;
}
