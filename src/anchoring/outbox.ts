/**
 * The anchorer's memory: every batch with its signed transactions, stored before they are sent.
 *
 * One record per batch of one contract, in the catalog's small state. Which batches count is the contract's word, never this one's.
 */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import type { HeadStatement } from '../chain/anchor-log.js';
import type { Hex } from '../chain/chain.js';
import type { AttestationSignature } from '../chain/signing.js';
import type { Catalog } from '../commit/catalog.js';

export interface SignedTransaction {
  readonly raw: Hex;
  readonly txHash: Hex;
  readonly nonce: number;
}

export interface BatchRecord {
  /** Number that the contract gives it, from 1. */
  readonly batch: number;
  readonly statement: HeadStatement;
  readonly signatures: readonly AttestationSignature[];
  /** Leaves that are in the log without being attested, and why. */
  readonly refused?: readonly RefusedLeaf[];
  /** Newest last: the later ones replace (same nonce, higher fee) or repeat (other nonce) the first. */
  readonly transactions: readonly SignedTransaction[];
  /** Where it was found mined; may change until it has enough confirmations. */
  readonly mined?: { readonly txHash: Hex; readonly blockNumber: number; readonly blockHash: Hex };
}

export interface RefusedLeaf {
  readonly leaf: number;
  /** `validator address: code`; `erased` for what nobody could judge any more. */
  readonly reasons: readonly string[];
}

export type StateStore = Pick<Catalog, 'getState' | 'putState'>;

export class Outbox {
  readonly #prefix: string;

  constructor(
    private readonly store: StateStore,
    chainId: number,
    contract: Hex,
  ) {
    this.#prefix = `anchor/${chainId}/${contract.toLowerCase()}`;
  }

  async get(batch: number): Promise<BatchRecord | undefined> {
    if (batch < 1) return undefined;
    const bytes = await this.store.getState(`${this.#prefix}/${batch}`);
    return bytes === undefined ? undefined : (JSON.parse(Buffer.from(bytes).toString('utf8')) as BatchRecord);
  }

  /** Durable when it resolves. */
  async put(record: BatchRecord): Promise<void> {
    await this.store.putState(`${this.#prefix}/${record.batch}`, Buffer.from(JSON.stringify(record), 'utf8'));
  }

  /** Keeps the receipt entries (32 bytes each, packed) of a batch: what paths to its receiptsRoot are made from. Few differ, so they pack well. */
  async putReceipts(batch: number, receipts: Uint8Array): Promise<void> {
    await this.store.putState(`${this.#prefix}/${batch}/receipts`, deflateRawSync(receipts, { level: 1 }));
  }

  async receipts(batch: number): Promise<Uint8Array | undefined> {
    const packed = await this.store.getState(`${this.#prefix}/${batch}/receipts`);
    return packed && inflateRawSync(packed);
  }

  /** The batch that took in leaf `leafIndex`, among batches 1 to `newest`; undefined when it is in none of them. */
  async covering(leafIndex: number, newest: number): Promise<BatchRecord | undefined> {
    let [low, high] = [1, newest];
    while (low < high) {
      const middle = Math.floor((low + high) / 2);
      const record = await this.get(middle);
      if (record !== undefined && record.statement.size > leafIndex) high = middle;
      else low = middle + 1;
    }
    const found = await this.get(low);
    return found !== undefined && found.statement.size > leafIndex ? found : undefined;
  }
}
