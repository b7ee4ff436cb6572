/**
 * Brings consents to the chain: a durable outbox between the commit of a Consent and the registry.
 *
 * A change is pending from the moment it is told, and durable when the call resolves. A transaction is stored before it is sent; after a crash
 * or a time without chain the same transaction is sent again, so that no policy is filed twice.
 */
import type { Clock } from '../base/clock.js';
import type { Resource } from '../base/resource.js';
import type { Chain, ChainReceipt, Hex } from '../chain/chain.js';
import type { AccountSignature } from '../chain/passkey-signature.js';
import type { Catalog } from '../commit/catalog.js';
import type { KeyRing } from '../vault/key-ring.js';
import type { AccountKeys } from './account-keys.js';
import type { Blinder } from './blinder.js';
import type { CompileOptions } from './compile.js';
import type { FilingStatement, ToSign } from './filing-signatures.js';
import { Ledger, type FilingSignature } from './ledger.js';
import { LedgerPublisher } from './ledger-publisher.js';
import type { PendingChanges, PolicyContents } from './pending-changes.js';

/** Stored Consents: policies can be made again from them. */
export interface ConsentSource {
  activeConsents(patientId: string): Promise<readonly Resource[]>;
}

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
  /** It waits for a signature of the patient's own key (`toSign`). */
  readonly needsSignature?: true;
}

export interface ConsentPublisher extends PendingChanges, PolicyContents {
  /** Whose keys sign for whom. */
  readonly accounts: AccountKeys;

  /** For the door, before the commit. @throws FhirError 422 when an active Consent cannot be compiled. */
  check(consent: Resource): void;

  /** A version of a Consent was committed, active or not. Calling it again changes nothing. */
  onConsentWritten(consent: Resource, signature?: FilingSignature): Promise<void>;

  /**
   * A Consent was deleted or is no longer active.
   * @param signature by the patient's own key over `Revoke`, where she filed with it; until it comes, the revocation is pending, which denies.
   */
  onConsentRevoked(consentId: string, signature?: AccountSignature): Promise<void>;

  /** What of a Consent waits for a signature of the patient's own key; undefined when nothing does. @throws ChainUnavailable */
  toSign(consentId: string): Promise<ToSign | undefined>;

  /**
   * Takes such a signature and sends it on. Whoever calls has checked it.
   * @returns false when nothing waits for it any more.
   */
  addSignature(consentId: string, statement: FilingStatement, signature: AccountSignature): Promise<boolean>;

  /** The patient's key has changed: what waited for a signature may be signed by another one now. */
  onKeyChanged(patientId: string): void;

  /** Runs `task` while no filing of the patient is begun; it waits until none is under way. @returns undefined when one is. */
  whileIdle<T>(patientId: string, task: () => Promise<T>): Promise<T | undefined>;

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

  /** Something that was told of a Consent could not be remembered yet, and is tried again; see `onConsentWritten`. */
  readonly isBehind: boolean;

  /** Stops after the transaction at hand; what is left is done after the next start. */
  close(): Promise<void>;
}

export async function startConsentPublisher(options: ConsentPublisherOptions): Promise<ConsentPublisher> {
  return new LedgerPublisher(options, await Ledger.open(options.state));
}
