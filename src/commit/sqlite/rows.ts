/**
 * Versions by leafIndex. What stands at one changes by amendments and erasures alone, so what is read twice is remembered until `forget`.
 *
 * Searches give leafIndexes as one text, which SQLite hands out much faster than rows.
 */
import { Recent } from '../../vault/recent.js';
import { SecondTime } from '../../vault/second-time.js';
import type { VersionRow } from '../catalog.js';
import type { Connection } from './connection.js';
import { unpackBody } from './version-body.js';

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
      for (const row of this.fetch(unknown.slice(at, at + mostAtOnce))) {
        if (row.isErased !== true) fetched.set(row.leafIndex, this.shared(row));
      }
    }
    return leaves.flatMap((leaf, index) => rows[index] ?? fetched.get(leaf) ?? []);
  }

  /** The row as it is remembered: one object for each version. */
  shared(row: VersionRow): VersionRow {
    const known = this.known.get(row.leafIndex);
    if (known !== undefined) return known;
    if (this.read.isKnown(row.resource)) this.known.set(row.leafIndex, row);
    return row;
  }

  /** Whether it is remembered. */
  keeps({ leafIndex }: VersionRow): boolean {
    return this.known.get(leafIndex) !== undefined;
  }

  forget(): void {
    this.known.clear();
  }

  private fetch(leaves: readonly number[]): VersionRow[] {
    if (leaves.length <= fewRows) {
      const one = this.db.prepare('SELECT body FROM content WHERE leafIndex = ?');
      return leaves.map((leaf) => unpackBody(one.get([leaf])![0] as Buffer));
    }
    return this.db
      .prepare('SELECT body FROM content WHERE leafIndex IN (SELECT value FROM json_each(?))')
      .all([JSON.stringify(leaves)])
      .map(([body]) => unpackBody(body as Buffer));
  }
}
