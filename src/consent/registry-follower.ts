/**
 * Follows the events of the consent contracts: which policies, delegates and emergencies each patient has, and which memberships hold.
 *
<<<<<<< Updated upstream
 * What it knows is only used to ask the contract, which refuses a question that does not name exactly the active policies: a follower
 * that missed an event leads to a refused question, never to a wrong decision. A chain that replaced blocks, however many, is read anew: what
 * was known of the replaced ones stands until the new reading takes its place as a whole.
 */
import type { Chain, ChainHead, ChainLog, Hex } from '../chain/chain.js';
import { decodeRegistryEvent } from '../chain/consent-registry.js';
=======
 * What it knows is only used to ask the contract, which refuses a question that does not name exactly the active policies, and checks every
 * claim: a follower that missed an event leads to a refused question or a claim that does not count, never to a wrong permit.
 */
>>>>>>> Stashed changes
import type { Clock } from '../base/clock.js';
import type { Chain, ChainHead, ChainLog, Hex } from '../chain/chain.js';
import { decodeRegistryEvent } from '../chain/consent-registry.js';
import { type EmergencyEvent, decodeEmergencyEvent } from '../chain/emergency-access.js';
import { type GroupEvent, decodeGroupEvent } from '../chain/group-registry.js';
import { LogFollower } from './log-follower.js';

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
<<<<<<< Updated upstream
  /** Follows the block that has so many on top of it, itself included; default 1: the head. */
  readonly confirmations?: number;
=======
  /** Told that memberships changed: of whom cannot be seen. */
  readonly onGroups?: () => void;
>>>>>>> Stashed changes
  /** Blocks that are read again each time, for the chain may have replaced them; default 8. */
  readonly reorgBlocks?: number;
}

/** An emergency as the events tell it; `until` in seconds since 1970. */
export interface OpenEmergency {
  readonly grant: number;
  readonly holder: Hex;
  readonly until: number;
}

export class RegistryFollower {
  readonly #options: RegistryFollowerOptions;
<<<<<<< Updated upstream
  #active = new Map<Hex, Map<number, Hex>>();
  /** Events of the last blocks that were applied, by transaction and position. */
  #recent = new Map<string, number>();
  #head: Pick<ChainHead, 'number' | 'hash'> | undefined;
  #syncedAt = -Infinity;
  #running: Promise<void> | undefined;
=======
  readonly #logs: LogFollower;
  readonly #active = new Map<Hex, Map<number, Hex>>();
  readonly #delegates = new Map<Hex, Map<string, number>>();
  readonly #emergencies = new Map<Hex, OpenEmergency[]>();
  readonly #memberships = new Set<Hex>();
>>>>>>> Stashed changes

  constructor(options: RegistryFollowerOptions) {
    this.#options = options;
    const contracts = [options.registry, options.groups, options.emergency].filter((one) => one !== undefined);
    this.#logs = new LogFollower({
      ...options,
      contracts,
      onLog: (log) => this.#apply(log),
      onReset: () => this.#reset(),
    });
  }

  /** Block up to which everything is known; undefined before the first sync. */
