/**
 * The tables of the SQLite catalog.
 *
 * `version` is slim, so that filtering touches few pages; what only answers need lies in `content`. Postings of a term are ordered by
 * leafIndex, hence newest-first answers stop early. Superseded versions keep their rows: `[seqFrom, seqUntil)` says when they were current.
 */

/** `seqUntil` of a version that is current. */
export const forever = Number.MAX_SAFE_INTEGER;

export const schemaVersion = 1;

export const schema = `
CREATE TABLE IF NOT EXISTS entry(seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, leafFrom INTEGER NOT NULL, leafUntil INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS entry_time ON entry(time, leafFrom, leafUntil);
CREATE TABLE IF NOT EXISTS resource(rid INTEGER PRIMARY KEY, name BLOB NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS resource_name ON resource(name);
CREATE TABLE IF NOT EXISTS version(
  leafIndex INTEGER PRIMARY KEY, rid INTEGER NOT NULL, versionId INTEGER NOT NULL, seqFrom INTEGER NOT NULL, seqUntil INTEGER NOT NULL,
  lastUpdated INTEGER NOT NULL, deleted INTEGER NOT NULL);
CREATE UNIQUE INDEX IF NOT EXISTS version_of ON version(rid, versionId);
CREATE TABLE IF NOT EXISTS content(leafIndex INTEGER PRIMARY KEY, leaf BLOB NOT NULL, digest BLOB, wraps BLOB NOT NULL, header BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS term(term BLOB NOT NULL, leafIndex INTEGER NOT NULL, PRIMARY KEY(term, leafIndex)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS param(pid INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE);
CREATE TABLE IF NOT EXISTS link(target INTEGER NOT NULL, pid INTEGER NOT NULL, leafIndex INTEGER NOT NULL,
  PRIMARY KEY(target, pid, leafIndex)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS link_of(leafIndex INTEGER NOT NULL, pid INTEGER NOT NULL, target INTEGER NOT NULL,
  PRIMARY KEY(leafIndex, pid, target)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS compartment(name BLOB PRIMARY KEY, wrapped BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS state(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
PRAGMA user_version = ${schemaVersion};
`;

/** WAL: readers never wait for the writer. FULL: a transaction that is committed survives power loss. */
export const writerPragmas = `
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA wal_autocheckpoint = 4000;
PRAGMA cache_size = -65536;
PRAGMA temp_store = MEMORY;
`;

export const readerPragmas = `
PRAGMA cache_size = -32768;
PRAGMA mmap_size = 1073741824;
PRAGMA query_only = ON;
`;
