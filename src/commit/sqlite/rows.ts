/** Rows of SQLite to VersionRow. */
import type { VersionRow } from '../catalog.js';
import type { Row } from './connection.js';
import { unpackWraps } from './packed-entries.js';

/** Columns that `versionRow` expects, of `version v`, `resource r` and `content c`. */
export const versionColumns =
  'r.name, v.versionId, v.deleted, v.lastUpdated, v.leafIndex, v.seqFrom, c.digest, c.wraps, c.header';

/** Joins of `version v` with what an answer needs. */
export const versionJoins = 'CROSS JOIN resource r ON r.rid = v.rid CROSS JOIN content c ON c.leafIndex = v.leafIndex';

export function versionRow(row: Row): VersionRow {
  const digest = row[6] as Buffer | null;
  return {
    resource: row[0] as Buffer,
    versionId: row[1] as number,
    isDeleted: row[2] === 1,
    lastUpdated: row[3] as number,
    leafIndex: row[4] as number,
    seq: row[5] as number,
    ...(digest === null ? {} : { block: digest }),
    keyWraps: unpackWraps(row[7] as Buffer),
    header: row[8] as Buffer,
  };
}