<<<<<<< Updated upstream
  get head(): Pick<ChainHead, 'number' | 'hash'> | undefined {
    return this.#head;
=======
  get head(): ChainHead | undefined {
    return this.#logs.head;
>>>>>>> Stashed changes
  }

  /** When the head was last asked for, milliseconds since 1970. */
  get syncedAt(): number {
    return this.#logs.syncedAt;
  }

  /** Hashes of the active policies by index, ascending; undefined for a patient who never filed one. */
  activePolicies(patient: Hex): ReadonlyMap<number, Hex> | undefined {
    return this.#active.get(patient);
  }

  /** Actors (blinded terms) who are treated as the patient, with the second until which; undefined when she never named one. */
  delegates(patient: Hex): ReadonlyMap<string, number> | undefined {
    return this.#delegates.get(patient);
  }

  /** Emergencies that were declared for a patient and not ended, newest last; undefined when there are none. */
  emergencies(patient: Hex): readonly OpenEmergency[] | undefined {
    return this.#emergencies.get(patient);
  }

  /** True when a membership (see `membershipOf`) holds. */
  holds(membership: Hex): boolean {
    return this.#memberships.has(membership);
  }

  /** Catches up with the chain as it is now or later. @throws ChainUnavailable. */
  sync(): Promise<void> {
    return this.#logs.sync();
  }

  /** Reads the chain from the start; what was known before stands until that is done. */
  async resync(): Promise<void> {
<<<<<<< Updated upstream
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
        const patient = applyTo(this.#active, decodeRegistryEvent(log));
        if (patient !== undefined) this.#options.onTouched(patient);
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
    const active = new Map<Hex, Map<number, Hex>>();
    const recent = new Map<string, number>();
    await this.#readLogs(fromBlock, head.number, (log) => {
      applyTo(active, decodeRegistryEvent(log));
      if (log.blockNumber >= head.number - reorgBlocks) recent.set(`${log.txHash}/${log.logIndex}`, log.blockNumber);
    });
    const touched = new Set([...this.#active.keys(), ...active.keys()]);
    this.#active = active;
    this.#recent = recent;
    this.#head = head;
    this.#syncedAt = askedAt;
    for (const patient of touched) this.#options.onTouched(patient);
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
      for (const log of await this.#options.chain.logs(this.#options.registry, from, until)) take(log);
    }
=======
    const known = [...this.#active.keys()];
    await this.#logs.resync();
    for (const patient of known) this.#options.onTouched(patient);
  }

  #reset(): void {
    this.#active.clear();
    this.#delegates.clear();
    this.#emergencies.clear();
    this.#memberships.clear();
  }

  #apply(log: ChainLog): void {
    const emergency = decodeEmergencyEvent(log);
    if (emergency !== undefined) return this.#applyEmergency(emergency);
    const group = decodeGroupEvent(log);
    if (group !== undefined) return this.#applyGroup(group);
    const event = decodeRegistryEvent(log);
    if (event === undefined) return;
    const { patient } = event;
    const filings = this.#active.get(patient) ?? new Map<number, Hex>();
    if (event.kind === 'filed') filings.set(event.index, event.policy);
    if (event.kind === 'revoked') filings.delete(event.index);
    this.#active.set(patient, filings);
    // Delegates are made by a key, and end with it.
    if (event.kind === 'key-changed') this.#delegates.delete(patient);
    if (event.kind === 'delegate' && !/^0+$/.test(event.actor)) {
      const delegates = this.#delegates.get(patient) ?? new Map<string, number>();
      this.#delegates.set(patient, delegates.set(event.actor, event.until));
    }
    this.#options.onTouched(patient);
>>>>>>> Stashed changes
  }

  #applyEmergency(event: EmergencyEvent): void {
    const { patient, grant } = event;
    const others = (this.#emergencies.get(patient) ?? []).filter((one) => one.grant !== grant);
    if (event.kind === 'declared') others.push({ grant, holder: event.holder, until: event.until });
    if (others.length > 0) this.#emergencies.set(patient, others);
    else this.#emergencies.delete(patient);
    this.#options.onTouched(patient);
  }

  #applyGroup({ added, removed }: GroupEvent): void {
    for (const membership of removed) this.#memberships.delete(membership);
    for (const membership of added) this.#memberships.add(membership);
    this.#options.onGroups?.();
  }
}

/** Applies an event. @returns the patient whom it touches. */
function applyTo(active: Map<Hex, Map<number, Hex>>, event: ReturnType<typeof decodeRegistryEvent>): Hex | undefined {
  if (event === undefined) return undefined;
  const { patient } = event;
  const filings = active.get(patient) ?? new Map<number, Hex>();
  if (event.kind === 'filed') filings.set(event.index, event.policy);
  if (event.kind === 'revoked') filings.delete(event.index);
  active.set(patient, filings);
  return patient;
}
