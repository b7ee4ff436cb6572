/**
 * The tables of the SQLite catalog.
 *
 * `version` is slim, so that filtering touches few pages; what only answers need lies in `content`. Postings of a term are ordered by
 * leafIndex, hence newest-first answers stop early. Superseded versions keep their rows: `[seqFrom, seqUntil)` says when they were current.
 */

import type { Term } from '../../base/ids.js';
import { termKeyBytes } from '../catalog.js';

/** `seqUntil` of a version that is current. */
export const forever = Number.MAX_SAFE_INTEGER;

export const schemaVersion = 1;

export { termKeyBytes };

export function termKey(term: Term): Uint8Array {
  return term.subarray(0, termKeyBytes);
}

export const schema = `
CREATE TABLE IF NOT EXISTS entry(seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, leafFrom INTEGER NOT NULL, leafUntil INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS entry_time ON entry(time, leafFrom, leafUntil);
CREATE TABLE IF NOT EXISTS resource(rid INTEGER PRIMARY KEY, name BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS resource_name ON resource(name);
CREATE TABLE IF NOT EXISTS version(
  leafIndex INTEGER PRIMARY KEY, rid INTEGER NOT NULL, versionId INTEGER NOT NULL, seqFrom INTEGER NOT NULL, seqUntil INTEGER NOT NULL,
  lastUpdated INTEGER NOT NULL, deleted INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS version_of ON version(rid, versionId);
CREATE TABLE IF NOT EXISTS content(leafIndex INTEGER PRIMARY KEY, leaf BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS term(term BLOB NOT NULL, leafIndex INTEGER NOT NULL, PRIMARY KEY(term, leafIndex)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS param(pid INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS link(target INTEGER NOT NULL, pid INTEGER NOT NULL, leafIndex INTEGER NOT NULL,
  PRIMARY KEY(target, pid, leafIndex)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_of(leafIndex INTEGER NOT NULL, pid INTEGER NOT NULL, target INTEGER NOT NULL,
  PRIMARY KEY(leafIndex, pid, target)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS compartment(name BLOB PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS erasure(seq INTEGER PRIMARY KEY, leafIndex INTEGER NOT NULL, time INTEGER NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
PRAGMA user_version = ${schemaVersion};
`;

/**
 * WAL: readers never wait for the writer. NORMAL: after power loss the newest transactions may be missing, and are made again from the entry log; those
 * that the log does not have are made with FULL (writer.ts). Small pages: terms fall on pages all over the index, and each touched page is
 * written whole. secure_delete: what an erasure removes is overwritten.
 */
export const writerPragmas = `
PRAGMA page_size = 1024;
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA wal_autocheckpoint = 16000;
PRAGMA journal_size_limit = 67108864;
PRAGMA cache_size = -8192;
PRAGMA temp_store = MEMORY;
PRAGMA secure_delete = ON;
`;

export const readerPragmas = `
PRAGMA cache_size = -32768;
PRAGMA query_only = ON;
`;
