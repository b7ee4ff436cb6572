/**
 * Catalog on SQLite (libsql): one file, WAL. The writing connection lives in a thread of its own; reads are synchronous and never wait for it.
 *
 * Searches look at no more than `scanLimit` candidates (default 2,000,000) and then end with SearchTooCostly.
 */
import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Term } from '../../base/ids.js';
import type { Plan } from '../../fhir/search/plan.js';
import {
  type Amendment,
  type Catalog,
  type CompartmentKey,
  type Entry,
  type Head,
  type HistoryRequest,
  type LinkOf,
  type LoggedErasure,
  type SearchRequest,
  type StateValue,
  type VersionRow,
} from '../catalog.js';
import { Recent } from '../../vault/recent.js';
import { Sql } from './compile.js';
import { Connection, type Parameter } from './connection.js';
import { loggedErasures } from './erasing.js';
import { exportEntries } from './export-client.js';
import { LinkReader } from './links.js';
import { packEntries } from './packed-entries.js';
import { readerPragmas, termKey } from './schema.js';
import { RowReader } from './rows.js';
import { Searcher } from './search.js';
import { unpackBody } from './version-body.js';
import { WriterClient } from './writer-client.js';

/** @throws CatalogUnavailable when the file cannot be opened. */
export async function openSqliteCatalog(file: string, options: { scanLimit?: number } = {}): Promise<SqliteCatalog> {
  await mkdir(path.dirname(file), { recursive: true });
  const writer = await WriterClient.start(file);
  return new SqliteCatalog(file, writer, options.scanLimit ?? 2_000_000);
}

export class SqliteCatalog implements Catalog {
  private readonly db: Connection;
  private readonly searcher: Searcher;
  private readonly known: RowReader;
  private readonly links: LinkReader;
  private newest: Head;
  /** Current versions that were asked for, by blind name as latin1 text. */
  private readonly recent = new Recent<string, VersionRow>(10_000);

  constructor(
    private readonly file: string,
    private writer: WriterClient,
    scanLimit: number,
  ) {
    this.db = new Connection(file, 5_000);
    this.db.exec(readerPragmas);
    this.newest = this.readHead();
    this.links = new LinkReader(this.db);
    this.known = new RowReader(this.db);
    this.searcher = new Searcher(this.db, this.known, () => this.newest, scanLimit);
  }

  head(): Head {
    return this.newest;
  }

  async append(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    const packed = packEntries(entries);
    try {
      const writer = await this.livingWriter();
      await writer.ask({ kind: 'append', entries: packed }, [packed]);
    } catch (error) {
      // Another writer was faster, or the reply was lost after the commit: what the file says is the head.
      this.recent.clear();
      this.newest = this.readHead();
      throw error;
    }
    for (const { versions } of entries) for (const { resource } of versions) this.recent.delete(keyOf(resource));
    if (entries.some(({ erasure }) => erasure !== undefined)) this.forget();
    const last = entries.at(-1)!;
    const added = entries.reduce(
      (sum, { versions, erasure }) => sum + versions.length + (erasure === undefined ? 0 : 1),
      0,
    );
    this.newest = { seq: last.seq, leafCount: this.newest.leafCount + added, time: last.time };
  }

  current(resource: Term, asOf: number): VersionRow | undefined {
    const key = keyOf(resource);
    const known = this.recent.get(key);
    if (known !== undefined && known.seq <= asOf) return known;
    const row = this.currentRow(resource, asOf);
    if (row !== undefined && asOf >= this.newest.seq) this.recent.set(key, row);
    return row;
  }

