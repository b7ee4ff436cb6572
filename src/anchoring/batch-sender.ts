/**
 * Brings one stored batch into a block: sends its newest transaction, again after a restart, with a higher fee when it is stuck, with another nonce
 * when its own was used. Whatever is sent is in the outbox before.
 */
import { encodeAnchor, type HeadStatement } from '../chain/anchor-log.js';
import { ChainUnavailable, type Chain, type Hex } from '../chain/chain.js';
import type { AttestationSignature } from '../chain/signing.js';
import type { BatchRecord, Outbox, SignedTransaction } from './outbox.js';

/** The Chain port, with fees that can be raised. */
export interface AnchorChain extends Omit<Chain, 'sign'> {
  /** @param feePercent above 100 to replace a transaction that is stuck. */
  sign(to: Hex, data: Hex, nonce: number, feePercent?: number): Promise<{ raw: Hex; txHash: Hex }>;
}

export class BatchSender {
  /** The transaction that this process sent last. */
  #sent: { readonly txHash: Hex; readonly atMs: number } | undefined;

  constructor(
    private readonly chain: AnchorChain,
    private readonly contract: Hex,
    private readonly bumpAfterMs: number,
    private readonly outbox: Outbox,
  ) {}

  /** The first transaction of a new batch; the caller stores it before `drive`. */
  async firstTransaction(
    statement: HeadStatement,
    signatures: readonly AttestationSignature[],
  ): Promise<SignedTransaction> {
    return this.#sign(statement, signatures, await this.chain.nextNonce(), 100);
  }

  /** One move towards a block: `moved` when something was sent, `waiting` when the chain's turn it is. */
  async drive(record: BatchRecord): Promise<'waiting' | 'moved'> {
    const newest = record.transactions[record.transactions.length - 1];
    if (this.#sent?.txHash !== newest.txHash) return this.#send(record, newest);
    const receipt = await this.chain.receipt(newest.txHash);
    // Reverted: for example an earlier transaction of the same batch won, then lost its block again.
    if (receipt?.status === 'reverted') return this.#sendAnother(record, await this.chain.nextNonce(), 100);
    // Mined, yet not the contract's head: the head was read before, or a re-organisation is under way. The next step sees it.
    if (receipt !== undefined || performance.now() - this.#sent.atMs < this.bumpAfterMs) return 'waiting';
    return this.#sendAnother(record, newest.nonce, 100 + 25 * record.transactions.length);
  }

  async #sendAnother(record: BatchRecord, nonce: number, feePercent: number): Promise<'moved'> {
    const transaction = await this.#sign(record.statement, record.signatures, nonce, feePercent);
    const next = { ...record, transactions: [...record.transactions, transaction] };
    await this.outbox.put(next);
    return this.#send(next, transaction);
  }

  async #send(record: BatchRecord, { raw, txHash, nonce }: SignedTransaction): Promise<'moved'> {
    try {
      await this.chain.send(raw);
    } catch (error) {
      if (error instanceof ChainUnavailable) throw error;
      // Refused: most likely another transaction of this key took the nonce. The contract's head decides whether one of ours was mined.
      const next = await this.chain.nextNonce();
      if (next <= nonce || (await this.chain.receipt(txHash)) !== undefined) throw error;
      return this.#sendAnother(record, next, 100);
    }
    this.#sent = { txHash, atMs: performance.now() };
    return 'moved';
  }

  async #sign(
    statement: HeadStatement,
    signatures: readonly AttestationSignature[],
    nonce: number,
    feePercent: number,
  ): Promise<SignedTransaction> {
    const signed = await this.chain.sign(this.contract, encodeAnchor(statement, signatures), nonce, feePercent);
    return { ...signed, nonce };
  }
}
