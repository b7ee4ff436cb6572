/**
 * Works off the ledger: signs, stores, sends, and watches transactions, until the chain is as the ledger wants it.
 *
 * One round at a time: first what was sent before (also before a crash) is brought to its end, then the next transaction of each patient is
 * signed and stored before it is sent. While the chain is away it tries again, ever more slowly up to five seconds.
 */
import type { Clock } from '../base/clock.js';
import { decodeBoolean } from '../chain/anchor-log.js';
import { CallReverted, type Chain, type ChainReceipt, type Hex } from '../chain/chain.js';
import { encodeIsActive } from '../chain/consent-registry.js';
import type { Catalog } from '../commit/catalog.js';
import type { AccountKeys } from './account-keys.js';
import { FilingSteps, type Step } from './filing-steps.js';
import type { Ledger, SentTransaction } from './ledger.js';
import { OutboxSender, type Outcome } from './outbox-sender.js';

export interface OutboxLoopOptions {
  readonly chain: Pick<Chain, 'chainId' | 'call' | 'head' | 'sign' | 'nextNonce' | 'send' | 'receipt'>;
  readonly registry: Hex;
  readonly state: Pick<Catalog, 'locks'>;
  readonly accounts: AccountKeys;
  readonly clock: Clock;
  /** Blocks, the one that has the transaction included, after which it counts as mined; default 1. Until then it is pending. */
  readonly confirmations?: number;
  readonly onProblem?: (problem: Error) => void;
}

export interface OutboxHooks {
  /** What is pending of a patient changed. */
  changed(patient: Hex): void;
  /** Something was mined; awaited before it stops to be pending. */
  mined(): Promise<void>;
}

type Signed = Step & { readonly index: number; readonly transaction: SentTransaction };

/** Patients served in one round: their transactions travel together. */
const ROUND = 32;
const MAX_PAUSE_MS = 5_000;

export class OutboxLoop {
  readonly #options: OutboxLoopOptions;
  readonly #ledger: Ledger;
  readonly #hooks: OutboxHooks;
  readonly #steps: FilingSteps;
  readonly #sender: OutboxSender;
  /** Patients of whom only signatures of their own keys are missing: there is nothing to do until one comes. */
  readonly #waiting = new Set<Hex>();
  #running: Promise<void> | undefined;
  #isClosed = false;

  constructor(options: OutboxLoopOptions, ledger: Ledger, hooks: OutboxHooks) {
    this.#options = options;
    this.#ledger = ledger;
    this.#hooks = hooks;
    this.#steps = new FilingSteps(options);
    this.#sender = new OutboxSender(options);
    // Another server may have brought a signature, or changed a key.
    const changed = (patient: Hex) => {
      this.#steps.lookAgain();
      this.#waiting.delete(patient);
      hooks.changed(patient);
    };
    ledger.listener = { changed, mined: () => hooks.mined() };
  }

  /**
   * Sends another call with the relay's key, between two rounds, and waits for its receipt. Not durable: a crash forgets it.
   * @throws CallReverted when the contract refuses; ChainUnavailable.
   */
  submit(to: Hex, data: Hex): Promise<ChainReceipt> {
    const receipt = this.#sender.submit(to, data);
    this.wake();
    return receipt;
  }

