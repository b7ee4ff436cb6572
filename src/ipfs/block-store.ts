/**
 * Port: where sealed blocks lie.
 *
 * Durability: when `put` resolves, every block survives power loss. Idempotent: the same bytes again change nothing.
 * Consistency: a block is readable by its digest as soon as `put` resolved.
 * Concurrency: any number of calls at once.
 * Trust: none. Bytes are checked against the digest on every read; an owner of the store can delete, count and time, nothing else.
 */
import type { BlockDigest } from '../base/ids.js';

/** Sealed bytes and their SHA-256. */
export interface SealedBlock {
  readonly digest: BlockDigest;
  readonly bytes: Uint8Array;
}

export interface Held {
  readonly blocks: number;
  readonly sizeBytes: number;
}

export interface BlockStore {
  /** Stores all of `blocks` durably (one CAR per call where the engine takes CARs). @throws BlockStoreUnavailable */
  put(blocks: readonly SealedBlock[]): Promise<void>;

  /**
   * The bytes of a block, checked against `digest`.
   * @throws BlockMissing when the store does not hold it, BlockCorrupt when its bytes have another digest, BlockStoreUnavailable.
   */
  get(digest: BlockDigest): Promise<Uint8Array>;

  /** As `get`, at once, where the store can do that for this block; undefined: ask `get`. @throws as `get` */
  getNow?(digest: BlockDigest): Uint8Array | undefined;

  has(digest: BlockDigest): Promise<boolean>;

  /** Forgets blocks (erasure, garbage). Unknown digests are passed over. */
  delete(digests: readonly BlockDigest[]): Promise<void>;

  /** Every digest held, in no order. */
  list(): AsyncIterable<BlockDigest>;

  /**
   * Every block held with its bytes, checked, in no order; one that was put twice may come twice, one that is deleted meanwhile not at all. Cheaper than
   * a `get` of each.
   * @throws BlockCorrupt, BlockStoreUnavailable
   */
  readAll(): AsyncIterable<SealedBlock>;

  /** Resolves when a block could be put and read now, soon if at all. @throws BlockStoreUnavailable */
  ping(): Promise<void>;

  /** Bytes on disk, and blocks held: counted, which may mean that all of them are looked at. */
  size(): Promise<Held>;

  /** About what the engine keeps, its own book-keeping and replicas among it: cheap, and as old as some minutes. For metrics. */
  usage(): Promise<Held>;

  close(): Promise<void>;
}

export class BlockMissing extends Error {
  override readonly name = 'BlockMissing';
  constructor(readonly cid: string) {
    super(`block ${cid} is not in the store`);
  }
}

export class BlockCorrupt extends Error {
  override readonly name = 'BlockCorrupt';
  constructor(readonly cid: string) {
    super(`block ${cid} has other bytes than its CID says`);
  }
}

export class BlockStoreUnavailable extends Error {
  override readonly name = 'BlockStoreUnavailable';
}
