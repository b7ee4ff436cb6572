/**
 * Catalog on SQLite (libsql): an entry log of its own is the commit point (entry-log.ts), tables in one file follow it in steps (applier.ts).
 *
 * What is asked by name is answered from what is pending (pending.ts) or from the tables (tables.ts); everything else waits, where it has to, until
 * the tables are far enough. The writing connection lives in a thread of its own; reads of the tables are synchronous and never wait for it. One
 * process writes. A second one that opens the files sees what is in them then, and is refused when it writes.
 *
 * Searches look at no more than `scanLimit` candidates (default 2,000,000) and then end with SearchTooCostly.
 */
import { mkdir, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import type { Term } from '../../base/ids.js';
import type { Plan } from '../../fhir/search/plan.js';
import type {
  Amendment,
  Catalog,
  CompartmentKey,
  Entry,
  Head,
  HistoryRequest,
  LinkOf,
  LoggedErasure,
  SearchRequest,
  StateValue,
  VersionRecord,
  VersionRow,
} from '../catalog.js';
import { Recent } from '../../vault/recent.js';
import { Connection } from './connection.js';
import { entryLogFolder } from './entry-log.js';
import { loggedErasures } from './erasing.js';
import { exportEntries } from './export-client.js';
import { LinkReader } from './links.js';
import { RowReader } from './rows.js';
import { readerPragmas } from './schema.js';
import { Searcher } from './search.js';
import { Tables } from './tables.js';
import { openWriteSide, type WriteSide, type WriteSideServices } from './write-side.js';

/** More rows than these are not forgotten one by one. */
const mostForgotten = 2_000;

/** @throws CatalogUnavailable when the files cannot be opened, or do not fit together. */
export async function openSqliteCatalog(file: string, options: { scanLimit?: number } = {}): Promise<SqliteCatalog> {
  await mkdir(path.dirname(file), { recursive: true });
  const catalog = new SqliteCatalog(file, options.scanLimit ?? 2_000_000);
  await catalog.start();
  return catalog;
}

export class SqliteCatalog implements Catalog {
  private db!: Connection;
  private tables!: Tables;
  private searcher!: Searcher;
  private links!: LinkReader;
  private known!: RowReader;
  private writes!: WriteSide;
  /** Current versions that were asked for, by blind name as latin1 text. */
  private readonly recent = new Recent<string, VersionRow>(10_000);

  constructor(
    private readonly file: string,
    private readonly scanLimit: number,
  ) {}

  /** Called once, by openSqliteCatalog. */
  async start(): Promise<void> {
    try {
      this.writes = await openWriteSide(this.file, () => this.openTables());
      this.searcher = new Searcher(this.db, this.known, () => this.writes.tablesHead, this.scanLimit);
    } catch (error) {
      this.db?.close();
      throw error;
    }
  }

  private openTables(): WriteSideServices {
    this.db = new Connection(this.file, 5_000);
    this.db.exec(readerPragmas);
    this.known = new RowReader(this.db);
    this.tables = new Tables(this.db, this.known);
    this.links = new LinkReader(this.db);
    const onCommit = (entries: readonly Entry[]) => {
      for (const { versions } of entries) this.forgetVersionsBefore(versions);
    };
    return { tablesHead: () => this.tables.head(), check: (entries) => this.check(entries), onCommit };
  }

  head(): Head {
    return this.writes.head;
  }

  async append(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    await this.writes.append(entries);
    if (entries.some(({ erasure }) => erasure !== undefined)) this.forget();
  }

  current(resource: Term, asOf: number): VersionRow | undefined {
    const key = keyOf(resource);
    const known = this.writes.pending.current(resource, asOf) ?? this.recent.get(key);
    if (known !== undefined && known.seq <= asOf) return known;
    const row = this.tables.current(resource, asOf);
    if (row !== undefined && asOf >= this.head().seq && this.known.keeps(row)) this.recent.set(key, row);
    return row;
  }

  currentOf(resources: readonly Term[], asOf: number): VersionRow[] {
    const rows: VersionRow[] = [];
    const others: Term[] = [];
    for (const resource of resources) {
      const known = this.writes.pending.current(resource, asOf) ?? this.recent.get(keyOf(resource));
      if (known !== undefined && known.seq <= asOf) rows.push(known);
      else others.push(resource);
    }
    for (const row of this.tables.currentOf(others, asOf)) {
      if (asOf >= this.head().seq && this.known.keeps(row)) this.recent.set(keyOf(row.resource), row);
      rows.push(row);
    }
    return rows;
  }

  version(resource: Term, versionId: number): VersionRow | undefined {
    return this.writes.pending.version(resource, versionId) ?? this.tables.version(resource, versionId);
  }

  history(request: HistoryRequest): VersionRow[] | Promise<VersionRow[]> {
    return this.writes.applied(request.asOf, () => this.tables.history(request));
  }

  search(request: SearchRequest): VersionRow[] | Promise<VersionRow[]> {
    const { plan, asOf } = request;
    const { pending, tablesHead } = this.writes;
    // Most conditional references ask for what no pending version has: they need not wait.
    if (asOf > tablesHead.seq && !pending.mayMatch(plan)) {
      const found = this.searcher.search({ ...request, asOf: tablesHead.seq });
      if (!(found instanceof Promise) && !found.some(({ resource }) => pending.changes(resource))) return found;
    }
    return this.writes.applied(asOf, () => this.searcher.search(request));
  }

  count(plan: Plan, asOf: number, limit = Infinity): number | Promise<number> {
    return this.writes.applied(asOf, () => this.searcher.count(plan, asOf, limit));
  }

  linksOf(leafIndexes: readonly number[], params: readonly Term[]): LinkOf[] | Promise<LinkOf[]> {
    return this.writes.applied(this.seqForAll(leafIndexes), () => this.links.linksOf(leafIndexes, params));
  }

  targetsOf(leafIndexes: readonly number[]): Term[] | Promise<Term[]> {
    return this.writes.applied(this.seqForAll(leafIndexes), () => this.links.targetsOf(leafIndexes));
  }

  compartmentKey(compartment: Term): Uint8Array | undefined {
    return this.writes.pending.key(compartment) ?? this.tables.compartmentKey(compartment);
  }

  leaves(from: number, until: number): Uint8Array | Promise<Uint8Array> {
    return this.writes.applied(this.seqFor(until), () => this.tables.leaves(from, until));
  }

  versionsByLeaf(from: number, until: number): VersionRow[] | Promise<VersionRow[]> {
    return this.writes.applied(this.seqFor(until), () => this.tables.versionsByLeaf(from, until));
  }

  getState(key: string): Uint8Array | undefined {
    return this.tables.state(key);
  }

  putState(key: string, value: Uint8Array): Promise<void> {
    return this.writes.putState(key, value);
  }

  async amend(amendment: Amendment): Promise<void> {
    try {
      await this.writes.amend(amendment);
    } finally {
      this.forget();
    }
  }

  erasures(fromSeq: number): LoggedErasure[] | Promise<LoggedErasure[]> {
    return this.writes.applied(this.head().seq, () => loggedErasures(this.db, fromSeq));
  }

  async sweep(): Promise<void> {
    await this.writes.sweep();
    this.forget();
  }

  compartmentKeys(after: Term | undefined, limit: number): CompartmentKey[] | Promise<CompartmentKey[]> {
    return this.writes.applied(this.head().seq, () => this.tables.compartmentKeys(after, limit));
  }

  states(after: string | undefined, limit: number): StateValue[] {
    return this.tables.states(after, limit);
  }

  async *entries(from: number, until: number): AsyncIterable<Entry> {
    const end = Math.min(until, this.head().seq + 1);
    await this.writes.applied(end - 1, () => undefined);
    yield* exportEntries(this.file, from, end);
  }

  async size(): Promise<{ versions: number; terms: number; sizeBytes: number }> {
    await this.writes.applied(this.head().seq, () => undefined);
    const folder = entryLogFolder(this.file);
    const logged = (await readdir(folder)).map((name) => path.join(folder, name));
    const files = [this.file, `${this.file}-wal`, ...logged];
    const sizes = await Promise.all(files.map((file) => stat(file).catch(() => ({ size: 0 }))));
    const sizeBytes = sizes.reduce((sum, { size }) => sum + size, 0);
    return { versions: this.head().leafCount, terms: this.tables.termCount(), sizeBytes };
  }

  async close(): Promise<void> {
    try {
      await this.writes.close();
    } finally {
      this.db.close();
    }
  }

  /** A first version follows none that could be remembered. */
  private forgetVersionsBefore(versions: readonly VersionRecord[]): void {
    const later = versions.filter(({ versionId }) => versionId > 1);
    if (later.length > mostForgotten) this.recent.clear();
    else for (const { resource } of later) this.recent.delete(keyOf(resource));
  }

  /** A version that is there already, or a second key of a compartment, is a defect of the caller. @throws RangeError */
  private *check(entries: readonly Entry[]): Generator<void, void> {
    const added = new Map<string, number>();
    const keys = new Set<string>();
    for (const { versions, newKeys } of entries) {
      for (const { resource, versionId, isErased } of versions) {
        yield;
        if (isErased === true) continue;
        const name = keyOf(resource);
        const before = added.get(name) ?? this.current(resource, Number.MAX_SAFE_INTEGER)?.versionId ?? 0;
        if (versionId <= before) throw new RangeError(`version ${versionId} cannot follow version ${before}`);
        added.set(name, versionId);
      }
      for (const { compartment } of newKeys) {
        const name = keyOf(compartment);
        if (keys.has(name) || this.compartmentKey(compartment) !== undefined) {
          throw new RangeError('the compartment has a key already');
        }
        keys.add(name);
      }
    }
  }

  /** An entry after which the tables have all leaves before `until`. */
  private seqFor(until: number): number {
    return until <= this.writes.tablesHead.leafCount ? 0 : this.head().seq;
  }

  /** An entry after which the tables have all of these leaves. */
  private seqForAll(leafIndexes: readonly number[]): number {
    return this.seqFor(leafIndexes.reduce((most, leafIndex) => Math.max(most, leafIndex + 1), 0));
  }

  /** What was remembered of earlier versions may not hold any more. */
  private forget(): void {
    this.recent.clear();
    this.links.forget();
    this.searcher.forget();
    this.known.forget();
  }
}

function keyOf(term: Term): string {
  return Buffer.from(term.buffer, term.byteOffset, term.byteLength).toString('latin1');
}
