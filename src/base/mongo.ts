/** A connection to a MongoDB (or a server that speaks its wire protocol), as every store on it needs one. */
import { MongoClient, MongoServerError, type Collection, type Db, type IndexDescription } from 'mongodb';
import { setTimeout as pause } from 'node:timers/promises';

export interface MongoOptions {
  /** `mongodb://...` or `mongodb+srv://...`; may name the database. */
  readonly url: string;
  /** Where the URL names none; default `mooring`. */
  readonly database?: string;
  /** Bound on finding a server, and on one answer; default 5,000. */
  readonly timeoutMs?: number;
}

export interface MongoPool {
  readonly maxPoolSize: number;
  /** Answers may take this long at least, whatever `timeoutMs` says; default 0. */
  readonly answerTimeoutMs?: number;
}

/**
 * Connects and opens what is on the database; where that fails, nothing stays connected.
 *
 * What is read decides what is written: always of the primary, and only what a majority has.
 */
export async function connectMongo<T>(
  { url, database, timeoutMs = 5_000 }: MongoOptions,
  { maxPoolSize, answerTimeoutMs = 0 }: MongoPool,
  open: (client: MongoClient, db: Db) => Promise<T>,
): Promise<T> {
  const client = new MongoClient(url, {
    serverSelectionTimeoutMS: timeoutMs,
    connectTimeoutMS: timeoutMs,
    socketTimeoutMS: Math.max(timeoutMs, answerTimeoutMs),
    maxPoolSize,
    readPreference: 'primary',
    readConcern: { level: 'majority' },
    writeConcern: { w: 'majority', journal: true },
    promoteBuffers: true,
  });
  try {
    await client.connect();
    const named = client.db().databaseName;
    return await open(client, client.db(database ?? (named === 'test' ? 'mooring' : named)));
  } catch (error) {
    await client.close().catch(() => undefined);
    throw error;
  }
}

/** Servers that start together declare the same indexes; some engines drop the connection of the second. Declaring again is harmless. */
export async function declareIndexes<T extends object>(
  db: Db,
  collection: Collection<T>,
  wanted: readonly IndexDescription[],
  attempts = 5,
): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      const there = await db.listCollections({ name: collection.collectionName }, { nameOnly: true }).toArray();
      const known = there.length === 0 ? [] : await collection.indexes();
      const missing = wanted.filter(({ name }) => !known.some((index) => index.name === name));
      if (missing.length > 0) await collection.createIndexes(missing);
      return;
    } catch (error) {
      if (!isMongoError(error) || attempt === attempts) throw error;
      await pause((100 + 300 * Math.random()) * attempt);
    }
  }
}

export const duplicateKey = 11_000;

/** An `_id` or a unique value is there already. */
export function isDuplicate(error: unknown): boolean {
  return error instanceof MongoServerError && error.code === duplicateKey;
}

/** Of the driver: its own errors, and those of the network that it labels. */
export function isMongoError(error: unknown): error is Error {
  return error instanceof Error && (error.name.startsWith('Mongo') || 'errorLabels' in error);
}

/** Inserts a document of a new `_id`. @returns false when one of this `_id` is there. */
export async function insertNew<T extends { readonly _id: string }>(
  collection: Collection<T>,
  document: T,
): Promise<boolean> {
  try {
    await collection.insertOne(document as Parameters<typeof collection.insertOne>[0]);
    return true;
  } catch (error) {
    if (isDuplicate(error)) return false;
    throw error;
  }
}
