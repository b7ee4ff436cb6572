/**
 * Port: what the authorization server remembers (accounts, apps, grants, sessions, tokens, used proofs), as sealed entries under blinded names.
 *
 * Durability: `put` may lose its last moments in a power cut (somebody signs in again), never in a crash of the process. `remove`, `removeGroup`,
 *   `consume` and `putNew` are durable on resolve: what was revoked or used stays so.
 * Consistency: every method sees what was written before it, by whichever server; `putNew` and `consume` are atomic: of two callers one wins.
 * Concurrency: any number of calls and servers at once.
 * Trust: none for content. Names are HMACs, contents are sealed by sealed-store.ts; who owns the store can delete entries and count them.
 */

/** What an entry is, such as `AccessToken` or `Account`: the one thing that is not blinded. */
export type Kind = string;

export interface StoredEntry {
  /** Blinded name, unique within its kind. */
  readonly key: string;
  readonly sealed: Uint8Array;
  /** Milliseconds since 1970; absent: kept until removed. */
  readonly expiresAt?: number;
  /** Blinded name of the grant that it belongs to, so that all of it can be revoked at once. */
  readonly group?: string;
  /** A second blinded name, unique within its kind. */
  readonly alias?: string;
  /** When it was used up, milliseconds since 1970. */
  readonly consumedAt?: number;
}

/** Answers that are at hand are given at once, so that hot paths need not wait. */
export type Sooner<T> = T | Promise<T>;

/** The store cannot be asked: nobody is let in, and nobody is refused for it. */
export class SmartStoreUnavailable extends Error {
  override readonly name = 'SmartStoreUnavailable';
}

export interface SmartStore {
  /** Adds or replaces. */
  put(kind: Kind, entry: StoredEntry): Promise<void>;
  /** Adds unless an entry of this name is there that has not expired. @returns false when one is there. */
  putNew(kind: Kind, entry: StoredEntry, now: number): Promise<boolean>;
  /** Expired entries may still be returned. */
  get(kind: Kind, key: string): Sooner<StoredEntry | undefined>;
  getByAlias(kind: Kind, alias: string): Sooner<StoredEntry | undefined>;
  /** Marks as used up. @returns false when it is missing or was used up before. */
  consume(kind: Kind, key: string, now: number): Promise<boolean>;
  remove(kind: Kind, key: string): Promise<void>;
  /** Removes every entry of the group, of whatever kind. */
  removeGroup(group: string): Promise<void>;
  list(kind: Kind): Promise<StoredEntry[]>;
  /** Every kind of which there is an entry: to copy all of them elsewhere. */
  kinds(): Promise<Kind[]>;
  /** Drops what expired before `now`. */
  removeExpired(now: number): Promise<void>;
  close(): Promise<void>;
}
