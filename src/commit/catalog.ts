/**
 * Port: the ordered commit log and the blind index over it.
 *
 * Durability: when `append` resolves, the entries survive power loss; they are all there or none is.
 * Consistency: sequence numbers start at 1 and have no gaps. A reader that got `head()` = t sees exactly the entries 1..t, for ever:
 *   every query takes `asOf` and answers the state after that entry. When `append` resolves, `head()` covers its entries.
 * Concurrency: one `append` at a time per process (the committer's loop sees to it); several processes may append to one catalog:
 *   the loser gets AppendConflict and evaluates again. Any number of readers.
 * Trust: none for contents. Holds digests, wrapped keys, sequence numbers, times, blinded terms and sealed headers; an owner can hide rows,
 *   see which terms are equal, and see access patterns.
 */
import type { BlockDigest, Term } from '../base/ids.js';
import type { Locks } from './locks.js';
import type { Plan } from '../fhir/search/plan.js';

/**
 * Terms are kept, and compared, by so many of their first bytes: that makes an index a sixth smaller. That any two of 100,000,000 different
 * terms meet has a probability of 4 in 1,000,000,000. What an export hands out has zeros in the place of the rest.
 */
export const termKeyBytes = 10;

/** A data key wrapped by the key of one compartment. */
export interface KeyWrap {
  /** Blind name of the compartment (16 bytes): of a patient, or of the server for resources of no patient. */
  readonly compartment: Term;
  /** The 32-byte data key wrapped by the compartment key: 40 bytes (RFC 3394). */
  readonly wrapped: Uint8Array;
}

/**
 * A compartment key, wrapped by the master key; stored with the first entry that uses it. While keys are rotated: the newest wrap, then those
 * before it, 44 bytes each.
 */
export interface CompartmentKey {
  readonly compartment: Term;
  readonly wrapped: Uint8Array;
}

/** One resource version as the log and index hold it. */
export interface VersionRecord {
  /** Blind name of `Type/id`, 16 bytes. */
  readonly resource: Term;
  /** 1 for the first version; a deletion is a version too. */
  readonly versionId: number;
  readonly isDeleted: boolean;
  /** Milliseconds since 1970; never less than the entry before. */
  readonly lastUpdated: number;
  /** Digest of the sealed block; absent for a deletion. */
  readonly block?: BlockDigest;
  /** One for each compartment that the resource is in, at least one; empty for a deletion. */
  readonly keyWraps: readonly KeyWrap[];
  /** Sealed header (see commit/header.ts): type, id, versionId, consent attributes, opening of the leaf. */
  readonly header: Uint8Array;
  /** Leaf of the anchored log, 32 bytes (RFC 6962 leaf hash). */
  readonly leaf: Uint8Array;
  /** Sorted, distinct terms, 16 bytes each, packed; empty for a deletion except the history terms. */
  readonly terms: Uint8Array;
  /** References out of this version: `param` names the search parameter (blind), `target` the resource (blind name of `Type/id`). */
  readonly links: readonly Link[];
  /** Only in what an export gives and a restore appends: a version that was erased. Of the rest, `lastUpdated` and `leaf` alone count. */
  readonly isErased?: boolean;
}

export interface Link {
  readonly param: Term;
  readonly target: Term;
}

/** A link out of the version at `leafIndex`. */
export interface LinkOf extends Link {
  readonly leafIndex: number;
}

/** What one commit adds. An entry is atomic: its versions become visible together. */
export interface Entry {
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly versions: readonly VersionRecord[];
  readonly newKeys: readonly CompartmentKey[];
  /** What this entry erases. Takes the leaf after those of `versions`: the tombstone. */
  readonly erasure?: Erasure;
}

/**
 * What is destroyed, for good, in the same atomic step as the entry is appended.
 *
 * An erased version has no name any more: `current`, `version`, `history`, `search`, `count`, `linksOf`, `targetsOf` do not know it, as of any entry.
 * `leaves` still has its leaf, so that proofs of others hold; `versionsByLeaf` has its place (VersionRow.isErased). Its key wraps, sealed header (which has
 * the leaf's salt), block digest, terms, links and blind name are gone from tables, logs and journals of the store when `sweep` resolves.
 * When every version of a resource is erased, its name is free: the next one is version 1.
 */
