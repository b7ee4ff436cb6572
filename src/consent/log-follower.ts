/**
 * Follows the events of contracts, block by block, and reads the last blocks again, for the chain may have replaced them.
 *
 * An event that a replaced block had is not taken back: what is known from events may only be used for questions that the contract checks.
 */
import type { Clock } from '../base/clock.js';
import type { Chain, ChainHead, ChainLog, Hex } from '../chain/chain.js';

export interface LogFollowerOptions {
  readonly chain: Pick<Chain, 'head' | 'logs'>;
  readonly contracts: readonly Hex[];
  /** Block of the first contract's deployment. */
  readonly fromBlock: number;
  readonly clock: Clock;
  /** Each event once, in order of blocks for one contract. */
  readonly onLog: (log: ChainLog) => void;
  /** Everything that was told is forgotten, and told anew. */
  readonly onReset: () => void;
  /** Blocks that are read again each time; default 8. */
  readonly reorgBlocks?: number;
}

/** Blocks asked for at once: public nodes refuse larger ranges. */
const RANGE = 5_000;

export class LogFollower {
  readonly #options: LogFollowerOptions;
  /** Events of the last blocks that were told, by transaction and position. */
  #recent = new Map<string, number>();
  #head: ChainHead | undefined;
  #syncedAt = -Infinity;
  #running: Promise<void> | undefined;

  constructor(options: LogFollowerOptions) {
    this.#options = options;
  }

  /** Block up to which everything is known; undefined before the first sync. */
  get head(): ChainHead | undefined {
    return this.#head;
  }

  /** When the head was last asked for, milliseconds since 1970. */
  get syncedAt(): number {
    return this.#syncedAt;
  }

  /** Catches up with the chain as it is now or later. @throws ChainUnavailable. */
  async sync(): Promise<void> {
    // A run that began before this call may have asked for the head before what the caller waits for.
    if (this.#running !== undefined) await this.#running.catch(() => undefined);
    this.#running ??= this.#catchUp().finally(() => (this.#running = undefined));
    await this.#running;
  }

  /** Forgets everything and reads the chain from the start. */
  async resync(): Promise<void> {
    if (this.#running !== undefined) await this.#running.catch(() => undefined);
    this.#recent.clear();
    this.#head = undefined;
    this.#options.onReset();
    await this.sync();
  }

  async #catchUp(): Promise<void> {
    const { chain, contracts, fromBlock, clock, reorgBlocks = 8 } = this.#options;
    const askedAt = clock.now();
    const head = await chain.head();
    if (head.hash !== this.#head?.hash) {
      const known = this.#head?.number ?? fromBlock - 1;
      const first = Math.max(fromBlock, Math.min(known, head.number) + 1 - reorgBlocks);
      for (let from = first; from <= head.number; from += RANGE) {
        const to = Math.min(from + RANGE - 1, head.number);
        const logs = await Promise.all(contracts.map((contract) => chain.logs(contract, from, to)));
        for (const log of logs.flat()) this.#tell(log);
      }
      for (const [key, block] of this.#recent) if (block < head.number - reorgBlocks) this.#recent.delete(key);
      this.#head = head;
    }
    this.#syncedAt = askedAt;
  }

  #tell(log: ChainLog): void {
    const key = `${log.txHash}/${log.logIndex}`;
    if (this.#recent.has(key)) return;
    this.#recent.set(key, log.blockNumber);
    this.#options.onLog(log);
  }
}