  /** Starts the loop when there is work and it is not running. @param patient of whom something changed: she is looked at again. */
  wake(patient?: Hex): void {
    if (patient !== undefined) this.#waiting.delete(patient);
    if (this.#isClosed || this.#running !== undefined || !this.#hasWork()) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      this.wake();
    });
  }

  /** Everything that is left to do for the patient waits for signatures of her own key. */
  isWaiting(patient: Hex): boolean {
    return this.#waiting.has(patient);
  }

  /** Sees what other servers have filed, and what has been mined of it. */
  async reload(): Promise<void> {
    await this.#ledger.reload();
    this.wake();
  }

  /** Ends after the step at hand; what is left is done after the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#sender.close();
    await this.#running?.catch(() => undefined);
  }

  async #run(): Promise<void> {
    let pauseMs = 100;
    while (!this.#isClosed && this.#hasWork()) {
      try {
        const { locks } = this.#options.state;
        await (locks === undefined ? this.#step() : locks.exclusively('consent/outbox', () => this.#stepAfterOthers()));
        pauseMs = 100;
      } catch (problem) {
        this.#options.onProblem?.(problem as Error);
        await this.#sender.pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
      }
    }
  }

  async #step(): Promise<void> {
    if (this.#ledger.sent.length === 0) await this.#sender.sendCalls();
    if (this.#isNeeded()) await this.#round();
  }

  /** Servers that share the relay's key send one after the other; first this one takes over what another has sent or left. */
  async #stepAfterOthers(): Promise<void> {
    await this.#ledger.inTurn(() => Promise.resolve());
    await this.#step();
  }

  #hasWork(): boolean {
    return this.#sender.hasCalls || this.#isNeeded();
  }

  #isNeeded(): boolean {
    return this.#ledger.sent.length > 0 || this.#ledger.work.some((patient) => !this.#waiting.has(patient));
  }

  async #round(): Promise<void> {
    if (this.#ledger.sent.length === 0) {
      const steps = await this.#ledger.inTurn(() => this.#nextSteps());
      const signed = await this.#sign(steps);
      await this.#ledger.inTurn(() => this.#store(signed));
    }
    const { sent } = this.#ledger;
    if (sent.length === 0) return;
    for (const { raw } of sent) await this.#sender.send(raw);
    const outcomes = await Promise.all(sent.map((one) => this.#sender.outcome(one)));
    if (outcomes.includes('mined')) await this.#hooks.mined();
    await this.#ledger.inTurn(() => this.#settle(sent, outcomes));
  }

  /** The next step of each of the first patients; those who need none are done, or wait for signatures. */
  async #nextSteps(): Promise<Step[]> {
    const steps: Step[] = [];
    const idle: Hex[] = [];
    const patients = this.#ledger.work.filter((patient) => !this.#waiting.has(patient));
    for (const patient of patients.slice(0, ROUND)) {
      const filings = await this.#ledger.load(patient);
      const filing = this.#steps.next(filings);
      if (filing !== undefined) {
        steps.push({ patient, filing, kind: filing.wanted === 'active' ? 'file' : 'revoke' });
        continue;
      }
      await this.#ledger.save(patient);
      if (!filings.some((one) => this.#steps.isUnsigned(one))) idle.push(patient);
      else {
        this.#waiting.add(patient);
        this.#hooks.changed(patient);
      }
    }
    if (idle.length > 0) await this.#release(idle);
    return steps;
  }

  async #sign(steps: readonly Step[]): Promise<Signed[]> {
    const { chain, registry } = this.#options;
    const signed: Signed[] = [];
    let problem: CallReverted | undefined;
    let nonce: number | undefined;
    for (const step of steps) {
      const call = await this.#steps.calldata(step);
      if (call === undefined) continue;
      const { data, index } = call;
      nonce ??= await chain.nextNonce();
      try {
        const transaction = await chain.sign(registry, data, nonce);
        const { patient, kind, filing } = step;
        signed.push({ ...step, index, transaction: { patient, policy: filing.policy, kind, nonce, ...transaction } });
        nonce += 1;
      } catch (refusal) {
        if (!(refusal instanceof CallReverted)) throw refusal;
        problem = refusal;
        await this.#refused(step, refusal);
      }
    }
    if (signed.length === 0 && problem !== undefined) throw problem;
    return signed;
  }

  /**
   * The contract would refuse. A revocation of what is not active is done; a signature of the patient's own key that does not hold any more
   * (another statement took its index, its time is over) is asked for again; anything else stays pending and is tried again.
   */
  async #refused({ patient, filing, kind }: Step, problem: CallReverted): Promise<void> {
    this.#options.onProblem?.(problem);
    const { chain, registry } = this.#options;
    const isDone =
      kind === 'revoke' &&
      problem.message.startsWith('ConsentRegistryNotActive') &&
      // The wrong key is refused alike: then the policy is still active.
      !decodeBoolean(
        await chain.call(registry, encodeIsActive({ patient, index: filing.index as number, policy: filing.policy })),
      );
    await this.#ledger.inTurn(async () => {
      const filings = await this.#ledger.load(patient);
      if (isDone) filings.splice(filings.indexOf(filing), 1);
      else if (kind === 'file') delete filing.signature;
      else delete filing.revocation;
      await this.#ledger.save(patient);
    });
  }

  /** Commit point of sending: from here on exactly these transactions are sent. What was withdrawn while they were signed is left out. */
  async #store(signed: readonly Signed[]): Promise<void> {
    const kept: SentTransaction[] = [];
    for (const { patient, filing, kind, index, transaction } of signed) {
      // One that is left out leaves a gap in the nonces: what follows it is signed anew.
      if ((filing.wanted === 'active') !== (kind === 'file')) break;
      filing.index = index;
      filing.status = kind === 'file' ? 'sent' : 'revoking';
      await this.#ledger.save(patient);
      kept.push(transaction);
    }
    await this.#ledger.saveSent(kept);
  }

  async #settle(sent: readonly SentTransaction[], outcomes: readonly Outcome[]): Promise<void> {
    const done: Hex[] = [];
    for (const [i, { patient, policy, kind }] of sent.entries()) {
      const filings = await this.#ledger.load(patient);
      const status = kind === 'file' ? 'sent' : 'revoking';
      const filing = filings.find((one) => one.policy === policy && one.status === status);
      if (filing === undefined) continue;
      const isMined = outcomes[i] === 'mined';
      if (kind === 'file') filing.status = isMined ? 'active' : 'queued';
      else if (isMined) filings.splice(filings.indexOf(filing), 1);
      else filing.status = 'active';
      await this.#ledger.save(patient);
      const isIdle = this.#steps.next(filings) === undefined && !filings.some((one) => this.#steps.isUnsigned(one));
      if (isIdle) done.push(patient);
      else this.#hooks.changed(patient);
    }
    await this.#ledger.saveSent([]);
    await this.#release(done);
  }

  async #release(patients: readonly Hex[]): Promise<void> {
    await this.#ledger.finish(patients);
    for (const patient of patients) this.#hooks.changed(patient);
  }
}
