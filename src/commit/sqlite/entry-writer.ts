/** Writes log entries, index rows and keys, in one transaction. Runs in the writer's thread. */
import { Recent } from '../../vault/recent.js';
import type { Amendment, Entry, VersionRecord } from '../catalog.js';
import { amend, putState, type RowIds } from './amending.js';
import type { Connection } from './connection.js';
import { erase, sweepStep } from './erasing.js';
import { forever } from './schema.js';
import { SortedRows } from './sorted-rows.js';
import { packBody, packErasedBody } from './version-body.js';

export class EntryWriter {
  /** Row ids by name: links point at the same patients and practitioners again and again. */
  private rids = new Recent<string, number>(50_000);
  private pids = new Map<string, number>();

  private readonly rows: SortedRows;

  constructor(private readonly db: Connection) {
    this.rows = new SortedRows(db);
  }

  /**
   * Brings the tables from where they are to the last of the entries. Those that they have are passed over.
   * @throws Error when entries between are missing; what SQLite throws. Nothing is written then.
   */
  apply(entries: readonly Entry[]): void {
    this.transact(() => {
      const head = this.db.prepare('SELECT seq, leafUntil FROM entry ORDER BY seq DESC LIMIT 1').get([]) as
        [number, number] | undefined;
      let [seq, leafIndex] = head ?? [0, 0];
      for (const entry of entries) {
        if (entry.seq <= seq) continue;
        if (entry.seq !== seq + 1) throw new Error(`entry ${entry.seq} cannot follow entry ${seq}`);
        leafIndex = this.writeEntry(entry, leafIndex);
        seq = entry.seq;
      }
      this.rows.insert();
    });
  }

  /** All of it or nothing. */
  amend(amendment: Amendment): void {
    const ids: RowIds = { ridOf: (name) => this.ridOf(name), pidOf: (param) => this.pidOf(param) };
    this.transact(() => amend(this.db, ids, amendment));
  }

  /** One step of a sweep (erasing.ts). */
  sweep(after: string): string | undefined {
    return sweepStep(this.db, after);
  }

  putState(key: string, value: Uint8Array): void {
    putState(this.db, key, value);
  }

  private transact(work: () => void): void {
    this.db.exec('BEGIN IMMEDIATE');
    try {
      work();
      this.db.exec('COMMIT');
    } catch (error) {
      this.forget();
      this.rows.clear();
      this.rollback();
      throw error;
    }
  }

  /** Row ids that were given out and taken back, or whose rows an erasure removed. */
  private forget(): void {
    this.rids = new Recent(50_000);
    this.pids = new Map();
  }

  private rollback(): void {
    try {
      this.db.exec('ROLLBACK');
    } catch {
      // SQLite has rolled back already (disk full, I/O error).
    }
  }

  private writeEntry(entry: Entry, leafFrom: number): number {
    let leafIndex = leafFrom;
    for (const version of entry.versions) {
      this.writeVersion(version, entry.seq, leafIndex);
      leafIndex += 1;
    }
    for (const { compartment, wrapped } of entry.newKeys) {
      this.db.prepare('INSERT INTO compartment VALUES(?, ?)').run([compartment, wrapped]);
    }
    if (entry.erasure !== undefined) {
      this.rows.insert();
      erase(this.db, { ...entry.erasure, seq: entry.seq, time: entry.time, leafIndex });
      this.forget();
      leafIndex += 1;
    }
    this.db.prepare('INSERT INTO entry VALUES(?, ?, ?, ?)').run([entry.seq, entry.time, leafFrom, leafIndex]);
    return leafIndex;
  }

  private writeVersion(version: VersionRecord, seq: number, leafIndex: number): void {
    const { versionId, lastUpdated } = version;
    if (version.isErased) {
      const body = packErasedBody({ leafIndex, seq, lastUpdated, isTombstone: false });
      this.db.prepare('INSERT INTO content VALUES(?, ?, ?)').run([leafIndex, version.leaf, body]);
      return;
    }
    const rid = this.ridOf(version.resource, versionId === 1);
    if (versionId > 1) {
      const { changes } = this.db
        .prepare('UPDATE version SET seqUntil = ? WHERE rid = ? AND versionId = ?')
        .run([seq, rid, versionId - 1]);
      if (changes !== 1) this.endBefore(rid, versionId, seq);
    }
    this.db
      .prepare('INSERT INTO version VALUES(?, ?, ?, ?, ?, ?, ?)')
      .run([leafIndex, rid, versionId, seq, forever, version.lastUpdated, version.isDeleted ? 1 : 0]);
    this.db
      .prepare('INSERT INTO content VALUES(?, ?, ?)')
      .run([leafIndex, version.leaf, packBody(version, seq, leafIndex)]);
    this.rows.addTerms(version.terms, leafIndex);
    for (const { param, target } of version.links) this.rows.addLink(this.ridOf(target), this.pidOf(param), leafIndex);
  }

  /** The version before was erased: the newest one that is left ends here. */
  private endBefore(rid: number, versionId: number, seq: number): void {
    const isRepeated = this.db.prepare('SELECT 1 FROM version WHERE rid = ? AND versionId >= ?').get([rid, versionId]);
    if (isRepeated !== undefined) throw new Error(`version ${versionId} is not the next one`);
    this.db.prepare('UPDATE version SET seqUntil = ? WHERE rid = ? AND seqUntil = ?').run([seq, rid, forever]);
  }

  /** @param isNew most probably no link and no version has named the resource yet. */
  private ridOf(name: Uint8Array, isNew = false): number {
    const text = Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('latin1');
    const known = this.rids.get(text);
    if (known !== undefined) return known;
    const rid = isNew
      ? (this.insertResource(name) ?? this.findResource(name))
      : (this.findResource(name) ?? this.insertResource(name));
    this.rids.set(text, rid!);
    return rid!;
  }

  private findResource(name: Uint8Array): number | undefined {
    return this.db.prepare('SELECT rid FROM resource WHERE name = ?').get([name])?.[0] as number | undefined;
  }

  private insertResource(name: Uint8Array): number | undefined {
    const { changes, lastInsertRowid } = this.db.prepare('INSERT OR IGNORE INTO resource(name) VALUES(?)').run([name]);
    return changes === 1 ? lastInsertRowid : undefined;
  }

  private pidOf(param: Uint8Array): number {
    const text = Buffer.from(param.buffer, param.byteOffset, param.byteLength).toString('latin1');
    const known = this.pids.get(text);
    if (known !== undefined) return known;
    this.db.prepare('INSERT OR IGNORE INTO param(name) VALUES(?)').run([param]);
    const pid = this.db.prepare('SELECT pid FROM param WHERE name = ?').get([param])![0] as number;
    this.pids.set(text, pid);
    return pid;
  }
}
