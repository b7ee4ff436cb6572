/**
 * Works off the ledger: signs, stores, sends, and watches transactions, until the chain is as the ledger wants it.
 *
 * One round at a time: first what was sent before (also before a crash) is brought to its end, then the next transaction of each patient is
 * signed and stored before it is sent. While the chain is away it tries again, ever more slowly up to five seconds.
 */
import type { Clock } from '../base/clock.js';
import { decodeBoolean } from '../chain/anchor-log.js';
import { CallReverted, type Chain, type ChainReceipt, ChainUnavailable, type Hex } from '../chain/chain.js';
import {
  decodeAccount,
  encodeAccountOf,
  encodeFile,
  encodeIsActive,
  encodeRevoke,
  signFiling,
  signRevocation,
} from '../chain/consent-registry.js';
import type { Catalog } from '../commit/catalog.js';
import type { KeyRing } from '../vault/key-ring.js';
import type { Filing, Ledger, SentTransaction } from './ledger.js';
import { type PatientKeys, createPatientKeys } from './patient-keys.js';

export interface OutboxLoopOptions {
  readonly chain: Pick<Chain, 'chainId' | 'call' | 'head' | 'sign' | 'nextNonce' | 'send' | 'receipt'>;
  readonly registry: Hex;
  readonly state: Pick<Catalog, 'getState' | 'putState' | 'locks'>;
  readonly ring: Pick<KeyRing, 'wrap' | 'unwrap'>;
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

/** What is to be sent for one filing, as it stood when it was looked at. */
interface Step {
  readonly patient: Hex;
  readonly filing: Filing;
  readonly kind: 'file' | 'revoke';
}

/** A call that is not about a consent. */
interface Call {
  readonly to: Hex;
  readonly data: Hex;
  readonly resolve: (receipt: ChainReceipt) => void;
  readonly reject: (problem: unknown) => void;
}

type Signed = Step & { readonly index: number; readonly transaction: SentTransaction };
type Outcome = 'mined' | 'reverted' | 'lost';

/** Patients served in one round: their transactions travel together. */
const ROUND = 32;
const DEADLINE_S = 86_400;
const MAX_PAUSE_MS = 5_000;

export class OutboxLoop {
  readonly #options: OutboxLoopOptions;
  readonly #ledger: Ledger;
  readonly #hooks: OutboxHooks;
  readonly #keys: PatientKeys;
  #running: Promise<void> | undefined;
  #isClosed = false;
  #endPause: () => void = () => undefined;
  readonly #calls: Call[] = [];

  constructor(options: OutboxLoopOptions, ledger: Ledger, hooks: OutboxHooks) {
    this.#options = options;
    this.#ledger = ledger;
    this.#hooks = hooks;
    ledger.listener = hooks;
    this.#keys = createPatientKeys(options.state, options.ring);
  }

  /**
   * Sends another call with the relay's key, between two rounds, and waits for its receipt. Not durable: a crash forgets it.
   * @throws CallReverted when the contract refuses; ChainUnavailable.
   */
  submit(to: Hex, data: Hex): Promise<ChainReceipt> {
    return new Promise((resolve, reject) => {
      this.#calls.push({ to, data, resolve, reject });
      this.#endPause();
      this.wake();
    });
  }

  /** Starts the loop when there is work and it is not running. */
  wake(): void {
    if (this.#isClosed || this.#running !== undefined || !this.#hasWork()) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      this.wake();
    });
  }

  /** Sees what other servers have filed, and what has been mined of it. */
  async reload(): Promise<void> {
    await this.#ledger.reload();
    this.wake();
  }

