/**
 * Follows the events of the consent registry: which policies each patient has, as of which block.
 *
 * What it knows is only used to ask the contract, which refuses a question that does not name exactly the active policies: a follower
 * that missed an event leads to a refused question, never to a wrong decision.
 */
import type { Chain, ChainHead, Hex } from '../chain/chain.js';
import { decodeRegistryEvent } from '../chain/consent-registry.js';
import type { Clock } from '../base/clock.js';

export interface RegistryFollowerOptions {
  readonly chain: Pick<Chain, 'head' | 'logs'>;
  readonly registry: Hex;
  /** Block of the registry's deployment. */
  readonly fromBlock: number;
  readonly clock: Clock;
  /** Told the pseudonym of each patient whom an event touched. */
  readonly onTouched: (patient: Hex) => void;
  /** Blocks that are read again each time, for the chain may have replaced them; default 8. */
  readonly reorgBlocks?: number;
}

/** Blocks asked for at once: public nodes refuse larger ranges. */
const RANGE = 5_000;

export class RegistryFollower {
  readonly #options: RegistryFollowerOptions;
  readonly #active = new Map<Hex, Map<number, Hex>>();
  /** Events of the last blocks that were applied, by transaction and position. */
  #recent = new Map<string, number>();
  #head: ChainHead | undefined;
  #syncedAt = -Infinity;
  #running: Promise<void> | undefined;

  constructor(options: RegistryFollowerOptions) {
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

  /** Hashes of the active policies by index, ascending; undefined for a patient who never filed one. */
  activePolicies(patient: Hex): ReadonlyMap<number, Hex> | undefined {
    return this.#active.get(patient);
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
    const known = [...this.#active.keys()];
    this.#active.clear();
    this.#recent.clear();
    this.#head = undefined;
    await this.sync();
    for (const patient of known) this.#options.onTouched(patient);
  }

  async #catchUp(): Promise<void> {
    const { chain, registry, fromBlock, clock, reorgBlocks = 8 } = this.#options;
    const askedAt = clock.now();
    const head = await chain.head();
    if (head.hash !== this.#head?.hash) {
      const known = this.#head?.number ?? fromBlock - 1;
      for (
        let from = Math.max(fromBlock, Math.min(known, head.number) + 1 - reorgBlocks);
        from <= head.number;
        from += RANGE
      ) {
        const logs = await chain.logs(registry, from, Math.min(from + RANGE - 1, head.number));
        for (const log of logs) {
          const key = `${log.txHash}/${log.logIndex}`;
          if (this.#recent.has(key)) continue;
          this.#recent.set(key, log.blockNumber);
          this.#apply(decodeRegistryEvent(log));
        }
      }
      for (const [key, block] of this.#recent) if (block < head.number - reorgBlocks) this.#recent.delete(key);
      this.#head = head;
    }
    this.#syncedAt = askedAt;
  }

  #apply(event: ReturnType<typeof decodeRegistryEvent>): void {
    if (event === undefined) return;
    const { patient } = event;
    const filings = this.#active.get(patient) ?? new Map<number, Hex>();
    if (event.kind === 'filed') filings.set(event.index, event.policy);
    if (event.kind === 'revoked') filings.delete(event.index);
    this.#active.set(patient, filings);
    this.#options.onTouched(patient);
  }
}
