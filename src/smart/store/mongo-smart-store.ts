/**
 * SmartStore on MongoDB (or a server that speaks its wire protocol): several servers behind one name share accounts, grants and tokens.
 *
 * One document an entry; `_id` is kind and name, so that of two servers that add one wins. What is used up gets a document of its own under the same
 * `_id`: of two that use it, one inserts. Nothing needs a transaction or an atomic update: inserting a key twice fails everywhere. Reads are of the primary and of what a majority has: what one server revoked, no other takes for valid.
 */
import { Binary, type Collection, type Filter, type IndexDescription, type MongoClient } from 'mongodb';
import {
  connectMongo,
  declareIndexes,
  insertNew,
  isDuplicate,
  isMongoError,
  type MongoOptions,
} from '../../base/mongo.js';
import { SmartStoreUnavailable, type Kind, type SmartStore, type StoredEntry } from './smart-store.js';

interface EntryDocument {
  /** `kind/key` */
  readonly _id: string;
  readonly kind: Kind;
  readonly sealed: Binary;
  /** Milliseconds since 1970. */
  readonly expires?: number;
  readonly group?: string;
  /** `kind/alias` */
  readonly alias?: string;
  readonly consumed?: number;
}

/** That an entry was used up. */
interface UsedDocument {
  /** Of the entry. */
  readonly _id: string;
  readonly group?: string;
  readonly expires?: number;
}

const ascending = 1;
/** When it was used up is not known: milliseconds since 1970, more than a second. */
const longAgo = 1_000;
const usedIndexes: readonly IndexDescription[] = [
  { key: { group: ascending }, name: 'group' },
  { key: { expires: ascending }, name: 'expires' },
];
const indexes: readonly IndexDescription[] = [
  { key: { kind: ascending }, name: 'kind' },
  { key: { alias: ascending }, name: 'alias' },
  ...usedIndexes,
];

/** Connects, and declares the indexes. @throws SmartStoreUnavailable */
export function openMongoSmartStore(options: MongoOptions): Promise<SmartStore> {
  return guarded(() =>
    connectMongo(options, { maxPoolSize: 16 }, async (client, db) => {
      const entries = db.collection<EntryDocument>('smart');
      const used = db.collection<UsedDocument>('smartUsed');
      await declareIndexes(db, entries, indexes);
      await declareIndexes(db, used, usedIndexes);
      return new MongoSmartStore(client, entries, used);
    }),
  );
}

class MongoSmartStore implements SmartStore {
  constructor(
    private readonly client: MongoClient,
    private readonly entries: Collection<EntryDocument>,
    private readonly used: Collection<UsedDocument>,
  ) {}

  async put(kind: Kind, entry: StoredEntry): Promise<void> {
    const document = documentOf(kind, entry);
    await guarded(async () => {
      try {
        await this.entries.replaceOne({ _id: document._id }, document, { upsert: true });
      } catch (error) {
        // Another server added it between the look and the insert: now it is there to be replaced.
        if (!isDuplicate(error)) throw error;
        await this.entries.replaceOne({ _id: document._id }, document, { upsert: true });
      }
    });
  }

  async putNew(kind: Kind, entry: StoredEntry, now: number): Promise<boolean> {
    const document = documentOf(kind, entry);
    return guarded(async () => {
      if (await insertNew(this.entries, document)) return true;
      // What has expired makes room; whoever removes it first, one insert wins.
      await this.entries.deleteOne({ _id: document._id, expires: { $lte: now } });
      return insertNew(this.entries, document);
    });
  }

  get(kind: Kind, key: string): Promise<StoredEntry | undefined> {
    return this.one({ _id: idOf(kind, key) });
  }

  getByAlias(kind: Kind, alias: string): Promise<StoredEntry | undefined> {
    return this.one({ alias: idOf(kind, alias) });
  }

  consume(kind: Kind, key: string, now: number): Promise<boolean> {
    return guarded(async () => {
      const found = await this.entries.findOne({ _id: idOf(kind, key) });
      if (found === null || found.consumed !== undefined) return false;
      const { _id, group, expires } = found;
      const mark = { _id, ...(group === undefined ? {} : { group }), ...(expires === undefined ? {} : { expires }) };
      if (!(await insertNew(this.used, mark))) return false;
      // A crash here leaves it used up all the same: the next one finds the mark.
      await this.entries.updateOne({ _id }, { $set: { consumed: now } });
      return true;
    });
  }

  async remove(kind: Kind, key: string): Promise<void> {
    await this.each((collection) => collection.deleteMany({ _id: idOf(kind, key) }));
  }

  async removeGroup(group: string): Promise<void> {
    await this.each((collection) => collection.deleteMany({ group }));
  }

  list(kind: Kind): Promise<StoredEntry[]> {
    return guarded(async () => {
      const found = await this.entries.find({ kind }).sort({ _id: 1 }).toArray();
      const unused = found.filter(({ consumed }) => consumed === undefined).map(({ _id }) => _id);
      const marks = unused.length === 0 ? [] : await this.used.find({ _id: { $in: unused } }).toArray();
      // Used up by a server that died before the entry said so, and when.
      const used = new Set(marks.map(({ _id }) => _id));
      return found.map((document) => entryOf(used.has(document._id) ? { ...document, consumed: longAgo } : document));
    });
  }

  kinds(): Promise<Kind[]> {
    return guarded(async () => (await this.entries.distinct('kind')).sort());
  }

  async removeExpired(now: number): Promise<void> {
    await this.each((collection) => collection.deleteMany({ expires: { $lte: now } }));
  }

  close(): Promise<void> {
    return this.client.close();
  }

  private one(filter: Filter<EntryDocument>): Promise<StoredEntry | undefined> {
    return guarded(async () => {
      const found = await this.entries.findOne(filter);
      return found === null ? undefined : entryOf(found);
    });
  }

  /** Entries first: what was used up stays so until it is gone. */
  private each(work: (collection: Collection<UsedDocument>) => Promise<unknown>): Promise<void> {
    return guarded(async () => {
      await work(this.entries as unknown as Collection<UsedDocument>);
      await work(this.used);
    });
  }
}

function idOf(kind: Kind, key: string): string {
  return `${kind}/${key}`;
}

function documentOf(kind: Kind, { key, sealed, expiresAt, group, alias, consumedAt }: StoredEntry): EntryDocument {
  return {
    _id: idOf(kind, key),
    kind,
    sealed: new Binary(sealed),
    ...(expiresAt === undefined ? {} : { expires: expiresAt }),
    ...(group === undefined ? {} : { group }),
    ...(alias === undefined ? {} : { alias: idOf(kind, alias) }),
    ...(consumedAt === undefined ? {} : { consumed: consumedAt }),
  };
}

function entryOf({ _id, kind, sealed, expires, group, alias, consumed }: EntryDocument): StoredEntry {
  const bytes = sealed as Binary | Uint8Array;
  return {
    key: _id.slice(kind.length + 1),
    sealed: bytes instanceof Binary ? bytes.value() : bytes,
    ...(expires === undefined ? {} : { expiresAt: expires }),
    ...(group === undefined ? {} : { group }),
    ...(alias === undefined ? {} : { alias: alias.slice(kind.length + 1) }),
    ...(consumed === undefined ? {} : { consumedAt: consumed }),
  };
}

/** What the driver throws, as the port says it. */
async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isMongoError(error)) throw new SmartStoreUnavailable(`MongoDB: ${error.message}`);
    throw error;
  }
}
