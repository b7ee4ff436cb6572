/** The publisher on a ledger in the catalog's small state: what was told is pending at once, durable, and worked off by the loop. */
import { FhirError } from '../base/outcome.js';
import type { Resource } from '../base/resource.js';
import { type ChainReceipt, ChainUnavailable, type Hex } from '../chain/chain.js';
import type { AccountSignature } from '../chain/passkey-signature.js';
import { AccountKeys, ownKeyState } from './account-keys.js';
import type { Blinder } from './blinder.js';
import { type CompileOptions, compileToBytes, patientOf } from './compile.js';
import { type FilingStatement, type ToSign, signaturesMissing, takeSignature } from './filing-signatures.js';
import type { Filing, FilingSignature, Ledger } from './ledger.js';
import { OutboxLoop } from './outbox-loop.js';
import type { PendingChanges } from './pending-changes.js';
import { policyHash } from './policy-bytes.js';
import type { ConsentPublisher, ConsentPublisherOptions, FilingState } from './publisher.js';
import { Settling } from './settling.js';
import { Untold } from './untold.js';

type Listener = Parameters<PendingChanges['listen']>[0];

/** See publisher.ts. */
export class LedgerPublisher implements ConsentPublisher {
  readonly #options: ConsentPublisherOptions;
  readonly #ledger: Ledger;
  readonly #loop: OutboxLoop;
  readonly accounts: AccountKeys;
  readonly #listeners: Listener[] = [];
  readonly #settling = new Settling();
  #refresh: Promise<void> | undefined;
  readonly #untold = new Untold();
  /** A server without requests sees what others left to do. */
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ConsentPublisherOptions, ledger: Ledger) {
    this.#options = options;
    this.#ledger = ledger;
    this.accounts = new AccountKeys(options);
    this.#loop = new OutboxLoop({ ...options, accounts: this.accounts }, ledger, {
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
    const awaits = this.#loop.isWaiting(patient) ? 'signature' : 'chain';
    return { withdrawn: withdrawn.map(({ index }) => index as number), filed: filed.map(bytesOf), awaits } as const;
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

  get isBehind(): boolean {
    return !this.#untold.isEmpty;
  }

  onConsentWritten(consent: Resource, signature?: FilingSignature): Promise<void> {
    return this.#untold.tell(consent.id ?? '', () => this.#write(consent, signature));
  }

  onConsentRevoked(consentId: string, signature?: AccountSignature): Promise<void> {
    return this.#untold.tell(consentId, () => this.#revoke(consentId, signature));
  }

  async #write(consent: Resource, signature?: FilingSignature): Promise<void> {
    const { blinder, compile } = this.#options;
    const compiled = compileToBytes(consent, blinder, compile);
    if (compiled === undefined) return this.#revoke(consent.id ?? '');
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

  async #revoke(consentId: string, signature?: AccountSignature): Promise<void> {
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
    const needsSignature = state !== 'active' && (await this.#needsSignature(consentId));
    return {
      state,
      policy,
      ...(index === undefined ? {} : { index }),
      ...(needsSignature ? { needsSignature } : {}),
    };
  }

  /** Not told while the chain cannot say whose the account is. */
  async #needsSignature(consentId: string): Promise<boolean> {
    try {
      return (await this.toSign(consentId)) !== undefined;
    } catch (problem) {
      if (problem instanceof ChainUnavailable) return false;
      throw problem;
    }
  }

  toSign(consentId: string): Promise<ToSign | undefined> {
    return signaturesMissing(this.#ledger, this.accounts, this.#options.clock, this.#nameOf(consentId));
  }

  async addSignature(consentId: string, statement: FilingStatement, signature: AccountSignature): Promise<boolean> {
    const name = this.#nameOf(consentId);
    return this.#ledger.inTurn(async () => {
      const filings = await this.#ledger.load(statement.patient);
      if (!takeSignature(filings, name, statement, signature)) return false;
      await this.#begin(statement.patient);
      return true;
    });
  }

  onKeyChanged(patientId: string): void {
    this.#loop.wake(this.#options.blinder.pseudonym(patientId));
  }

  async whileIdle<T>(patientId: string, task: () => Promise<T>): Promise<T | undefined> {
    const patient = this.#options.blinder.pseudonym(patientId);
    await this.settled(patient, 1_000);
    return this.#ledger.inTurn(() => (this.pendingOf(patient) === undefined ? task() : Promise.resolve(undefined)));
  }

  whenSettled(patientId: string, timeoutMs: number): Promise<boolean> {
    return this.settled(this.#options.blinder.pseudonym(patientId), timeoutMs);
  }

  settled(patient: Hex, timeoutMs: number): Promise<boolean> {
    return this.#settling.wait(patient, this.pendingOf(patient), timeoutMs);
  }

  async forget(patientId: string, consentIds: readonly string[], timeoutMs: number): Promise<string[]> {
    const patient = this.#options.blinder.pseudonym(patientId);
    for (const id of consentIds) await this.onConsentRevoked(id);
    await this.settled(patient, timeoutMs);
    await this.#ledger.inTurn(() => this.#ledger.forget(patient));
    const names = consentIds.map((id) => `consent/consent/${this.#nameOf(id)}`);
    return [`consent/key/${patient}`, ownKeyState(patient), `consent/patient/${patient}`, ...names];
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
    this.#untold.close();
    return this.#loop.close();
  }

  #nameOf(consentId: string): string {
    return this.#options.blinder.term(`consent|${consentId}`);
  }

  async #withdraw(patient: Hex, name: string, signature?: AccountSignature): Promise<void> {
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
    try {
      await andSave?.();
      await this.#ledger.save(patient);
    } finally {
      // What could not be stored is on its way all the same, and is stored with its next step.
      this.#loop.wake(patient);
    }
  }

  #changed(patient: Hex): void {
    for (const listener of this.#listeners) listener.changed(patient);
    this.#settling.tell(patient, this.pendingOf(patient));
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
