/**
 * Follows the events of the consent contracts, as of which block.
 *
 * What it knows is only used to ask the contract, which refuses a question that does not name exactly the active policies, and checks every
 * claim: a follower that missed an event leads to a refused question or a claim that does not count, never to a wrong permit. A chain that
 * replaced blocks, however many, is read anew: what was known of the replaced ones stands until the new reading takes its place as a whole.
 */
import type { Clock } from '../base/clock.js';
import type { Chain, ChainHead, ChainLog, Hex } from '../chain/chain.js';
import { type OpenEmergency, RegistryState, type Touched } from './registry-state.js';

export interface RegistryFollowerOptions {
  readonly chain: Pick<Chain, 'head' | 'logs' | 'blockHash'>;
  readonly registry: Hex;
  /** Absent: no groups, no emergencies. */
  readonly groups?: Hex;
  readonly emergency?: Hex;
  /** Block of the registry's deployment. */
  readonly fromBlock: number;
  readonly clock: Clock;
  /** Told the pseudonym of each patient whom an event touched. */
  readonly onTouched: (patient: Hex) => void;
  /** Told that memberships changed: of whom cannot be seen. */
  readonly onGroups?: () => void;
  /** Follows the block that has so many on top of it, itself included; default 1: the head. */
  readonly confirmations?: number;
  /** Blocks that are read again each time, for the chain may have replaced them; default 8. */
  readonly reorgBlocks?: number;
}

/** Blocks asked for at once: public nodes refuse larger ranges. */
const RANGE = 5_000;

export class RegistryFollower {
  readonly #options: RegistryFollowerOptions;
  readonly #contracts: readonly Hex[];
  #state = new RegistryState();
  /** Events of the last blocks that were applied, by transaction and position. */
  #recent = new Map<string, number>();
  #head: Pick<ChainHead, 'number' | 'hash'> | undefined;
  #syncedAt = -Infinity;
  #running: Promise<void> | undefined;

  constructor(options: RegistryFollowerOptions) {
    this.#options = options;
    this.#contracts = [options.registry, options.groups, options.emergency].filter((one) => one !== undefined);
  }

  /** Block up to which everything is known; undefined before the first sync. */
  get head(): Pick<ChainHead, 'number' | 'hash'> | undefined {
    return this.#head;
  }

  /** When the head was last asked for, milliseconds since 1970. */
  get syncedAt(): number {
    return this.#syncedAt;
  }

  /** Hashes of the active policies by index, ascending; undefined for a patient who never filed one. */
  activePolicies(patient: Hex): ReadonlyMap<number, Hex> | undefined {
    return this.#state.active.get(patient);
  }

  /** Actors (blinded terms) who are treated as the patient, with the second until which; undefined when she never named one. */
  delegates(patient: Hex): ReadonlyMap<string, number> | undefined {
    return this.#state.delegates.get(patient);
  }

  /** Emergencies that were declared for a patient and not ended, newest last; undefined when there are none. */
  emergencies(patient: Hex): readonly OpenEmergency[] | undefined {
    return this.#state.emergencies.get(patient);
  }

  /** True when a membership (see `membershipOf`) holds. */
  holds(membership: Hex): boolean {
    return this.#state.memberships.has(membership);
  }

  /** Catches up with the chain as it is now or later. @throws ChainUnavailable. */
  async sync(): Promise<void> {
    // A run that began before this call may have asked for the head before what the caller waits for.
    if (this.#running !== undefined) await this.#running.catch(() => undefined);
    this.#running ??= this.#catchUp().finally(() => (this.#running = undefined));
    await this.#running;
  }

  /** Reads the chain from the start; what was known before stands until that is done. */
  async resync(): Promise<void> {
    if (this.#running !== undefined) await this.#running.catch(() => undefined);
    this.#running ??= this.#readAnew().finally(() => (this.#running = undefined));
    await this.#running;
  }

  async #catchUp(): Promise<void> {
    const { chain, fromBlock, clock, reorgBlocks = 8 } = this.#options;
    const askedAt = clock.now();
    const head = await this.#confirmedHead();
    const known = this.#head;
    if (head.hash !== known?.hash) {
      if (known !== undefined && (await chain.blockHash(known.number)) !== known.hash) return this.#readAnew();
      const from = Math.max(fromBlock, (known?.number ?? fromBlock - 1) + 1 - reorgBlocks);
      await this.#readLogs(from, head.number, (log) => {
        const key = `${log.txHash}/${log.logIndex}`;
        if (this.#recent.has(key)) return;
        this.#recent.set(key, log.blockNumber);
        this.#tell(this.#state.apply(log));
      });
      for (const [key, block] of this.#recent) if (block < head.number - reorgBlocks) this.#recent.delete(key);
      this.#head = head;
    }
    this.#syncedAt = askedAt;
  }

  async #readAnew(): Promise<void> {
    const { fromBlock, clock, reorgBlocks = 8 } = this.#options;
    const askedAt = clock.now();
    const head = await this.#confirmedHead();
    const state = new RegistryState();
    const recent = new Map<string, number>();
    await this.#readLogs(fromBlock, head.number, (log) => {
      state.apply(log);
      if (log.blockNumber >= head.number - reorgBlocks) recent.set(`${log.txHash}/${log.logIndex}`, log.blockNumber);
    });
    const touched = new Set([...this.#state.patients(), ...state.patients()]);
    this.#state = state;
    this.#recent = recent;
    this.#head = head;
    this.#syncedAt = askedAt;
    for (const patient of touched) this.#tell({ patient });
    this.#tell('groups');
  }

  #tell(touched: Touched): void {
    if (touched === 'groups') this.#options.onGroups?.();
    else if (touched !== undefined) this.#options.onTouched(touched.patient);
  }

  async #confirmedHead(): Promise<Pick<ChainHead, 'number' | 'hash'>> {
    const { chain, confirmations = 1, fromBlock } = this.#options;
    const head = await chain.head();
    if (confirmations === 1) return head;
    const number = Math.max(fromBlock, head.number - confirmations + 1);
    const hash = await chain.blockHash(number);
    return hash === undefined ? head : { number, hash };
  }

  async #readLogs(first: number, last: number, take: (log: ChainLog) => void): Promise<void> {
    for (let from = first; from <= last; from += RANGE) {
      const until = Math.min(from + RANGE - 1, last);
      const { chain } = this.#options;
      const logs = await Promise.all(this.#contracts.map((contract) => chain.logs(contract, from, until)));
      for (const log of logs.flat()) take(log);
    }
  }
}
