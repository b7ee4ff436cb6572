/** The connection to a MongoDB (or a server that speaks its wire protocol), its collections and indexes. */
import {
  MongoClient,
  MongoBulkWriteError,
  MongoNetworkError,
  MongoServerError,
  type Collection,
  type Db,
  type IndexDescription,
} from 'mongodb';
import { CatalogUnavailable, SearchTooCostly } from '../catalog.js';
import type { LockDocument } from './locks.js';
import type {
  ErasureDocument,
  KeyDocument,
  LogDocument,
  PartDocument,
  ValueDocument,
  VersionDocument,
} from './documents.js';

export interface MongoStore {
  readonly client: MongoClient;
  readonly db: Db;
  readonly log: Collection<LogDocument>;
  readonly part: Collection<PartDocument>;
  readonly version: Collection<VersionDocument>;
  readonly key: Collection<KeyDocument>;
  readonly state: Collection<ValueDocument>;
  readonly erasure: Collection<ErasureDocument>;
  readonly lock: Collection<LockDocument>;
}

export interface MongoOptions {
  /** `mongodb://...` or `mongodb+srv://...`; may name the database. */
  readonly url: string;
  /** Where the URL names none; default `mooring`. */
  readonly database?: string;
  /** Bound on finding a server, and on one answer; default 5,000. */
  readonly timeoutMs?: number;
}

const duplicateKey = 11_000;
const timeExceeded = 50;

/** Connects, and declares the indexes. @throws CatalogUnavailable */
export async function openMongoStore({ url, database, timeoutMs = 5_000 }: MongoOptions): Promise<MongoStore> {
  const client = new MongoClient(url, {
    serverSelectionTimeoutMS: timeoutMs,
    connectTimeoutMS: timeoutMs,
    socketTimeoutMS: Math.max(timeoutMs, 60_000),
    maxPoolSize: 32,
    // What is read here decides what is written: always the primary, and only what a majority has.
    readPreference: 'primary',
    readConcern: { level: 'majority' },
    writeConcern: { w: 'majority', journal: true },
    promoteBuffers: true,
  });
  try {
    return await guarded(async () => {
      await client.connect();
      const named = client.db();
      const db = client.db(database ?? (named.databaseName === 'test' ? 'mooring' : named.databaseName));
      const store: MongoStore = {
        client,
        db,
        log: db.collection('log'),
        part: db.collection('part'),
        version: db.collection('version'),
        key: db.collection('key'),
        state: db.collection('state'),
        erasure: db.collection('erasure'),
        lock: db.collection('lock'),
      };
      await patiently(() => declareIndexes(store));
      return store;
    });
  } catch (error) {
    await client.close().catch(() => undefined);
    throw error;
  }
}

/** Beside `_id`: what searches, histories and the anchorer ask by. Each ends in `l`, so that answers come in order. */
const indexes: readonly IndexDescription[] = [
  { key: { l: 1 }, name: 'leaf' },
  { key: { t: 1, l: -1 }, name: 'term_leaf' },
  { key: { k: 1, l: -1 }, name: 'link_leaf' },
  { key: { r: 1, l: -1 }, name: 'resource_leaf' },
  { key: { s: 1 }, name: 'entry' },
  { key: { m: 1 }, name: 'updated' },
];

/** Several servers that start together declare the same indexes; some engines drop the connection of the second. Declaring again is harmless. */
async function patiently(declare: () => Promise<void>, attempts = 5): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await declare();
    } catch (error) {
      if (!(error instanceof MongoNetworkError) || attempt === attempts) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200 * attempt));
    }
  }
}

async function declareIndexes({ db, version }: MongoStore): Promise<void> {
  const collections = await db.listCollections({ name: version.collectionName }, { nameOnly: true }).toArray();
  const known = collections.length === 0 ? [] : await version.indexes();
  const missing = indexes.filter(({ name }) => !known.some((index) => index.name === name));
  if (missing.length > 0) await version.createIndexes([...missing]);
}

export function isDuplicate(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === duplicateKey;
}

/** What the driver throws, as the port says it. */
export async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CatalogUnavailable || error instanceof SearchTooCostly || isDuplicate(error)) throw error;
    if (error instanceof MongoServerError && error.code === timeExceeded) throw new SearchTooCostly(0);
    if (error instanceof Error && (error.name.startsWith('Mongo') || 'errorLabels' in error)) {
      throw new CatalogUnavailable(`MongoDB: ${error.message}`);
    }
    throw error;
  }
}

/**
 * Inserts what is not there yet.
 * @returns those that were inserted by this call.
 */
export async function insertMissing<T extends { readonly _id: string }>(
  collection: Collection<T>,
  documents: readonly T[],
): Promise<T[]> {
  if (documents.length === 0) return [];
  try {
    await collection.insertMany(documents as unknown as Parameters<typeof collection.insertMany>[0], {
      ordered: false,
    });
    return [...documents];
  } catch (error) {
    if (!(error instanceof MongoBulkWriteError)) {
      if (isDuplicate(error) && documents.length === 1) return [];
      throw error;
    }
    const failures = Array.isArray(error.writeErrors) ? error.writeErrors : [error.writeErrors];
    if (failures.some(({ code }) => code !== duplicateKey)) throw error;
    const failed = new Set(failures.map(({ index }) => index));
    return documents.filter((_, index) => !failed.has(index));
  }
}
