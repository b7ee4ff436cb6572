/** The collections of the catalog on MongoDB, and their indexes. */
import {
  MongoBulkWriteError,
  MongoServerError,
  type Collection,
  type Db,
  type IndexDescription,
  type MongoClient,
} from 'mongodb';
import {
  connectMongo,
  declareIndexes,
  duplicateKey,
  isDuplicate,
  isMongoError,
  type MongoOptions,
} from '../../base/mongo.js';
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

const timeExceeded = 50;

/** Beside `_id`: what searches, histories and the anchorer ask by. Each ends in `l`, so that answers come in order. */
const indexes: readonly IndexDescription[] = [
  { key: { l: 1 }, name: 'leaf' },
  { key: { t: 1, l: -1 }, name: 'term_leaf' },
  { key: { k: 1, l: -1 }, name: 'link_leaf' },
  { key: { r: 1, l: -1 }, name: 'resource_leaf' },
  { key: { s: 1 }, name: 'entry' },
  { key: { m: 1 }, name: 'updated' },
];

/** Connects, and declares the indexes. @throws CatalogUnavailable */
export function openMongoStore(options: MongoOptions): Promise<MongoStore> {
  return guarded(() =>
    connectMongo(options, { maxPoolSize: 32, answerTimeoutMs: 60_000 }, async (client, db) => {
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
      await declareIndexes(db, store.version, indexes);
      return store;
    }),
  );
}

/** What the driver throws, as the port says it. */
export async function guarded<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof CatalogUnavailable || error instanceof SearchTooCostly || isDuplicate(error)) throw error;
    if (error instanceof MongoServerError && error.code === timeExceeded) throw new SearchTooCostly(0);
    if (isMongoError(error)) throw new CatalogUnavailable(`MongoDB: ${error.message}`);
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
