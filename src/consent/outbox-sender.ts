/**
 * Sends transactions with the relay's key and watches them to their end: filings of the outbox, and calls that are not about a consent.
 *
 * One instance for each relay's key: what it sends goes out one after the other.
 */
import { CallReverted, type Chain, type ChainReceipt, ChainUnavailable, type Hex } from '../chain/chain.js';
import type { SentTransaction } from './ledger.js';

export interface OutboxSenderOptions {
  readonly chain: Pick<Chain, 'head' | 'sign' | 'nextNonce' | 'send' | 'receipt'>;
  /** Blocks, the one that has the transaction included, after which it counts as mined; default 1. */
  readonly confirmations?: number;
}

/** `lost`: another transaction took its nonce. */
export type Outcome = 'mined' | 'reverted' | 'lost';

/** A call that is not about a consent. */
interface Call {
  readonly to: Hex;
  readonly data: Hex;
  readonly resolve: (receipt: ChainReceipt) => void;
  readonly reject: (problem: unknown) => void;
}

export class OutboxSender {
  readonly #options: OutboxSenderOptions;
  readonly #calls: Call[] = [];
  #isClosed = false;
  #endPause: () => void = () => undefined;

  constructor(options: OutboxSenderOptions) {
    this.#options = options;
  }

  /** Calls wait to be sent. */
  get hasCalls(): boolean {
    return this.#calls.length > 0;
  }

  /** Remembers a call for `sendCalls`. @throws CallReverted when the contract refuses; ChainUnavailable. */
  submit(to: Hex, data: Hex): Promise<ChainReceipt> {
    return new Promise((resolve, reject) => {
      this.#calls.push({ to, data, resolve, reject });
      this.#endPause();
    });
  }

  async sendCalls(): Promise<void> {
    const { chain } = this.#options;
    for (const call of this.#calls.splice(0)) {
      try {
        const { raw, txHash } = await chain.sign(call.to, call.data, await chain.nextNonce());
        await chain.send(raw);
        call.resolve(await this.#mined(txHash));
      } catch (problem) {
        call.reject(problem);
      }
    }
  }

  /** @returns false when the node refuses it: another transaction took its nonce, or it was mined already. */
  async send(raw: Hex): Promise<boolean> {
    try {
      await this.#options.chain.send(raw);
      return true;
    } catch (problem) {
      if (problem instanceof ChainUnavailable) throw problem;
      return false;
    }
  }

  /** Waits until it is mined, deep enough, or cannot be any more. */
  async outcome({ raw, txHash }: SentTransaction): Promise<Outcome> {
    const { chain } = this.#options;
    for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 1_000)) {
      const receipt = await chain.receipt(txHash);
      if (receipt !== undefined && (await this.#isDeepEnough(receipt.blockNumber))) {
        return receipt.status === 'success' ? 'mined' : 'reverted';
      }
      // A node may forget what waits in its pool; sending the same again is no error.
      if (
        receipt === undefined &&
        waitMs === 1_000 &&
        !(await this.send(raw)) &&
        (await chain.receipt(txHash)) === undefined
      )
        return 'lost';
      if (this.#isClosed) throw new ChainUnavailable('closing');
      await this.pause(waitMs);
    }
  }

  /** Ends early with the next call, and at the close. */
  pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#endPause();
  }

  async #mined(txHash: Hex): Promise<ChainReceipt> {
    for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 1_000)) {
      const receipt = await this.#options.chain.receipt(txHash);
      if (receipt?.status === 'reverted') throw new CallReverted('the transaction was reverted', '0x');
      if (receipt !== undefined) return receipt;
      if (this.#isClosed) throw new ChainUnavailable('closing');
      await this.pause(waitMs);
    }
  }

  async #isDeepEnough(blockNumber: number): Promise<boolean> {
    const { chain, confirmations = 1 } = this.#options;
    return confirmations === 1 || (await chain.head()).number >= blockNumber + confirmations - 1;
  }
}
