/**
 * Brings consents to the chain: a durable outbox between the commit of a Consent and the registry.
 *
 * A change is pending from the moment it is told, and durable when the call resolves. A transaction is stored before it is sent; after a crash
 * or a time without chain the same transaction is sent again, so that no policy is filed twice.
 */
import type { Clock } from '../base/clock.js';
import { FhirError } from '../base/outcome.js';
import type { Resource } from '../base/resource.js';
import type { Chain, ChainReceipt, Hex } from '../chain/chain.js';
import type { Catalog } from '../commit/catalog.js';
import type { KeyRing } from '../vault/key-ring.js';
import type { Blinder } from './blinder.js';
import { type CompileOptions, compileToBytes, patientOf } from './compile.js';
import type { PendingChanges, PolicyContents } from './pending-changes.js';
import { policyHash } from './policy-bytes.js';
import { type Filing, Ledger } from './ledger.js';
import { OutboxLoop } from './outbox-loop.js';

/** Stored Consents: policies can be made again from them. */
export interface ConsentSource {
  activeConsents(patientId: string): Promise<readonly Resource[]>;
}

/** A signature by the patient's own key over `File` for the index that `accountOf` tells. */
export type FilingSignature = NonNullable<Filing['signature']>;

export type RevocationSignature = NonNullable<Filing['revocation']>;

export interface ConsentPublisherOptions {
  /** With the key of a relay. */
  readonly chain: Pick<Chain, 'chainId' | 'call' | 'head' | 'sign' | 'nextNonce' | 'send' | 'receipt'>;
  readonly registry: Hex;
  readonly state: Pick<Catalog, 'getState' | 'putState' | 'locks'>;
  readonly ring: Pick<KeyRing, 'wrap' | 'unwrap'>;
  readonly blinder: Blinder;
  readonly clock: Clock;
  readonly confirmations?: number;
  readonly source?: ConsentSource;
  readonly compile?: CompileOptions;
  /** Told what goes wrong, with no content in it. */
  readonly onProblem?: (problem: Error) => void;
}

/** `none`: no policy of it is on the chain, nor will be. `pending-*`: told to the chain, or about to be, and not confirmed. */
export interface FilingState {
  readonly state: 'none' | 'active' | 'pending-filing' | 'pending-revocation';
  /** keccak256 of the policy that is active or on its way. */
  readonly policy?: Hex;
  /** Its index on the chain, once it is signed. */
  readonly index?: number;
}

export interface ConsentPublisher extends PendingChanges, PolicyContents {
  /** For the door, before the commit. @throws FhirError 422 when an active Consent cannot be compiled. */
  check(consent: Resource): void;

  /** A version of a Consent was committed, active or not. Calling it again changes nothing. */
  onConsentWritten(consent: Resource, signature?: FilingSignature): Promise<void>;

  /**
   * A Consent was deleted or is no longer active.
   * @param signature by the patient's own key over `Revoke`, where she filed with it; until it comes, the revocation is pending, which denies.
   */
  onConsentRevoked(consentId: string, signature?: RevocationSignature): Promise<void>;

  /** Sends another call with the relay's key and waits for its receipt. @throws CallReverted, ChainUnavailable */
  submit(to: Hex, data: Hex): Promise<ChainReceipt>;

  /** How far the newest filing or revocation of a Consent has come. */
  stateOf(consentId: string): Promise<FilingState>;

  /** True when nothing of the patient is pending within the time. */
  whenSettled(patientId: string, timeoutMs: number): Promise<boolean>;

  /**
   * Makes the ledger what the stored Consents of a patient say: files what it does not have, revokes what is no longer there.
   * For after a crash between a commit and the call that tells of it.
   */
  reconcile(patientId: string): Promise<void>;

  /**
   * Before a patient is erased: withdraws these Consents from the chain, as far as that is mined within the time, and then forgets what there was to do.
   * @returns the keys of small state that hold something of the patient: her key, her policies.
   */
  forget(patientId: string, consentIds: readonly string[], timeoutMs: number): Promise<string[]>;

  /** Where several servers share the state: learns what others have under way. Awaited before a request is answered. */
  refresh(): Promise<void>;

  /** Stops after the transaction at hand; what is left is done after the next start. */
  close(): Promise<void>;
}

export async function startConsentPublisher(options: ConsentPublisherOptions): Promise<ConsentPublisher> {
  return new LedgerPublisher(options, await Ledger.open(options.state));
}

type Listener = Parameters<PendingChanges['listen']>[0];

