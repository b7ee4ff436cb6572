/**
 * Which batches the chain holds, where, and which of them have enough confirmations.
 *
 * Follows the contract's head forwards and, when a re-organisation or a chain that lost its newest blocks takes batches back, backwards.
 */
import { decodeHeadAnchored, type StoredHead } from '../chain/anchor-log.js';
import type { Chain, ChainReceipt, Hex } from '../chain/chain.js';
import type { BatchRecord, Outbox } from './outbox.js';

/** Blocks asked for in one `eth_getLogs`. */
const logSpan = 5_000;

export interface AnchoredBatch {
  readonly record: BatchRecord;
  readonly gasUsed: bigint;
  readonly txHash: Hex;
}

export class AnchorTracker {
  /** Newest batch with enough confirmations, and leaves under it. */
  anchored = { batch: 0, size: 0 };
  #isPlaced = false;

  constructor(
    private readonly chain: Omit<Chain, 'sign'>,
    private readonly contract: Hex,
    private readonly fromBlock: number,
    private readonly confirmations: number,
    private readonly outbox: Outbox,
  ) {}

  /**
   * Looks where the batches up to `head` were mined and notes it in the outbox.
   * @returns the batches that have enough confirmations since the last call.
   */
  async follow(head: StoredHead): Promise<AnchoredBatch[]> {
    const newest = await this.chain.head();
    if (!this.#isPlaced || this.anchored.batch > head.batch)
      this.anchored = await this.#lastKnown(head.batch, newest.number);
    this.#isPlaced = true;
    const news: AnchoredBatch[] = [];
    let isUnbroken = true;
    for (let batch = this.anchored.batch + 1; batch <= head.batch; batch += 1) {
      const record = (await this.outbox.get(batch)) ?? (await this.#fromEvents(batch, newest.number));
      const receipt = record && (await this.#receiptOf(record, newest.number));
      if (record === undefined || receipt === undefined) break;
      const mined = await this.#note(record, receipt);
      isUnbroken &&= newest.number - receipt.blockNumber + 1 >= this.confirmations;
      if (isUnbroken) news.push({ record: mined, gasUsed: receipt.gasUsed, txHash: receipt.txHash });
    }
    const last = news.at(-1);
    if (last !== undefined) this.anchored = { batch: last.record.batch, size: last.record.statement.size };
    return news;
  }

  /** A batch's record as the chain has it now; undefined when the chain does not hold it any more. */
  async recheck(record: BatchRecord): Promise<BatchRecord | undefined> {
    const receipt = await this.#receiptOf(record, (await this.chain.head()).number);
    return receipt && this.#note(record, receipt);
  }

  /** The newest batch that an earlier look found where it still is, with enough confirmations. */
  async #lastKnown(newestBatch: number, newestBlock: number): Promise<{ batch: number; size: number }> {
    for (let batch = newestBatch; batch > 0; batch -= 1) {
      const record = await this.outbox.get(batch);
      if (record?.mined === undefined || newestBlock - record.mined.blockNumber + 1 < this.confirmations) continue;
      const receipt = await this.chain.receipt(record.mined.txHash);
      if (receipt?.blockHash === record.mined.blockHash) return { batch, size: record.statement.size };
    }
    return { batch: 0, size: 0 };
  }

  async #note(record: BatchRecord, { txHash, blockNumber, blockHash }: ChainReceipt): Promise<BatchRecord> {
    if (record.mined?.blockHash === blockHash && record.mined.txHash === txHash) return record;
    const mined = { ...record, mined: { txHash, blockNumber, blockHash } };
    await this.outbox.put(mined);
    return mined;
  }

  async #receiptOf(record: BatchRecord, newestBlock: number): Promise<ChainReceipt | undefined> {
    for (const { txHash } of record.transactions) {
      const receipt = await this.chain.receipt(txHash);
      if (receipt?.status === 'success') return receipt;
    }
    // Somebody else relayed the same statement.
    const event = await this.#findEvent(record.batch, newestBlock);
    return event?.head.root === record.statement.root ? this.chain.receipt(event.txHash) : undefined;
  }

  /** A batch that this outbox does not know (its state was lost): the event tells all but the signatures. */
  async #fromEvents(batch: number, newestBlock: number): Promise<BatchRecord | undefined> {
    const event = await this.#findEvent(batch, newestBlock);
    if (event === undefined) return undefined;
    const { root, size, prevRoot, prevSize, profileSet, receiptsRoot, leastLevel, epoch } = event.head;
    const statement = { root, size, prevRoot, prevSize, profileSet, receiptsRoot, leastLevel, epoch };
    return { batch, statement, signatures: [], transactions: [{ raw: '0x', txHash: event.txHash, nonce: -1 }] };
  }

  async #findEvent(batch: number, newestBlock: number) {
    for (let end = newestBlock; end >= this.fromBlock; end -= logSpan) {
      const logs = await this.chain.logs(this.contract, Math.max(this.fromBlock, end - logSpan + 1), end);
      for (const log of logs) {
        try {
          const head = decodeHeadAnchored(log);
          if (head.batch === batch) return { head, txHash: log.txHash };
        } catch {
          // another event of the contract
        }
      }
    }
    return undefined;
  }
}
