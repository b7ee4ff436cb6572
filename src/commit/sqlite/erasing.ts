/** Erases versions, inside the transaction that appends the entry; later sweeps what they left. Runs in the writer's thread. */
import type { LoggedErasure } from '../catalog.js';
import type { Connection } from './connection.js';
import { packErasure, unpackErasure } from './packed-erasure.js';
import { packErasedBody } from './version-body.js';

/** State of the sweep: sequence number of the newest erasure that left nothing. */
const sweptKey = 'sqlite/swept';
/** Terms that one step of a sweep looks at. */
const sweepRows = 100_000;

/** Does what `erasure` says. Part of the entry's transaction. */
export function erase(db: Connection, erasure: LoggedErasure): void {
  for (const leafIndex of erasure.leaves) eraseVersion(db, leafIndex);
  for (const compartment of erasure.compartments) {
    db.prepare('DELETE FROM compartment WHERE name = ?').run([compartment]);
  }
  for (const key of erasure.states) db.prepare('DELETE FROM state WHERE key = ?').run([key]);
  const { seq, leafIndex, time } = erasure;
  db.prepare('INSERT INTO content VALUES(?, ?, ?)').run([
    leafIndex,
    erasure.leaf,
    packErasedBody({ leafIndex, seq, lastUpdated: time, isTombstone: true }),
  ]);
  db.prepare('INSERT INTO erasure VALUES(?, ?, ?, ?)').run([seq, leafIndex, time, packErasure(erasure)]);
}

export function loggedErasures(db: Connection, fromSeq: number): LoggedErasure[] {
  return db
    .prepare('SELECT seq, leafIndex, time, body FROM erasure WHERE seq >= ? ORDER BY seq')
    .all([fromSeq])
    .map(([seq, leafIndex, time, body]) => ({
      seq: seq as number,
      leafIndex: leafIndex as number,
      time: time as number,
      ...unpackErasure(body as Buffer),
    }));
}

function eraseVersion(db: Connection, leafIndex: number): void {
  const found = db.prepare('SELECT rid, seqFrom, lastUpdated FROM version WHERE leafIndex = ?').get([leafIndex]);
  if (found === undefined) return;
  const [rid, seq, lastUpdated] = found as [number, number, number];
  db.prepare('DELETE FROM version WHERE leafIndex = ?').run([leafIndex]);
  db.prepare('UPDATE content SET body = ? WHERE leafIndex = ?').run([
    packErasedBody({ leafIndex, seq, lastUpdated, isTombstone: false }),
    leafIndex,
  ]);
  const links = db.prepare('SELECT target, pid FROM link_of WHERE leafIndex = ?').all([leafIndex]);
  for (const [target, pid] of links) {
    db.prepare('DELETE FROM link WHERE target = ? AND pid = ? AND leafIndex = ?').run([target!, pid!, leafIndex]);
    forgetName(db, target as number);
  }
  db.prepare('DELETE FROM link_of WHERE leafIndex = ?').run([leafIndex]);
  forgetName(db, rid);
}

/** A name goes when neither a version nor a link of another has it. */
function forgetName(db: Connection, rid: number): void {
  db.prepare(
    `DELETE FROM resource WHERE rid = ?1 AND NOT EXISTS (SELECT 1 FROM version WHERE rid = ?1)
     AND NOT EXISTS (SELECT 1 FROM link WHERE target = ?1)`,
  ).run([rid]);
}

/**
 * One step of a sweep, behind the term `after` (hexadecimal; empty: from the start).
 * @returns where the next step begins; undefined when the sweep is done.
 */
export function sweepStep(db: Connection, after: string): string | undefined {
  const swept = sweptSeq(db);
  const erasures = loggedErasures(db, swept + 1);
  if (erasures.length === 0) return undefined;
  db.exec('CREATE TEMP TABLE IF NOT EXISTS gone(leafIndex INTEGER PRIMARY KEY)');
  if (after === '') {
    db.exec('DELETE FROM gone');
    for (const { leaves } of erasures) {
      db.prepare('INSERT OR IGNORE INTO gone SELECT value FROM json_each(?)').run([JSON.stringify(leaves)]);
    }
  }
  const from = Buffer.from(after, 'hex');
  const end = db
    .prepare('SELECT term FROM term WHERE term > ? ORDER BY term LIMIT 1 OFFSET ?')
    .get([from, sweepRows])?.[0] as Buffer | undefined;
  const until = end === undefined ? '' : ' AND term <= ?2';
  db.prepare(
    `DELETE FROM term WHERE term > ?1${until} AND leafIndex IN (SELECT leafIndex FROM gone)
     AND NOT EXISTS (SELECT 1 FROM version v WHERE v.leafIndex = term.leafIndex)`,
  ).run(end === undefined ? [from] : [from, end]);
  if (end !== undefined) return end.toString('hex');
  db.prepare('INSERT INTO state VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value').run([
    sweptKey,
    Buffer.from(String(erasures.at(-1)!.seq)),
  ]);
  db.exec('DELETE FROM gone');
  // The journal still has the pages as they were. Deleted rows themselves are overwritten (secure_delete).
  db.prepare('PRAGMA wal_checkpoint(TRUNCATE)').get([]);
  return undefined;
}

function sweptSeq(db: Connection): number {
  const value = db.prepare('SELECT value FROM state WHERE key = ?').get([sweptKey])?.[0] as Buffer | undefined;
  return value === undefined ? 0 : Number(value.toString());
}