export interface Erasure {
  /** 32 bytes: leaf of the tombstone. */
  readonly leaf: Uint8Array;
  /** leafIndexes of the versions, ascending; of earlier entries. Those that are erased already are passed over. */
  readonly leaves: readonly number[];
  /** Compartments whose keys are destroyed. */
  readonly compartments: readonly Term[];
  /** Blocks that the block store has to delete (chunks too). The catalog remembers them until `erasures` is asked. */
  readonly blocks: readonly BlockDigest[];
  /** Keys of small state that goes too. */
  readonly states: readonly string[];
}

/** An erasure as the log has it. */
export interface LoggedErasure extends Erasure {
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Place of the tombstone. */
  readonly leafIndex: number;
}

/** New values of what a version is found and opened by. What is absent stays. */
export interface VersionAmendment {
  readonly leafIndex: number;
  readonly header?: Uint8Array;
  readonly keyWraps?: readonly KeyWrap[];
  /** Packed, 16 bytes each; terms that it has already, or has not, are passed over. */
  readonly addTerms?: Uint8Array;
  readonly removeTerms?: Uint8Array;
  readonly addLinks?: readonly Link[];
  readonly removeLinks?: readonly Link[];
}

/** A change of the index, never of the log: terms made anew, keys wrapped anew. Versions that are erased or unknown are passed over. */
export interface Amendment {
  readonly versions?: readonly VersionAmendment[];
  /** Compartment keys to set in place of what is there. Compartments without a key are passed over, unless `addsKeys`. */
  readonly keys?: readonly CompartmentKey[];
  /** For a restore. */
  readonly addsKeys?: boolean;
  /** How far the procedure has come: durable no earlier than the rest. */
  readonly state?: StateValue;
}

export interface StateValue {
  readonly key: string;
  readonly value: Uint8Array;
}

/** A version as a query finds it. */
export interface VersionRow {
  readonly resource: Term;
  readonly versionId: number;
  readonly isDeleted: boolean;
  readonly lastUpdated: number;
  readonly block?: BlockDigest;
  readonly keyWraps: readonly KeyWrap[];
  readonly header: Uint8Array;
  /** 0-based index of its leaf in the anchored log; grows in log order, so it also serves as a position for paging. */
  readonly leafIndex: number;
  /** Sequence number of the entry that wrote it. */
  readonly seq: number;
  /** Only from `versionsByLeaf`: the place of an erased version or (`isTombstone`) of the tombstone of an erasure. Has no name, wraps or header. */
  readonly isErased?: boolean;
  readonly isTombstone?: boolean;
}

export interface Head {
  /** Sequence number of the newest entry; 0 when there is none. */
  readonly seq: number;
  /** How many leaves the log has: resource versions, and a tombstone an erasure. */
  readonly leafCount: number;
  /** `lastUpdated` of the newest entry; 0 when there is none. */
  readonly time: number;
}

/** Which current versions a search wants, in which order. */
export interface SearchRequest {
  readonly plan: Plan;
  /** The state after this entry is searched. */
  readonly asOf: number;
  /** By leafIndex; `newest` first is the default order of answers. */
  readonly order: 'newest' | 'oldest';
  /** Go on behind this leafIndex; absent: from the start. */
  readonly after?: number;
  readonly limit: number;
}

/** Which versions a history wants, newest first. */
export interface HistoryRequest {
  /** One resource, or all whose type term matches, or (absent) the whole system. */
  readonly resource?: Term;
  readonly type?: Term;
  readonly asOf: number;
  /** Only versions with `lastUpdated` >= since (milliseconds). */
  readonly since?: number;
  readonly before?: number;
  readonly limit: number;
}

/** What another server appended. */
export interface News {
  /** Versions that are there (erased ones are not), in log order. */
  readonly rows: readonly VersionRow[];
  readonly erasures: readonly LoggedErasure[];
}

export interface Catalog {
  head(): Head;

  /**
   * Where several servers share one catalog: learns what others appended, so that `head()` covers everything that anyone was told of before this
   * call. Absent where one process alone writes.
   * @throws CatalogUnavailable
   */
  refresh?(): Promise<void>;

  /** Where `refresh` is: what other servers append is told to `listener`, and awaited, before `head()` covers it. */
  follow?(listener: (news: News) => Promise<void>): void;

  /**
   * Where `refresh` is: appends an entry without versions. Every other server is told of it (`follow`) before it appends anything behind it: what
   * was put into small state before is known to whoever writes after. Call it with nothing else being appended by this process.
   * @throws CatalogUnavailable
   */
  announce?(): Promise<void>;

  /** Where `refresh` is: who does what one server alone may do. */
  readonly locks?: Locks;