class LedgerPublisher implements ConsentPublisher {
  readonly #options: ConsentPublisherOptions;
  readonly #ledger: Ledger;
  readonly #loop: OutboxLoop;
  readonly #listeners: Listener[] = [];
  #waiters: { patient: Hex; done: () => void }[] = [];
  #refresh: Promise<void> | undefined;
  /** A server without requests sees what others left to do. */
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ConsentPublisherOptions, ledger: Ledger) {
    this.#options = options;
    this.#ledger = ledger;
    this.#loop = new OutboxLoop(options, ledger, {
      changed: (patient) => this.#changed(patient),
      mined: async () => {
        for (const { mined } of this.#listeners) await mined();
      },
    });
    this.#loop.wake();
    if (options.state.locks !== undefined) {
      this.#timer = setInterval(() => void this.refresh().catch(() => undefined), 500).unref();
    }
  }

  check(consent: Resource): void {
    compileToBytes(consent, this.#options.blinder, this.#options.compile);
  }

  listen(listener: Listener): void {
    this.#listeners.push(listener);
  }

  pendingOf(patient: Hex) {
    const filings = this.#ledger.pending(patient);
    if (filings === undefined) return undefined;
    const withdrawn = filings.filter(({ wanted, index }) => wanted === 'revoked' && index !== undefined);
    const filed = filings.filter(({ wanted, status }) => wanted === 'active' && status !== 'active');
    if (withdrawn.length === 0 && filed.length === 0) return undefined;
    return { withdrawn: withdrawn.map(({ index }) => index as number), filed: filed.map(bytesOf) };
  }

  async contentsOf(patientId: string, hash: Hex): Promise<Uint8Array | undefined> {
    const { blinder, source, compile } = this.#options;
    const patient = blinder.pseudonym(patientId);
    const filing = (await this.#ledger.read(patient)).find(({ policy }) => policy === hash);
    if (filing !== undefined) return bytesOf(filing);
    for (const consent of (await source?.activeConsents(patientId)) ?? []) {
      const bytes = bytesIfCompiled(consent, blinder, compile);
      if (bytes !== undefined && policyHash(bytes) === hash) return bytes;
    }
    return undefined;
  }

  async onConsentWritten(consent: Resource, signature?: FilingSignature): Promise<void> {
    const { blinder, compile } = this.#options;
    const compiled = compileToBytes(consent, blinder, compile);
    if (compiled === undefined) return this.onConsentRevoked(consent.id ?? '');
    const name = this.#nameOf(consent.id ?? '');
    const patient = blinder.pseudonym(patientOf(consent));
    await this.#ledger.inTurn(async () => {
      const before = await this.#ledger.patientOf(name);
      if (before !== undefined && before !== patient) await this.#withdraw(before, name);
      const filings = await this.#ledger.load(patient);
      const isKnown = filings.some(({ policy, wanted }) => policy === compiled.hash && wanted === 'active');
      withdrawOthers(filings, name, compiled.hash);
      if (!isKnown) {
        const bytes = Buffer.from(compiled.bytes).toString('base64');
        const filing: Filing = { consent: name, policy: compiled.hash, bytes, wanted: 'active', status: 'queued' };
        filings.push(signature === undefined ? filing : { ...filing, signature });
      }
      // Also for what a crash left behind in the ledger, without work to do in the outbox.
      if (!isSettled(filings)) await this.#begin(patient, () => this.#ledger.savePatientOf(name, patient));
    });
  }

  async onConsentRevoked(consentId: string, signature?: RevocationSignature): Promise<void> {
    const name = this.#nameOf(consentId);
    await this.#ledger.inTurn(async () => {
      const patient = await this.#ledger.patientOf(name);
      if (patient !== undefined) await this.#withdraw(patient, name, signature);
    });
  }

  async reconcile(patientId: string): Promise<void> {
    const { source, blinder } = this.#options;
    if (source === undefined) return;
    const consents = await source.activeConsents(patientId);
    const names = new Set(consents.map(({ id = '' }) => this.#nameOf(id)));
    const patient = blinder.pseudonym(patientId);
    await this.#ledger.inTurn(async () => {
      const filings = await this.#ledger.load(patient);
      for (const filing of filings) if (!names.has(filing.consent)) filing.wanted = 'revoked';
      if (!isSettled(filings)) await this.#begin(patient);
    });
    for (const consent of consents) await this.onConsentWritten(consent);
  }

  submit(to: Hex, data: Hex): Promise<ChainReceipt> {
    return this.#loop.submit(to, data);
  }

  async stateOf(consentId: string): Promise<FilingState> {
    const name = this.#nameOf(consentId);
    const patient = await this.#ledger.patientOf(name);
    const filings = patient === undefined ? [] : await this.#ledger.read(patient);
    const own = filings.filter(({ consent }) => consent === name);
    const revoked = own.find(({ wanted }) => wanted === 'revoked');
    const filed = own.find(({ wanted }) => wanted === 'active');
    const shown = filed ?? revoked;
    if (shown === undefined) return { state: 'none' };
    const state = filed === undefined ? 'pending-revocation' : filed.status === 'active' ? 'active' : 'pending-filing';
    const { policy, index } = shown;
    return { state, policy, ...(index === undefined ? {} : { index }) };
  }

  whenSettled(patientId: string, timeoutMs: number): Promise<boolean> {
    return this.settled(this.#options.blinder.pseudonym(patientId), timeoutMs);
  }

  async settled(patient: Hex, timeoutMs: number): Promise<boolean> {
    if (this.pendingOf(patient) === undefined) return true;
    return new Promise((resolve) => {
      const timer = setTimeout(() => finish(false), timeoutMs);
      const waiter = { patient, done: () => finish(true) };
      const finish = (isSettled: boolean) => {
        clearTimeout(timer);
        this.#waiters = this.#waiters.filter((one) => one !== waiter);
        resolve(isSettled);
      };
      this.#waiters.push(waiter);
    });
  }

  async forget(patientId: string, consentIds: readonly string[], timeoutMs: number): Promise<string[]> {
    const patient = this.#options.blinder.pseudonym(patientId);
    for (const id of consentIds) await this.onConsentRevoked(id);
    await this.settled(patient, timeoutMs);
    await this.#ledger.inTurn(() => this.#ledger.forget(patient));
    const names = consentIds.map((id) => `consent/consent/${this.#nameOf(id)}`);
    return [`consent/key/${patient}`, `consent/patient/${patient}`, ...names];
  }

  refresh(): Promise<void> {
    if (this.#options.state.locks === undefined) return Promise.resolve();
    // Behind whatever this server itself is changing; not more than one look waits.
    this.#refresh ??= this.#ledger.inLine(() => {
      this.#refresh = undefined;
      return this.#loop.reload();
    });
    return this.#refresh;
  }

  close(): Promise<void> {
    clearInterval(this.#timer);
    return this.#loop.close();
  }

  #nameOf(consentId: string): string {
    return this.#options.blinder.term(`consent|${consentId}`);
  }

  async #withdraw(patient: Hex, name: string, signature?: RevocationSignature): Promise<void> {
    const filings = await this.#ledger.load(patient);
    withdrawOthers(filings, name, undefined);
    if (signature !== undefined) {
      for (const filing of filings) if (filing.consent === name) filing.revocation = signature;
    }
    if (!isSettled(filings)) await this.#begin(patient);
  }

  /** Work came for a patient: what is pending shows before it is durable. */
  async #begin(patient: Hex, andSave?: () => Promise<void>): Promise<void> {
    this.#ledger.begin(patient);
    this.#changed(patient);
    await andSave?.();
    await this.#ledger.save(patient);
    this.#loop.wake();
  }

  #changed(patient: Hex): void {
    for (const listener of this.#listeners) listener.changed(patient);
    if (this.pendingOf(patient) !== undefined) return;
    for (const waiter of this.#waiters.filter((one) => one.patient === patient)) waiter.done();
  }
}

/** Marks what was filed for a Consent before, `keep` excepted, as to be revoked. */
function withdrawOthers(filings: readonly Filing[], consent: string, keep: Hex | undefined): void {
  for (const filing of filings) {
    if (filing.consent === consent && filing.policy !== keep) filing.wanted = 'revoked';
  }
}

function isSettled(filings: readonly Filing[]): boolean {
  return filings.every(({ wanted, status }) => wanted === 'active' && status === 'active');
}

/** A Consent that was stored under other rules, and cannot be compiled now, has no policy of ours. */
function bytesIfCompiled(consent: Resource, blinder: Blinder, compile?: CompileOptions): Uint8Array | undefined {
  try {
    return compileToBytes(consent, blinder, compile)?.bytes;
  } catch (problem) {
    if (problem instanceof FhirError) return undefined;
    throw problem;
  }
}

const decoded = new WeakMap<Filing, Uint8Array>();

/** The same array for the same filing, so that equality is cheap. */
function bytesOf(filing: Filing): Uint8Array {
  let bytes = decoded.get(filing);
  if (bytes === undefined) decoded.set(filing, (bytes = new Uint8Array(Buffer.from(filing.bytes, 'base64'))));
  return bytes;
}
