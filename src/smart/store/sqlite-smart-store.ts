/** SmartStore in one SQLite file (WAL): several processes of a machine share it, among them the command line. */
import { chmodSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { Connection, type Row } from '../../commit/sqlite/connection.js';
import { SmartStoreUnavailable, type Kind, type SmartStore, type StoredEntry } from './smart-store.js';

const busyMs = 5_000;

const schema = `
  PRAGMA journal_mode = WAL;
  PRAGMA secure_delete = ON;
  CREATE TABLE IF NOT EXISTS entry (
    kind TEXT NOT NULL, key TEXT NOT NULL, sealed BLOB NOT NULL,
    expires INTEGER, grouped TEXT, alias TEXT, consumed INTEGER,
    PRIMARY KEY (kind, key)
  ) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS entry_alias ON entry (kind, alias) WHERE alias IS NOT NULL;
  CREATE INDEX IF NOT EXISTS entry_group ON entry (grouped) WHERE grouped IS NOT NULL;
  CREATE INDEX IF NOT EXISTS entry_expires ON entry (expires) WHERE expires IS NOT NULL;
`;

const columns = 'key, sealed, expires, grouped, alias, consumed';

export function openSqliteSmartStore(file: string): SmartStore {
  mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
  const connection = new Connection(file, busyMs);
  connection.exec(schema);
  chmodSync(file, 0o600);
  return new SqliteSmartStore(connection);
}

class SqliteSmartStore implements SmartStore {
  private syncs = '';

  constructor(private readonly connection: Connection) {
    this.sync('NORMAL');
  }

  put(kind: Kind, entry: StoredEntry): Promise<void> {
    this.run('NORMAL', `INSERT OR REPLACE INTO entry (kind, ${columns}) VALUES (?, ?, ?, ?, ?, ?, ?)`, [
      kind,
      ...valuesOf(entry),
    ]);
    return Promise.resolve();
  }

  putNew(kind: Kind, entry: StoredEntry, now: number): Promise<boolean> {
    const changes = this.run(
      'FULL',
      `INSERT INTO entry (kind, ${columns}) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (kind, key) DO UPDATE SET sealed = excluded.sealed, expires = excluded.expires, consumed = NULL
       WHERE entry.expires IS NOT NULL AND entry.expires <= ?`,
      [kind, ...valuesOf(entry), now],
    );
    return Promise.resolve(changes > 0);
  }

  get(kind: Kind, key: string): StoredEntry | undefined {
    return entryOf(this.connection.prepare(`SELECT ${columns} FROM entry WHERE kind = ? AND key = ?`).get([kind, key]));
  }

  getByAlias(kind: Kind, alias: string): StoredEntry | undefined {
    const sql = `SELECT ${columns} FROM entry WHERE kind = ? AND alias = ?`;
    return entryOf(this.connection.prepare(sql).get([kind, alias]));
  }

  consume(kind: Kind, key: string, now: number): Promise<boolean> {
    const sql = 'UPDATE entry SET consumed = ? WHERE kind = ? AND key = ? AND consumed IS NULL';
    return Promise.resolve(this.run('FULL', sql, [now, kind, key]) > 0);
  }

  remove(kind: Kind, key: string): Promise<void> {
    this.run('FULL', 'DELETE FROM entry WHERE kind = ? AND key = ?', [kind, key]);
    return Promise.resolve();
  }

  removeGroup(group: string): Promise<void> {
    this.run('FULL', 'DELETE FROM entry WHERE grouped = ?', [group]);
    return Promise.resolve();
  }

  list(kind: Kind): Promise<StoredEntry[]> {
    const rows = this.connection.prepare(`SELECT ${columns} FROM entry WHERE kind = ? ORDER BY key`).all([kind]);
    return Promise.resolve(rows.map((row) => entryOf(row) as StoredEntry));
  }

  kinds(): Promise<Kind[]> {
    const rows = this.connection.prepare('SELECT DISTINCT kind FROM entry ORDER BY kind').all([]);
    return Promise.resolve(rows.map(([kind]) => kind as Kind));
  }

  removeExpired(now: number): Promise<void> {
    this.run('NORMAL', 'DELETE FROM entry WHERE expires <= ?', [now]);
    return Promise.resolve();
  }

  close(): Promise<void> {
    this.connection.close();
    return Promise.resolve();
  }

  private run(
    durability: 'NORMAL' | 'FULL',
    sql: string,
    parameters: readonly (string | number | Uint8Array | null)[],
  ) {
    try {
      this.sync(durability);
      return this.connection.prepare(sql).run(parameters).changes;
    } catch (error) {
      // A disk that is full, read-only or broken, or a process that holds the file for too long.
      throw new SmartStoreUnavailable(`SQLite: ${(error as Error).message}`);
    }
  }

  /** FULL waits for the disk at each commit, with all that was written before. */
  private sync(durability: 'NORMAL' | 'FULL'): void {
    if (this.syncs === durability) return;
    this.connection.exec(`PRAGMA synchronous = ${durability}`);
    this.syncs = durability;
  }
}

function valuesOf({ key, sealed, expiresAt, group, alias, consumedAt }: StoredEntry) {
  return [key, sealed, expiresAt ?? null, group ?? null, alias ?? null, consumedAt ?? null];
}

function entryOf(row: Row | undefined): StoredEntry | undefined {
  if (row === undefined) return undefined;
  const [key, sealed, expires, group, alias, consumed] = row;
  return {
    key: key as string,
    sealed: sealed as Buffer,
    ...(expires === null ? {} : { expiresAt: expires as number }),
    ...(group === null ? {} : { group: group as string }),
    ...(alias === null ? {} : { alias: alias as string }),
    ...(consumed === null ? {} : { consumedAt: consumed as number }),
  };
}