  /** Ends after the step at hand; what is left is done after the next start. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endPause();
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
        await this.#pause(pauseMs);
        pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS);
      }
    }
  }

  async #step(): Promise<void> {
    if (this.#ledger.sent.length === 0) await this.#sendCalls();
    if (this.#ledger.work.length > 0) await this.#round();
  }

  /** Servers that share the relay's key send one after the other; first this one takes over what another has sent or left. */
  async #stepAfterOthers(): Promise<void> {
    await this.#ledger.inTurn(() => Promise.resolve());
    await this.#step();
  }

  #hasWork(): boolean {
    return this.#ledger.work.length + this.#calls.length > 0;
  }

  async #sendCalls(): Promise<void> {
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

  async #mined(txHash: Hex): Promise<ChainReceipt> {
    for (let waitMs = 1; ; waitMs = Math.min(waitMs * 2, 1_000)) {
      const receipt = await this.#options.chain.receipt(txHash);
      if (receipt?.status === 'reverted') throw new CallReverted('the transaction was reverted', '0x');
      if (receipt !== undefined) return receipt;
      if (this.#isClosed) throw new ChainUnavailable('closing');
      await this.#pause(waitMs);
    }
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#endPause = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  async #round(): Promise<void> {
    if (this.#ledger.sent.length === 0) {
      const steps = await this.#ledger.inTurn(() => this.#nextSteps());
      const signed = await this.#sign(steps);
      await this.#ledger.inTurn(() => this.#store(signed));
    }
    const { sent } = this.#ledger;
    if (sent.length === 0) {
      // Only signatures of patients with keys of their own are missing: looked at again after a pause.
      if (this.#ledger.work.length > 0) throw new Error('revocations wait for the signatures of their patients');
      return;
    }
    for (const { raw } of sent) await this.#send(raw);
    const outcomes = await Promise.all(sent.map((one) => this.#outcome(one)));
    if (outcomes.includes('mined')) await this.#hooks.mined();
    await this.#ledger.inTurn(() => this.#settle(sent, outcomes));
  }

  /** The next step of each of the first patients; those who need none are done. */
  async #nextSteps(): Promise<Step[]> {
    const steps: Step[] = [];
    const idle: Hex[] = [];
    for (const patient of this.#ledger.work.slice(0, ROUND)) {
      const filings = await this.#ledger.load(patient);
      const filing = nextFiling(filings);
      if (filing === undefined) {
        await this.#ledger.save(patient);
        if (!filings.some(isUnsigned)) idle.push(patient);
      } else {
        steps.push({ patient, filing, kind: filing.wanted === 'active' ? 'file' : 'revoke' });
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
      const { data, index } = await this.#calldata(step);
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

  async #calldata({ patient, filing, kind }: Step): Promise<{ data: Hex; index: number }> {
    const { chain, registry, clock } = this.#options;
    const domain = { chainId: chain.chainId, contract: registry };
    const { policy } = filing;
    if (kind === 'revoke') {
      const revocation = { patient, policy, index: filing.index as number };
      const given = filing.revocation ?? signRevocation(await this.#keys.keyOf(patient), domain, revocation);
      return { data: encodeRevoke(revocation, given), index: revocation.index };
    }
    const { filings: index } = decodeAccount(await chain.call(registry, encodeAccountOf(patient)));
    const deadline = filing.signature?.deadline ?? Math.floor(clock.now() / 1000) + DEADLINE_S;
    const given =
      filing.signature ?? signFiling(await this.#keys.keyOf(patient), domain, { patient, policy, index, deadline });
    return { data: encodeFile({ patient, policy, deadline }, given), index };
  }

  /** The contract would refuse: a revocation of what is not active is done; anything else stays pending and is tried again. */
  async #refused({ patient, filing, kind }: Step, problem: CallReverted): Promise<void> {
    this.#options.onProblem?.(problem);
    if (kind !== 'revoke' || !problem.message.startsWith('ConsentRegistryNotActive')) return;
    const { chain, registry } = this.#options;
    const named = { patient, index: filing.index as number, policy: filing.policy };
    // The wrong key is refused alike: then the policy is still active.
    if (decodeBoolean(await chain.call(registry, encodeIsActive(named)))) return;
    await this.#ledger.inTurn(async () => {
      const filings = await this.#ledger.load(patient);
      filings.splice(filings.indexOf(filing), 1);
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

  /** @returns false when the node refuses it: another transaction took its nonce, or it was mined already. */
  async #send(raw: Hex): Promise<boolean> {
    try {
      await this.#options.chain.send(raw);
      return true;
    } catch (problem) {
      if (problem instanceof ChainUnavailable) throw problem;
      return false;
    }
  }

  async #outcome({ raw, txHash }: SentTransaction): Promise<Outcome> {
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
        !(await this.#send(raw)) &&
        (await chain.receipt(txHash)) === undefined
      )
        return 'lost';
      if (this.#isClosed) throw new ChainUnavailable('closing');
      await this.#pause(waitMs);
    }
  }

  async #isDeepEnough(blockNumber: number): Promise<boolean> {
    const { chain, confirmations = 1 } = this.#options;
    return confirmations === 1 || (await chain.head()).number >= blockNumber + confirmations - 1;
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
      if (nextFiling(filings) === undefined && !filings.some(isUnsigned)) done.push(patient);
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

/** Drops what need not be sent at all, and finds what is next: filings before revocations, so that nobody stands without either. */
function nextFiling(filings: Filing[]): Filing | undefined {
  for (const filing of filings.filter(({ wanted, status }) => wanted === 'revoked' && status === 'queued')) {
    filings.splice(filings.indexOf(filing), 1);
  }
  const open = filings.filter((one) => (one.wanted === 'revoked' || one.status !== 'active') && !isUnsigned(one));
  return open.find(({ wanted }) => wanted === 'active') ?? open[0];
}

/** The patient filed it with a key of her own, and has not signed its revocation: it stays pending, which denies. */
function isUnsigned({ wanted, status, signature, revocation }: Filing): boolean {
  return wanted === 'revoked' && status === 'active' && signature !== undefined && revocation === undefined;
}
