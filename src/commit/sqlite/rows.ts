/**
 * Versions by leafIndex. What stands at one changes by amendments and erasures alone, so what is read twice is remembered until `forget`.
 *
 * Searches give leafIndexes as one text, which SQLite hands out much faster than rows.
 */
import { Recent } from '../../vault/recent.js';
import { SecondTime } from '../../vault/second-time.js';
import type { VersionRow } from '../catalog.js';
import type { Connection, Parameter } from './connection.js';
import { placeOf, unpackBody } from './version-body.js';

/** Versions remembered at most, about 2 KB each with their headers. */
const mostKnown = 10_000;
/** As many are fetched one by one: fewer bytes cross than with a list. */
const fewRows = 3;
/** Versions that one statement asks for at most. */
const mostAtOnce = 256;

export class RowReader {
  private readonly known = new Recent<number, VersionRow>(mostKnown);
  private readonly read = new SecondTime();

  constructor(private readonly db: Connection) {}

  /** In the order of `leaves`; those that were erased meanwhile are left out. */
  of(leaves: readonly number[]): VersionRow[] {
    const rows = leaves.map((leaf) => this.known.get(leaf));
    const unknown = leaves.filter((_, index) => rows[index] === undefined);
    if (unknown.length === 0) return rows as VersionRow[];
    const fetched = new Map<number, VersionRow>();
    for (let at = 0; at < unknown.length; at += mostAtOnce) {
      for (const body of this.fetch(unknown.slice(at, at + mostAtOnce))) {
        const row = this.shared(body);
        if (row.isErased !== true) fetched.set(row.leafIndex, row);
      }
    }
    return leaves.flatMap((leaf, index) => rows[index] ?? fetched.get(leaf) ?? []);
  }

  /** The version in `body` as it is remembered: one object for each version. */
  shared(body: Buffer): VersionRow {
    const { leafIndex, resource, isErased } = placeOf(body);
    const known = this.known.get(leafIndex);
    if (known !== undefined) return known;
    if (isErased || !this.read.isKnown(resource)) return unpackBody(body);
    // In memory of its own: else it would keep the bodies that were read together with it.
    const own = Buffer.allocUnsafeSlow(body.byteLength);
    body.copy(own);
    const row = unpackBody(own);
    this.known.set(leafIndex, row);
    return row;
  }

  /** Whether it is remembered. */
  keeps({ leafIndex }: VersionRow): boolean {
    return this.known.get(leafIndex) !== undefined;
  }

  forget(): void {
    this.known.clear();
  }

  private fetch(leaves: readonly number[]): Buffer[] {
    if (leaves.length <= fewRows) {
      const one = this.db.prepare('SELECT body FROM content WHERE leafIndex = ?');
      return leaves.map((leaf) => one.get([leaf])![0] as Buffer);
    }
    const from = 'content WHERE leafIndex IN (SELECT value FROM json_each(?))';
    return bodiesOf(this.db, from, [JSON.stringify(leaves)]);
  }
}

/**
 * Many bodies as one byte string, which SQLite hands out in half the time of a row for each.
 * @param from what follows FROM in a statement that finds rows of `content`; its order does not matter.
 */
export function bodiesOf(db: Connection, from: string, parameters: readonly Parameter[]): Buffer[] {
  // As TEXT they keep their bytes: the database is UTF-8, so that nothing is converted.
  const all = `SELECT group_concat(length(body)), CAST(group_concat(CAST(body AS TEXT), '') AS BLOB) FROM ${from}`;
  const [sizes, bytes] = db.prepare(all).get(parameters) as [string | null, Buffer | null];
  if (sizes === null || bytes === null) return [];
  let at = 0;
  return sizes.split(',').map((size) => bytes.subarray(at, (at += Number(size))));
}
