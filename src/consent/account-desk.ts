/**
 * What a patient says with her key beside filing consents: which key is hers, who acts for her, who may give it back when it is lost.
 *
 * A key that the server keeps signs when she asks; her own key signs a statement that is made here, shown to her, and comes back signed. The
 * contract has the last word on every one of them (contracts/IConsentRegistry.sol).
 */
import type { Clock } from '../base/clock.js';
import {
  decodeRecovery,
  encodeCancelRecovery,
  encodeDelegate,
  encodeFinishRecovery,
  encodeRecoveryOf,
  encodeSetRecovery,
  encodeStartRecovery,
} from '../chain/account-statements.js';
import { isOfOrigin, signerOf } from '../chain/account-signature.js';
import { type AccountStatement, statementDigest } from '../chain/account-typed-data.js';
import { CallReverted, type Chain, type ChainReceipt, type Hex } from '../chain/chain.js';
import { encodeChangeKey } from '../chain/consent-registry.js';
import { type AccountSignature, isPasskeySignature } from '../chain/passkey-signature.js';
import { type Eip712Domain, signDigest } from '../chain/signing.js';
import type { Account, AccountKeys, OwnKey } from './account-keys.js';
import type { Blinder } from './blinder.js';
import type { RunningConsentGate } from './consent-gate.js';
import { SIGNING_TIME_S } from './filing-signatures.js';
import type { ConsentPublisher } from './publisher.js';
import { referenceTerm } from './terms.js';

export interface AccountDeskOptions {
  readonly chain: Pick<Chain, 'chainId' | 'call'>;
  readonly registry: Hex;
  readonly blinder: Blinder;
  readonly clock: Clock;
  readonly accounts: AccountKeys;
  readonly gate: Pick<RunningConsentGate, 'activePolicies' | 'sync'>;
  readonly publisher: Pick<ConsentPublisher, 'submit' | 'onKeyChanged' | 'whileIdle' | 'whenSettled' | 'pendingOf'>;
  /** May pages of this origin use this server? For assertions of passkeys. */
  readonly isTrustedOrigin: (origin: string) => boolean;
  /** How long an answer waits for filings that are under way; default 20 s. */
  readonly settlingMs?: number;
}

/** What the patient wants. Times in seconds since 1970. */
export type AccountIntent =
  | { readonly kind: 'change-key'; readonly key: Hex }
  /** `actor` a reference. */
  | { readonly kind: 'delegate'; readonly actor?: string; readonly key?: Hex; readonly until: number }
  | { readonly kind: 'set-recovery'; readonly key?: Hex; readonly delayS: number }
  | { readonly kind: 'recover'; readonly next: Hex }
  | { readonly kind: 'cancel-recovery' };

/**
 * Why a statement is not taken. `signature`: not by the right key. `stale`: made for another state of the account, or too late. `busy`: none can be
 * made while a filing is on its way.
 */
export type AccountRefusal = 'signature' | 'stale' | 'busy' | 'refused';

/** How long an answer waits for filings that are under way: some blocks of a slow chain. */
const SETTLING_MS = 20_000;

export class AccountRefused extends Error {
  override readonly name = 'AccountRefused';
  constructor(
    readonly reason: AccountRefusal,
    message: string,
  ) {
    super(message);
  }
}

/** An account with what is told to its owner. */
export interface AccountView extends Account {
  readonly recovery: ReturnType<typeof decodeRecovery>;
}

export class AccountDesk {
  readonly #options: AccountDeskOptions;
  readonly domain: Eip712Domain;

  constructor(options: AccountDeskOptions) {
    this.#options = options;
    this.domain = { chainId: options.chain.chainId, contract: options.registry };
  }

  async about(patientId: string): Promise<AccountView> {
    const { accounts, chain, registry } = this.#options;
    const patient = this.#patient(patientId);
    const account = await accounts.of(patient);
    return { ...account, recovery: decodeRecovery(await chain.call(registry, encodeRecoveryOf(patient))) };
  }

