/**
 * Catalog on MongoDB, or any server that speaks its wire protocol; transactions are not needed. Several server processes write at once.
 *
 * The log decides (log.ts): an append is one document whose `_id` is the next sequence number. Then its entries are applied to the index
 * (applier.ts), and the document is marked; `head()` is the newest marked one (log-follower.ts).
 *
 * A search of which one query takes longer than 15 seconds, or that follows links over more than `scanLimit` candidates, is too costly.
 */
import type { Term } from '../../base/ids.js';
import { isDuplicate, type MongoOptions } from '../../base/mongo.js';
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
  News,
  SearchRequest,
  StateValue,
  VersionRow,
} from '../catalog.js';
import { amend, putState } from './amending.js';
import { allOf, type VersionFilter } from './conditions.js';
import { CurrentVersions } from './current-versions.js';
import { bytesOf, linkOf, nameBytes, nameText, rowOf, termText, type VersionDocument } from './documents.js';
import { loggedErasures } from './erasing.js';
import { exportEntries } from './exporter.js';
import { LogFollower } from './log-follower.js';
import { MongoLocks } from './locks.js';
import { MongoSearcher, rowFields } from './search.js';
import { guarded, openMongoStore, type MongoStore } from './store.js';

export interface MongoCatalogOptions extends MongoOptions {
  readonly scanLimit?: number;
  /** How often a server without requests looks for what others appended; default 250 ms. */
  readonly pollMs?: number;
}

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

export class MongoCatalog implements Catalog {
  readonly locks: MongoLocks;
  private readonly log: LogFollower;
  private readonly currents: CurrentVersions;
  private readonly searcher: MongoSearcher;
  private isClosed = false;

  constructor(
    private readonly store: MongoStore,
    scanLimit: number,
    pollMs: number,
  ) {
    this.log = new LogFollower(store, pollMs, () => this.currents.forgetAll());
    this.currents = new CurrentVersions(store, () => this.log.head);
    this.locks = new MongoLocks(store);
    this.searcher = new MongoSearcher(store, scanLimit);
  }

  /** Called once, by openMongoCatalog. */
  start(): Promise<void> {
    return this.log.start();
  }

  head(): Head {
    return this.log.head;
  }

  refresh(): Promise<void> {
    return this.log.refresh();
  }

  follow(listener: (news: News) => Promise<void>): void {
    this.log.follow(listener);
  }

  announce(): Promise<void> {
    return this.log.announce();
  }

  async append(entries: readonly Entry[]): Promise<void> {
    if (entries.length === 0) return;
    await this.log.append(entries, () => {
      for (const { versions } of entries) for (const { resource } of versions) this.currents.forget(resource);
      if (entries.some(({ erasure }) => erasure !== undefined)) this.currents.forgetAll();
    });
  }

  current(resource: Term, asOf: number): Promise<VersionRow | undefined> {
    return this.currents.get(resource, asOf);
  }

  async currentOf(resources: readonly Term[], asOf: number): Promise<VersionRow[]> {
    if (resources.length <= pointLookUps) {
      const rows = await Promise.all(resources.map((resource) => this.current(resource, asOf)));
      return rows.filter((row) => row !== undefined);
    }
    return this.rows({ r: { $in: resources.map(nameText) }, s: { $lte: asOf }, u: { $gt: asOf } }, -1, Infinity);
  }

  async version(resource: Term, number: number): Promise<VersionRow | undefined> {
    const document = await this.currents.document(nameText(resource), number);
    return document === undefined || document.l < 0 || document.s > this.head().seq ? undefined : rowOf(document);
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

  async targetsOf(leafIndexes: readonly number[]): Promise<Term[]> {
    const links = await this.linksOf(leafIndexes, []);
    return [...new Map(links.map(({ target }) => [nameText(target), target])).values()];
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
      await this.retried(() => amend(this.store, amendment, (task) => this.log.inTurn(task)));
    } finally {
      this.currents.forgetAll();
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
    // The order of the names as text, which is not that of their bytes.
    const filter = after === undefined ? {} : { _id: { $gt: nameText(after) } };
    const found = await guarded(() => this.store.key.find(filter).sort({ _id: 1 }).limit(limit).toArray());
    return found.map(({ _id, value }) => ({ compartment: nameBytes(_id), wrapped: bytesOf(value) }));
  }

  async states(after: string | undefined, limit: number): Promise<StateValue[]> {
    const filter = after === undefined ? {} : { _id: { $gt: after } };
    const found = await guarded(() => this.store.state.find(filter).sort({ _id: 1 }).limit(limit).toArray());
    return found.map(({ _id, value }) => ({ key: _id, value: bytesOf(value) }));
  }

  entries(from: number, until: number): AsyncIterable<Entry> {
    return exportEntries(this.store, from, Math.min(until, this.head().seq + 1));
  }

  async size(): Promise<{ versions: number; terms: number; sizeBytes: number }> {
    const sample = await guarded(() =>
      this.store.version.find({ t: { $exists: true } }, { projection: { t: 1 }, limit: 1_000 }).toArray(),
    );
    const terms = sample.reduce((sum, { t = [] }) => sum + t.length, 0);
    const versions = this.head().leafCount;
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
    await this.log.close();
    await this.locks.release().catch(() => undefined);
    await this.store.client.close();
  }

  private rows(filter: VersionFilter, order: 1 | -1, limit: number): Promise<VersionRow[]> {
    return guarded(async () => {
      const found = this.store.version.find(filter, { projection: rowFields }).sort({ l: order });
      return (await found.limit(Math.min(limit, 2 ** 31 - 1)).toArray()).map(rowOf);
    });
  }

  /** Every place once: while an erasure is applied, a version may stand beside its place. */
  private async places(from: number, until: number, projection: object): Promise<VersionDocument[]> {
    const end = Math.min(until, this.head().leafCount);
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