  /**
   * The commit point: entries, index rows and keys, in one atomic durable step.
   * @throws AppendConflict when `entries[0].seq` is not head().seq + 1; CatalogUnavailable when it could not be known to be durable.
   */
  append(entries: readonly Entry[]): Promise<void>;

  /** The version of a resource that is current after entry `asOf`, also when it is a deletion; undefined when there is none. */
  current(resource: Term, asOf: number): VersionRow | undefined | Promise<VersionRow | undefined>;

  /** The same for many resources at once, in any order; those that are not known are left out. */
  currentOf(resources: readonly Term[], asOf: number): VersionRow[] | Promise<VersionRow[]>;

  version(resource: Term, versionId: number): VersionRow | undefined | Promise<VersionRow | undefined>;

  history(request: HistoryRequest): VersionRow[] | Promise<VersionRow[]>;

  /** Nothing is listed twice. @throws SearchTooCostly when too many candidates would have to be looked at (the adapter documents its limit). */
  search(request: SearchRequest): VersionRow[] | Promise<VersionRow[]>;

  /** How many a search finds in all; counting ends at `limit`. @throws SearchTooCostly */
  count(plan: Plan, asOf: number, limit?: number): number | Promise<number>;

  /** Links of versions (by leafIndex), those of each version together; `params` empty: all. */
  linksOf(leafIndexes: readonly number[], params: readonly Term[]): LinkOf[] | Promise<LinkOf[]>;

  /** The resources that versions (by leafIndex) link to under any parameter, each once. */
  targetsOf(leafIndexes: readonly number[]): Term[] | Promise<Term[]>;

  /** The wrapped key of a compartment, newest state. */
  compartmentKey(compartment: Term): Uint8Array | undefined | Promise<Uint8Array | undefined>;

  /** Leaves [from, until) of the anchored log, 32 bytes each, packed. */
  leaves(from: number, until: number): Uint8Array | Promise<Uint8Array>;

  /** Versions by leafIndex [from, until), in order: what an anchorer, fsck or a backup walks. */
  versionsByLeaf(from: number, until: number): VersionRow[] | Promise<VersionRow[]>;

  /** Small durable state of the loops (anchoring outbox, consent publisher), by key. Durable on resolve. */
  getState(key: string): Uint8Array | undefined | Promise<Uint8Array | undefined>;
  putState(key: string, value: Uint8Array): Promise<void>;

  /**
   * Durable on resolve. Where the store has transactions, all of it or nothing; else repeating it after a failure ends in the same state, and
   * `state` is written last. Searches that run meanwhile see each version as it was or as it is.
   * @throws CatalogUnavailable, also when it may have been done.
   */
  amend(amendment: Amendment): Promise<void>;

  /** The erasures of the entries from `fromSeq` on, in order. */
  erasures(fromSeq: number): LoggedErasure[] | Promise<LoggedErasure[]>;

  /**
   * Removes what erasures left lying in the store (terms, free pages, journals), and the digests of deleted blocks. Call it after an erasure and after
   * its blocks are deleted, and at start when `erasures` says that one was not finished; repeating it changes nothing.
   */
  sweep(): Promise<void>;

  /** Keys of compartments, each once, in an order of the store's own: those that follow `after`. */
  compartmentKeys(after: Term | undefined, limit: number): CompartmentKey[] | Promise<CompartmentKey[]>;

  /** Small state in the order of its keys, after `after`. */
  states(after: string | undefined, limit: number): StateValue[] | Promise<StateValue[]>;

  /**
   * The entries [from, until) as `append` takes them, in order, each with what the index holds of it now; `newKeys` are empty (compartmentKeys has
   * them). What a backup and a migration read. Entries appended meanwhile are not seen; an erasure or amendment meanwhile may or may not be.
   */
  entries(from: number, until: number): AsyncIterable<Entry>;

  /** Rows and bytes, for metrics and bench. */
  size(): Promise<{ versions: number; terms: number; sizeBytes: number }>;

  close(): Promise<void>;
}

export class AppendConflict extends Error {
  override readonly name = 'AppendConflict';
}

export class CatalogUnavailable extends Error {
  override readonly name = 'CatalogUnavailable';
}

/** A search was ended because it had to look at too many candidates. */
export class SearchTooCostly extends Error {
  override readonly name = 'SearchTooCostly';
  constructor(readonly scanned: number) {
    super(`the search looked at ${scanned} candidates without an end; narrow it down`);
  }
}