  /**
   * The statement that a key has to sign for this.
   * @param given index and deadline of a statement that was made before; @throws AccountRefused `stale` when they do not hold any more.
   */
  statement(
    patientId: string,
    intent: AccountIntent,
    account: Account,
    given?: { readonly index: number; readonly deadline: number },
  ): AccountStatement {
    const nowS = Math.floor(this.#options.clock.now() / 1000);
    const { index, deadline } = given ?? { index: account.nextIndex, deadline: nowS + SIGNING_TIME_S };
    if (index !== account.nextIndex) {
      throw new AccountRefused(
        'stale',
        `The account has gone on to statement ${account.nextIndex}; ask for a new statement to sign.`,
      );
    }
    if (deadline <= nowS || deadline > nowS + SIGNING_TIME_S) {
      throw new AccountRefused('stale', 'The time of this statement is over; ask for a new one to sign.');
    }
    const shared = { patient: this.#patient(patientId), index, deadline };
    if (intent.kind !== 'delegate') return { ...intent, ...shared };
    const { actor, ...rest } = intent;
    const term = actor === undefined ? {} : { actor: this.#options.blinder.term(referenceTerm('actor', actor)) };
    return { ...rest, ...term, ...shared };
  }

  /** @throws AccountRefused `signature` unless it was made by the key of this name, on a page that may use this server. */
  requireSigner(statement: AccountStatement, signature: AccountSignature, names: readonly Hex[]): void {
    const signer = signerOf(statementDigest(this.domain, statement), signature);
    if (signer === undefined || !names.includes(signer)) {
      throw new AccountRefused('signature', 'The signature is not over this statement by the key that has to sign it.');
    }
    if (!isOfOrigin(signature, this.#options.isTrustedOrigin)) {
      throw new AccountRefused('signature', 'The passkey signed for a page of another origin.');
    }
  }

  /**
   * Brings a statement that was signed to the chain; resolves when it is mined and decisions know of it.
   * @throws AccountRefused; ChainUnavailable
   */
  async perform(patientId: string, statement: AccountStatement, signature: AccountSignature): Promise<ChainReceipt> {
    return this.#submit(await this.#calldata(patientId, statement, signature));
  }

  /** The same by the key that the server keeps for her. @throws AccountRefused; ChainUnavailable */
  async performKept(patientId: string, intent: AccountIntent): Promise<ChainReceipt> {
    for (let attempt = 1; ; attempt += 1) {
      const account = await this.#options.accounts.of(this.#patient(patientId));
      const statement = this.statement(patientId, intent, account);
      try {
        return await this.perform(patientId, statement, await this.#signedForHer(statement, account));
      } catch (problem) {
        // A filing of hers was mined meanwhile and took the index.
        if (!(problem instanceof AccountRefused) || problem.reason !== 'refused' || attempt === 4) throw problem;
        const { nextIndex } = await this.#options.accounts.of(statement.patient);
        if (nextIndex === statement.index) throw problem;
      }
    }
  }

  /**
   * Waits until no filing of hers is under way: each takes the index of a statement that is made meanwhile, which would then be signed in vain.
   * @throws AccountRefused `busy` when that takes too long.
   */
  async settled(patientId: string): Promise<void> {
    const { publisher, settlingMs = SETTLING_MS } = this.#options;
    if (await publisher.whenSettled(patientId, settlingMs)) return;
    // What waits for a signature of hers takes no index until it comes.
    if (publisher.pendingOf(this.#patient(patientId))?.awaits !== 'chain') return;
    throw new AccountRefused('busy', 'A consent is being filed; try again when the chain has it.');
  }

  /** The account is handed to the new key, with all policies, once the delay is over. By anybody. */
  async finishRecovery(patientId: string, key?: OwnKey): Promise<ChainReceipt> {
    const patient = this.#patient(patientId);
    const receipt = await this.#submit(encodeFinishRecovery(patient, this.#policies(patientId)));
    await this.#took(patientId, key);
    return receipt;
  }

  /**
   * Takes a key of the patient's own: at once for an account that has filed nothing, on the chain for another.
   * @param statement of kind `change-key`, checked to be signed by the new key. @param signature by the key that the account has; absent: the server's.
   * @returns undefined where the chain need not be told.
   */
  async changeKey(
    patientId: string,
    statement: AccountStatement,
    key: OwnKey,
    account: Account,
    signature?: AccountSignature,
  ): Promise<ChainReceipt | undefined> {
    const { accounts, publisher } = this.#options;
    const patient = this.#patient(patientId);
    if (!account.isOnChain) {
      // Nothing may be on its way under the key that was: the first filing decides whose the account is.
      const done = await publisher.whileIdle(patientId, async () => {
        await accounts.register(patient, key);
        return true;
      });
      if (done === undefined)
        throw new AccountRefused('stale', 'A consent is being filed; try again when that is done.');
      return undefined;
    }
    const by = signature ?? (await this.#signedForHer(statement, account));
    const receipt = await this.perform(patientId, statement, by);
    await this.#took(patientId, key);
    return receipt;
  }

  /** A crash before this leaves the key on the chain, unknown here: she names it again with her next signature. */
  async #took(patientId: string, key: OwnKey | undefined): Promise<void> {
    const { accounts, publisher } = this.#options;
    const patient = this.#patient(patientId);
    if (key !== undefined) await accounts.register(patient, key);
    await accounts.kept.drop(patient);
    publisher.onKeyChanged(patientId);
  }

  async #signedForHer(statement: AccountStatement, account: Account): Promise<AccountSignature> {
    if (account.owner === 'own')
      throw new AccountRefused('signature', 'The patient has a key of her own: it has to sign.');
    const key = await this.#options.accounts.kept.keyOf(statement.patient);
    return signDigest(key, statementDigest(this.domain, statement));
  }

  async #calldata(patientId: string, statement: AccountStatement, signature: AccountSignature): Promise<Hex> {
    switch (statement.kind) {
      case 'change-key':
        await this.#options.gate.sync();
        return encodeChangeKey({ ...statement, policies: this.#policies(patientId) }, signature);
      case 'delegate':
        return encodeDelegate(statement, signature);
      case 'set-recovery':
        return encodeSetRecovery(statement, signature);
      case 'cancel-recovery':
        return encodeCancelRecovery(statement.patient, signature);
      case 'recover':
        if (isPasskeySignature(signature)) throw new AccountRefused('signature', 'A recovery key is no passkey.');
        return encodeStartRecovery(statement, signature);
      case 'file':
      case 'revoke':
        throw new RangeError(`${statement.kind} goes by the Consent`);
    }
  }

  async #submit(data: Hex): Promise<ChainReceipt> {
    const { publisher, registry, gate } = this.#options;
    try {
      const receipt = await publisher.submit(registry, data);
      await gate.sync();
      return receipt;
    } catch (problem) {
      if (!(problem instanceof CallReverted)) throw problem;
      throw new AccountRefused('refused', `The contract refuses it: ${problem.message}`);
    }
  }

  #policies(patientId: string): Hex[] {
    const active = [...(this.#options.gate.activePolicies(patientId) ?? [])];
    return active.sort(([a], [b]) => a - b).map(([, hash]) => hash);
  }

  #patient(patientId: string): Hex {
    return this.#options.blinder.pseudonym(patientId);
  }
}
