/**
 * Catalog on MongoDB, or any server that speaks its wire protocol; transactions are not needed. Several server processes write at once.
 *
 * The log decides (log.ts): an append is one document whose `_id` is the next sequence number. Then its entries are applied to the index
 * (applier.ts), and the document is marked; `head()` is the newest marked one. What a server that died has not applied, the next writer does.
 *
 * A search of which one query takes longer than 15 seconds, or that follows links over more than `scanLimit` candidates, is too costly.
 */
import { Recent } from '../../vault/recent.js';
import type { Term } from '../../base/ids.js';
import type { Plan } from '../../fhir/search/plan.js';
import {
  AppendConflict,
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
import { amend, putState } from './amending.js';
import { applyAppend } from './applier.js';
import { allOf, type VersionFilter } from './conditions.js';
import {
  bytesOf,
  linkOf,
  nameBytes,
  nameText,
  rowOf,
  termText,
  versionId,
  type LogDocument,
  type VersionDocument,
} from './documents.js';
import { loggedErasures } from './erasing.js';
import { exportEntries } from './exporter.js';
import { emptyHead, headAfter, MongoLog } from './log.js';
import { MongoLocks } from './locks.js';
import { MongoSearcher, rowFields } from './search.js';
import { guarded, isDuplicate, openMongoStore, type MongoOptions, type MongoStore } from './store.js';

export interface MongoCatalogOptions extends MongoOptions {
  readonly scanLimit?: number;
  /** How often a server without requests looks for what others appended; default 250 ms. */
  readonly pollMs?: number;
}

/** How long another server may take to apply what it appended, before this one does. */
const patienceMs = 300;

/** @throws CatalogUnavailable when no server answers. */
export async function openMongoCatalog(options: MongoCatalogOptions): Promise<MongoCatalog> {
  const store = await openMongoStore(options);
  const catalog = new MongoCatalog(store, options.scanLimit ?? 2_000_000, options.pollMs ?? 250);
  try {
    await catalog.start();
    return catalog;
  } catch (error) {
    await catalog.close();
    throw error;
  }
}

/** So many resources are looked up one by one, more in one query. */
const pointLookUps = 16;

/** A version that was current when this catalog had seen `epoch`. */
interface Remembered {
  readonly row: VersionRow;
  readonly epoch: number;
}

export class MongoCatalog implements Catalog {
  readonly locks: MongoLocks;
  private readonly log: MongoLog;
  private readonly searcher: MongoSearcher;
  private newest: Head = emptyHead;
  /** Grows when others change what may be remembered. */
  private epoch = 0;
  private readonly recent = new Recent<string, Remembered>(10_000);
  private look: Promise<void> = Promise.resolve();
  private changes: Promise<unknown> = Promise.resolve();
  private nextLook: Promise<void> | undefined;
  private lastCheck = 0;
  private readonly timer: NodeJS.Timeout;
  private isClosed = false;
  private readonly followers: ((rows: readonly VersionRow[]) => Promise<void>)[] = [];

  constructor(
    private readonly store: MongoStore,
    scanLimit: number,
    pollMs: number,
  ) {
    this.log = new MongoLog(store);
    this.locks = new MongoLocks(store);
    this.searcher = new MongoSearcher(store, scanLimit);
    this.timer = setInterval(() => {
      if (performance.now() - this.lastCheck > pollMs) void this.refresh().catch(() => undefined);
    }, pollMs).unref();
  }

  /** Finds the head, and finishes what a server that died had not. Called once, by openMongoCatalog. */
  async start(): Promise<void> {
    const newest = await this.log.newest();
    if (newest === undefined) return;
    if (newest.applied) this.newest = headAfter(newest);
    else {
      const before = { seq: Number(newest._id) - 1, leafCount: newest.leafFrom, time: 0 };
      this.newest = before;
      await this.finish(newest);
    }
    await this.catchUp(true);
  }

  head(): Head {
    return this.newest;
  }

  /**
   * Learns what other servers have appended, so that `head()` covers everything that anyone was told of before this call.
   * Calls at the same time share one look.
   */
  refresh(): Promise<void> {
    // A look that began before this call may have missed what was appended since: one more waits behind it, for all who come meanwhile.
    this.nextLook ??= this.look.then(() => {
      this.nextLook = undefined;
      const look = this.catchUp(false);
      this.look = look.catch(() => undefined);
      return look;
    });
    return this.nextLook;
  }

  follow(listener: (rows: readonly VersionRow[]) => Promise<void>): void {
    this.followers.push(listener);
  }

  async append(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    const head = this.newest;
    if (entries.some(({ seq }, index) => seq !== head.seq + 1 + index)) {
      throw new AppendConflict(`entry ${entries[0]!.seq} cannot follow entry ${head.seq}`);
    }
    let document: LogDocument;
    try {
      // The commit point.
      document = await this.log.append(entries, head);
    } catch (error) {
      await this.catchUp(true).catch(() => undefined);
      throw error;
    }
    await this.inTurn(() => applyAppend(this.store, this.log, document, entries));
    for (const { versions } of entries) for (const { resource } of versions) this.recent.delete(nameText(resource));
    if (entries.some(({ erasure }) => erasure !== undefined)) this.forget();
    // Others may have gone on already.
    if (this.newest.seq < head.seq + entries.length) this.newest = headAfter(document);
  }

  async current(resource: Term, asOf: number): Promise<VersionRow | undefined> {
    const name = nameText(resource);
    const known = this.recent.get(name);
    if (known !== undefined && known.epoch === this.epoch && known.row.seq <= asOf) return known.row;
    const { epoch, newest } = this;
    const row = await this.find(name, asOf, known?.row.versionId ?? 1);
    if (row !== undefined && asOf >= newest.seq && newest === this.newest) this.recent.set(name, { row, epoch });
    return row;
  }

  async currentOf(resources: readonly Term[], asOf: number): Promise<VersionRow[]> {
    if (resources.length <= pointLookUps) {
      const rows = await Promise.all(resources.map((resource) => this.current(resource, asOf)));
      return rows.filter((row) => row !== undefined);
    }
    return this.rows({ r: { $in: resources.map(nameText) }, s: { $lte: asOf }, u: { $gt: asOf } }, -1, Infinity);
  }

  async version(resource: Term, number: number): Promise<VersionRow | undefined> {
    const document = await this.get(versionId(nameText(resource), number));
    return document === undefined || document.l < 0 || document.s > this.newest.seq ? undefined : rowOf(document);
  }

  async history({ resource, type, asOf, since, before, limit }: HistoryRequest): Promise<VersionRow[]> {
    const filter: VersionFilter = {
      ...(resource === undefined ? {} : { r: nameText(resource) }),
      ...(type === undefined ? {} : { t: termText(type) }),
      l: { $gte: 0, $lt: before ?? Number.MAX_SAFE_INTEGER },
      s: { $lte: asOf },
      ...(since === undefined ? {} : { m: { $gte: since } }),
      u: { $exists: true },
    };
    return this.rows(filter, -1, limit);
  }

  search(request: SearchRequest): Promise<VersionRow[]> {
    return this.searcher.search(request);
  }

  count(plan: Plan, asOf: number, limit = Infinity): Promise<number> {
    return this.searcher.count(plan, asOf, limit);
  }

  async linksOf(leafIndexes: readonly number[], params: readonly Term[]): Promise<LinkOf[]> {
    if (leafIndexes.length === 0) return [];
    const wanted = new Set(params.map(nameText));
    const filter: VersionFilter = { l: leafIndexes.length === 1 ? leafIndexes[0]! : { $in: [...leafIndexes] } };
    const found = await guarded(() => this.store.version.find(filter, { projection: { l: 1, k: 1 } }).toArray());
    return found.flatMap(({ l, k = [] }) =>
      k
        .filter((link) => wanted.size === 0 || wanted.has(link.slice(0, link.indexOf('.'))))
        .map((link) => ({ ...linkOf(link), leafIndex: l })),
    );
  }

  async compartmentKey(compartment: Term): Promise<Uint8Array | undefined> {
    const found = await guarded(() => this.store.key.findOne({ _id: nameText(compartment) }));
    return found === null ? undefined : bytesOf(found.value);
  }

  async leaves(from: number, until: number): Promise<Uint8Array> {
    const places = await this.places(from, until, { l: 1, h: 1, x: 1 });
    return Buffer.concat(places.map(({ h }) => bytesOf(h)));
  }

  async versionsByLeaf(from: number, until: number): Promise<VersionRow[]> {
    return (await this.places(from, until, rowFields)).map(rowOf);
  }

  async getState(key: string): Promise<Uint8Array | undefined> {
    const found = await guarded(() => this.store.state.findOne({ _id: key }));
    return found === null ? undefined : bytesOf(found.value);
  }

  async putState(key: string, value: Uint8Array): Promise<void> {
    await guarded(() => this.retried(() => putState(this.store, key, value)));
  }

  async amend(amendment: Amendment): Promise<void> {
    try {
      await this.retried(() => amend(this.store, amendment, (task) => this.inTurn(task)));
    } finally {
      this.forget();
    }
  }

  erasures(fromSeq: number): Promise<LoggedErasure[]> {
    return loggedErasures(this.store, fromSeq);
  }

  /** Nothing is left lying: terms go with their version, and entries are dropped from the log when they are applied. */
  sweep(): Promise<void> {
    return Promise.resolve();
  }

  async compartmentKeys(after: Term | undefined, limit: number): Promise<CompartmentKey[]> {
    // Names are compared as text, which has another order than the bytes: all of them, once, in the order of bytes.
    const all = await guarded(() => this.store.key.find({}).toArray());
    return all
      .map(({ _id, value }) => ({ compartment: nameBytes(_id), wrapped: bytesOf(value) }))
      .filter(({ compartment }) => after === undefined || Buffer.compare(compartment, after) > 0)
      .sort((a, b) => Buffer.compare(a.compartment, b.compartment))
      .slice(0, limit);
  }

  async states(after: string | undefined, limit: number): Promise<StateValue[]> {
    const filter = after === undefined ? {} : { _id: { $gt: after } };
    const found = await guarded(() => this.store.state.find(filter).sort({ _id: 1 }).limit(limit).toArray());
    return found.map(({ _id, value }) => ({ key: _id, value: bytesOf(value) }));
  }

  entries(from: number, until: number): AsyncIterable<Entry> {
    return exportEntries(this.store, from, Math.min(until, this.newest.seq + 1));
  }

  async size(): Promise<{ versions: number; terms: number; sizeBytes: number }> {
    const sample = await guarded(() =>
      this.store.version.find({ t: { $exists: true } }, { projection: { t: 1 }, limit: 1_000 }).toArray(),
    );
    const terms = sample.reduce((sum, { t = [] }) => sum + t.length, 0);
    const versions = this.newest.leafCount;
    const stats = await guarded(() => this.store.db.stats());
    const { storageSize = 0, indexSize = 0 } = stats as { storageSize?: number; indexSize?: number };
    const isAll = sample.length < 1_000;
    return {
      versions,
      terms: isAll ? terms : Math.round((terms / sample.length) * versions),
      sizeBytes: storageSize + indexSize,
    };
  }

  async close(): Promise<void> {
    if (this.isClosed) return;
    this.isClosed = true;
    clearInterval(this.timer);
    await this.look;
    await this.locks.release().catch(() => undefined);
    await this.store.client.close();
  }

  /** Goes on in the log as far as it is applied. @param isWriter waits for, or does, what is not applied yet. */
  private async catchUp(isWriter: boolean): Promise<void> {
    const startedAt = performance.now();
    for (;;) {
      this.lastCheck = performance.now();
      const head = this.newest;
      const next = await this.log.next(head);
      if (next === undefined) return;
      if (next.applied) {
        await this.tellFollowers(next);
        // Meanwhile this server itself may have appended it.
        if (this.newest === head) {
          this.newest = headAfter(next);
          this.forget();
        }
      } else if (performance.now() - startedAt > patienceMs) {
        await this.finish(next);
      } else if (isWriter || this.isLate(next)) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      } else return;
    }
  }

  private readonly seenAt = { id: '', at: 0 };

  /** True when what a reader found unapplied has been so for a while: its server may have died. */
  private isLate({ _id }: LogDocument): boolean {
    if (this.seenAt.id !== _id) Object.assign(this.seenAt, { id: _id, at: performance.now() });
    return performance.now() - this.seenAt.at > 10 * patienceMs;
  }

  /** Applies what another server appended. */
  private async finish(document: LogDocument): Promise<void> {
    const entries = await this.log.entries(document);
    if (entries !== undefined) await this.inTurn(() => applyAppend(this.store, this.log, document, entries));
  }

  /**
   * What changes versions that are there goes one after the other: MongoDB changes fields of a document, but some servers of its protocol read and
   * write whole documents, and would lose one of two changes at once.
   */
  private inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.changes.then(task);
    this.changes = result.catch(() => undefined);
    return result;
  }

  /** Listeners know of an append before `head()` covers it. */
  private async tellFollowers({ by, leafFrom, leafUntil }: LogDocument): Promise<void> {
    if (this.followers.length === 0 || this.log.isOwn(by) || leafFrom === leafUntil) return;
    const filter: VersionFilter = { l: { $gte: leafFrom, $lt: leafUntil }, r: { $exists: true } };
    const rows = await this.rows(filter, 1, Infinity);
    for (const listener of this.followers) await listener(rows);
  }

  private forget(): void {
    this.epoch += 1;
  }

  /** The newest version known at `asOf`: looked up number by number, with doubling steps, from a number that may exist. */
  private async find(name: string, asOf: number, hint: number): Promise<VersionRow | undefined> {
    let known: VersionDocument | undefined;
    let number = Math.max(1, hint);
    let step = 1;
    for (;;) {
      const [here, next] = await Promise.all([
        this.get(versionId(name, number)),
        this.get(versionId(name, number + step)),
      ]);
      if (next !== undefined && isVisible(next, asOf)) {
        known = next;
        number += step;
        step *= 2;
      } else if (step > 1) step = 1;
      else {
        known = here;
        break;
      }
    }
    while (number > 1 && (known === undefined || known.l < 0 || !isVisible(known, asOf))) {
      number -= 1;
      known = await this.get(versionId(name, number));
    }
    return known === undefined || known.l < 0 || !isVisible(known, asOf) ? undefined : rowOf(known);
  }

  private get(_id: string): Promise<VersionDocument | undefined> {
    return guarded(async () => (await this.store.version.findOne({ _id }, { projection: rowFields })) ?? undefined);
  }

  private rows(filter: VersionFilter, order: 1 | -1, limit: number): Promise<VersionRow[]> {
    return guarded(async () => {
      const found = this.store.version.find(filter, { projection: rowFields }).sort({ l: order });
      return (await found.limit(Math.min(limit, 2 ** 31 - 1)).toArray()).map(rowOf);
    });
  }

  /** Every place once: while an erasure is applied, a version may stand beside its place. */
  private async places(from: number, until: number, projection: object): Promise<VersionDocument[]> {
    const end = Math.min(until, this.newest.leafCount);
    const filter = allOf([{ l: { $gte: Math.max(0, from), $lt: end } }]);
    const found = await guarded(() => this.store.version.find(filter, { projection }).sort({ l: 1 }).toArray());
    const byLeaf = new Map<number, VersionDocument>();
    for (const document of found)
      if (document.x !== undefined || !byLeaf.has(document.l)) byLeaf.set(document.l, document);
    return [...byLeaf.values()];
  }

  /** Two servers that set the same key for the first time: one of them sets it again. */
  private async retried(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      if (!isDuplicate(error)) throw error;
      await work();
    }
  }
}

function isVisible({ s }: VersionDocument, asOf: number): boolean {
  return s <= asOf;
}