  currentOf(resources: readonly Term[], asOf: number): VersionRow[] {
    const rows: VersionRow[] = [];
    const others: Term[] = [];
    for (const resource of resources) {
      const known = this.recent.get(keyOf(resource));
      if (known !== undefined && known.seq <= asOf) rows.push(known);
      else others.push(resource);
    }
    for (let at = 0; at < others.length; at += 128) {
      const sql = new Sql().add(`SELECT c.body FROM resource r CROSS JOIN version v ON v.rid = r.rid
         CROSS JOIN content c ON c.leafIndex = v.leafIndex WHERE `);
      sql.oneOf('r.name', others.slice(at, at + 128));
      sql.add(' AND v.versionId = (SELECT max(versionId) FROM version n WHERE n.rid = r.rid AND n.seqFrom <= ?)', asOf);
      for (const found of this.rows(sql.text, sql.parameters)) {
        const row = this.known.shared(found);
        if (asOf >= this.newest.seq) this.recent.set(keyOf(row.resource), row);
        rows.push(row);
      }
    }
    return rows;
  }

  private currentRow(resource: Term, asOf: number): VersionRow | undefined {
    return this.one('r.name = ? AND v.seqFrom <= ? ORDER BY v.versionId DESC LIMIT 1', [resource, asOf]);
  }

  version(resource: Term, versionId: number): VersionRow | undefined {
    return this.one('r.name = ? AND v.versionId = ?', [resource, versionId]);
  }

  history({ resource, type, asOf, since, before, limit }: HistoryRequest): VersionRow[] {
    const content = 'CROSS JOIN content c ON c.leafIndex = v.leafIndex';
    const bounds = 'v.leafIndex < ? AND v.seqFrom <= ? AND v.lastUpdated >= ? ORDER BY v.leafIndex DESC LIMIT ?';
    const values = [before ?? Number.MAX_SAFE_INTEGER, asOf, since ?? 0, limit];
    if (resource !== undefined) {
      const joins = `resource r CROSS JOIN version v ON v.rid = r.rid ${content}`;
      const order = bounds.replace('v.leafIndex DESC', 'v.versionId DESC');
      return this.rows(`SELECT c.body FROM ${joins} WHERE r.name = ? AND ${order}`, [resource, ...values]);
    }
    if (type !== undefined) {
      const joins = `term t CROSS JOIN version v ON v.leafIndex = t.leafIndex ${content}`;
      const order = bounds.replaceAll('v.leafIndex', 't.leafIndex');
      return this.rows(`SELECT c.body FROM ${joins} WHERE t.term = ? AND ${order}`, [termKey(type), ...values]);
    }
    return this.rows(`SELECT c.body FROM version v ${content} WHERE ${bounds}`, values);
  }

  search(request: SearchRequest): VersionRow[] | Promise<VersionRow[]> {
    return this.searcher.search(request);
  }

  count(plan: Plan, asOf: number, limit = Infinity): number | Promise<number> {
    return this.searcher.count(plan, asOf, limit);
  }

  linksOf(leafIndexes: readonly number[], params: readonly Term[]): LinkOf[] {
    return leafIndexes.length === 0 ? [] : this.links.linksOf(leafIndexes, params);
  }

  compartmentKey(compartment: Term): Uint8Array | undefined {
    return this.db.prepare('SELECT wrapped FROM compartment WHERE name = ?').get([compartment])?.[0] as
      Buffer | undefined;
  }

  leaves(from: number, until: number): Uint8Array {
    const rows = this.db
      .prepare('SELECT leaf FROM content WHERE leafIndex >= ? AND leafIndex < ? ORDER BY leafIndex')
      .all([from, until]);
    return Buffer.concat(rows.map(([leaf]) => leaf as Buffer));
  }

  versionsByLeaf(from: number, until: number): VersionRow[] {
    return this.rows('SELECT body FROM content WHERE leafIndex >= ? AND leafIndex < ? ORDER BY leafIndex', [
      from,
      until,
    ]);
  }

  getState(key: string): Uint8Array | undefined {
    return this.db.prepare('SELECT value FROM state WHERE key = ?').get([key])?.[0] as Buffer | undefined;
  }

  async putState(key: string, value: Uint8Array): Promise<void> {
    // A copy: a view would drag the whole buffer under it across to the writer's thread.
    const writer = await this.livingWriter();
    await writer.ask({ kind: 'put-state', key, value: Uint8Array.from(value) });
  }

