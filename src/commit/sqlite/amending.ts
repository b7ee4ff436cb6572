/** Amendments: new terms, links, headers and wraps of versions, in one transaction. Runs in the writer's thread. */
import type { Amendment, Link, VersionAmendment } from '../catalog.js';
import type { Connection } from './connection.js';
import { termKey } from './schema.js';
import { packBody, unpackBody } from './version-body.js';

const termSize = 16;

/** Row ids of names, made where they are missing. */
export interface RowIds {
  ridOf(name: Uint8Array): number;
  pidOf(param: Uint8Array): number;
}

/** Part of the caller's transaction. */
export function amend(db: Connection, ids: RowIds, { versions = [], keys = [], addsKeys, state }: Amendment): void {
  for (const version of versions) amendVersion(db, ids, version);
  for (const { compartment, wrapped } of keys) {
    const { changes } = db.prepare('UPDATE compartment SET wrapped = ? WHERE name = ?').run([wrapped, compartment]);
    if (changes === 0 && addsKeys) db.prepare('INSERT INTO compartment VALUES(?, ?)').run([compartment, wrapped]);
  }
  if (state !== undefined) putState(db, state.key, state.value);
}

export function putState(db: Connection, key: string, value: Uint8Array): void {
  db.prepare('INSERT INTO state VALUES(?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value').run([key, value]);
}

function amendVersion(db: Connection, ids: RowIds, amendment: VersionAmendment): void {
  const { leafIndex, header, keyWraps, addTerms, removeTerms, addLinks = [], removeLinks = [] } = amendment;
  const isHeld = db.prepare('SELECT 1 FROM version WHERE leafIndex = ?').get([leafIndex]) !== undefined;
  if (!isHeld) return;
  if (header !== undefined || keyWraps !== undefined) amendBody(db, amendment);
  for (const term of termsIn(removeTerms)) {
    db.prepare('DELETE FROM term WHERE term = ? AND leafIndex = ?').run([term, leafIndex]);
  }
  for (const term of termsIn(addTerms)) {
    db.prepare('INSERT OR IGNORE INTO term VALUES(?, ?)').run([term, leafIndex]);
  }
  for (const link of removeLinks) changeLink(db, ids, leafIndex, link, 'remove');
  for (const link of addLinks) changeLink(db, ids, leafIndex, link, 'add');
}

function amendBody(db: Connection, { leafIndex, header, keyWraps }: VersionAmendment): void {
  const [body] = db.prepare('SELECT body FROM content WHERE leafIndex = ?').get([leafIndex])!;
  const row = unpackBody(body as Buffer);
  const amended = packBody(
    { ...row, header: header ?? row.header, keyWraps: keyWraps ?? row.keyWraps },
    row.seq,
    leafIndex,
  );
  db.prepare('UPDATE content SET body = ? WHERE leafIndex = ?').run([amended, leafIndex]);
}

function changeLink(
  db: Connection,
  ids: RowIds,
  leafIndex: number,
  { param, target }: Link,
  change: 'add' | 'remove',
): void {
  const pid = ids.pidOf(param);
  const rid = ids.ridOf(target);
  if (change === 'add') {
    db.prepare('INSERT OR IGNORE INTO link VALUES(?, ?, ?)').run([rid, pid, leafIndex]);
    db.prepare('INSERT OR IGNORE INTO link_of VALUES(?, ?, ?)').run([leafIndex, pid, rid]);
  } else {
    db.prepare('DELETE FROM link WHERE target = ? AND pid = ? AND leafIndex = ?').run([rid, pid, leafIndex]);
    db.prepare('DELETE FROM link_of WHERE leafIndex = ? AND pid = ? AND target = ?').run([leafIndex, pid, rid]);
  }
}

function* termsIn(packed: Uint8Array | undefined): Iterable<Uint8Array> {
  if (packed === undefined) return;
  for (let at = 0; at < packed.byteLength; at += termSize) yield termKey(packed.subarray(at, at + termSize));
}