  async amend(amendment: Amendment): Promise<void> {
    const writer = await this.livingWriter();
    try {
      await writer.ask({ kind: 'amend', amendment: ownBytes(amendment) });
    } finally {
      this.forget();
    }
  }

  erasures(fromSeq: number): LoggedErasure[] {
    return loggedErasures(this.db, fromSeq);
  }

  async sweep(): Promise<void> {
    // Step by step, so that entries are appended in between.
    for (let after: string | undefined = ''; after !== undefined;) {
      const writer = await this.livingWriter();
      after = await writer.ask({ kind: 'sweep', after });
    }
    this.forget();
  }

  compartmentKeys(after: Term | undefined, limit: number): CompartmentKey[] {
    return this.db
      .prepare('SELECT name, wrapped FROM compartment WHERE name > ? ORDER BY name LIMIT ?')
      .all([after ?? new Uint8Array(0), limit])
      .map(([compartment, wrapped]) => ({ compartment: compartment as Buffer, wrapped: wrapped as Buffer }));
  }

  states(after: string | undefined, limit: number): StateValue[] {
    return this.db
      .prepare(`SELECT key, value FROM state WHERE key > ? AND key NOT GLOB 'sqlite/*' ORDER BY key LIMIT ?`)
      .all([after ?? '', limit])
      .map(([key, value]) => ({ key: key as string, value: value as Buffer }));
  }

  entries(from: number, until: number): AsyncIterable<Entry> {
    return exportEntries(this.file, from, Math.min(until, this.newest.seq + 1));
  }

  async size(): Promise<{ versions: number; terms: number; sizeBytes: number }> {
    const [terms] = this.db.prepare('SELECT count(*) FROM term').get([])!;
    const sizes = await Promise.all(['', '-wal'].map((ending) => stat(this.file + ending).catch(() => ({ size: 0 }))));
    const sizeBytes = sizes.reduce((sum, { size }) => sum + size, 0);
    return { versions: this.newest.leafCount, terms: terms as number, sizeBytes };
  }

  async close(): Promise<void> {
    await this.writer.close();
    this.db.close();
  }

  /** What was remembered of earlier versions may not hold any more. */
  private forget(): void {
    this.recent.clear();
    this.links.forget();
    this.searcher.forget();
    this.known.forget();
  }

  /** A thread that ended (it ran out of memory, say) is replaced; SQLite rolls back what it had not committed. */
  private async livingWriter(): Promise<WriterClient> {
    if (this.writer.hasEnded) this.writer = await WriterClient.start(this.file);
    return this.writer;
  }

  private one(condition: string, parameters: readonly (Uint8Array | number)[]): VersionRow | undefined {
    const row = this.db
      .prepare(
        `SELECT c.body FROM resource r CROSS JOIN version v ON v.rid = r.rid
         CROSS JOIN content c ON c.leafIndex = v.leafIndex WHERE ${condition}`,
      )
      .get(parameters);
    return row === undefined ? undefined : this.known.shared(unpackBody(row[0] as Buffer));
  }

  private rows(sql: string, parameters: readonly Parameter[]): VersionRow[] {
    return this.db
      .prepare(sql)
      .all(parameters)
      .map(([body]) => unpackBody(body as Buffer));
  }

  private readHead(): Head {
    const row = this.db.prepare('SELECT seq, leafUntil, time FROM entry ORDER BY seq DESC LIMIT 1').get([]);
    const [seq, leafCount, time] = (row ?? [0, 0, 0]) as [number, number, number];
    return { seq, leafCount, time };
  }
}

function keyOf(term: Term): string {
  return Buffer.from(term.buffer, term.byteOffset, term.byteLength).toString('latin1');
}

/** The same with bytes of its own: a view would drag the whole buffer under it across to the writer's thread. */
function ownBytes<T>(value: T): T {
  if (value instanceof Uint8Array) return Uint8Array.from(value) as T;
  if (Array.isArray(value)) return value.map(ownBytes) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, ownBytes(part as unknown)])) as T;
}
