/** Filing and revoking Consents with a key of the patient's own: what she has to sign, and what becomes of her signature. */
import type { Clock } from '../base/clock.js';
import { decodeDelegate, encodeDelegateOf } from '../chain/account-statements.js';
import { signerOf } from '../chain/account-signature.js';
import { statementDigest } from '../chain/account-typed-data.js';
import type { Chain, Hex } from '../chain/chain.js';
import type { AccountSignature } from '../chain/passkey-signature.js';
import { type AccountDesk, AccountRefused } from './account-desk.js';
import { type FilingStatement, SIGNING_TIME_S, type ToSign } from './filing-signatures.js';
import type { ConsentPublisher } from './publisher.js';

export interface SigningDeskOptions {
  readonly chain: Pick<Chain, 'call'>;
  readonly registry: Hex;
  readonly clock: Clock;
  readonly publisher: Pick<ConsentPublisher, 'toSign' | 'addSignature' | 'settled'>;
  readonly accounts: Pick<AccountDesk, 'requireSigner' | 'domain'>;
}

/** How long an answer waits for its block. */
const MINING_MS = 5_000;

export class SigningDesk {
  readonly #options: SigningDeskOptions;

  constructor(options: SigningDeskOptions) {
    this.#options = options;
  }

  /** What of a Consent waits for a signature; undefined when nothing does. @throws ChainUnavailable */
  toSign(consentId: string): Promise<ToSign | undefined> {
    return this.#options.publisher.toSign(consentId);
  }

  /**
   * The statement of this kind that waits for a signature, as it was shown to the patient.
   * @param deadline of a filing, seconds since 1970. @throws AccountRefused `stale`
   */
  statement(
    { statements, account }: ToSign,
    kind: FilingStatement['kind'],
    index: number,
    deadline?: number,
  ): FilingStatement {
    const found = statements.find((one) => one.kind === kind && one.index === index);
    if (found === undefined) {
      const next = kind === 'file' ? `; the next filing has index ${account.nextIndex}` : '';
      throw new AccountRefused('stale', `Nothing waits for a signature that will ${kind} index ${index}${next}.`);
    }
    if (found.kind === 'revoke') return found;
    const nowS = Math.floor(this.#options.clock.now() / 1000);
    if (deadline === undefined || deadline <= nowS || deadline > nowS + SIGNING_TIME_S) {
      throw new AccountRefused('stale', 'The time of this statement is over; ask for a new one to sign.');
    }
    return { ...found, deadline };
  }

  /**
   * Takes a signature by the account's key, or by one that it made its delegate, and waits some seconds for the block.
   * @throws AccountRefused; ChainUnavailable
   */
  async sign(
    consentId: string,
    { patient, account }: ToSign,
    statement: FilingStatement,
    signature: AccountSignature,
  ): Promise<void> {
    const { publisher, accounts } = this.#options;
    const delegate = await this.#delegateKey(patient, statement, signature);
    const names = [account.key, delegate].filter((one) => one !== undefined);
    accounts.requireSigner(statement, signature, names);
    if (!(await publisher.addSignature(consentId, statement, signature))) {
      throw new AccountRefused('stale', 'Nothing waits for this signature any more.');
    }
    await publisher.settled(patient, MINING_MS);
  }

  /** The key that signed, when it may file for the patient now. */
  async #delegateKey(patient: Hex, statement: FilingStatement, signature: AccountSignature): Promise<Hex | undefined> {
    const { chain, registry, clock, accounts } = this.#options;
    const signer = signerOf(statementDigest(accounts.domain, statement), signature);
    if (signer === undefined) return undefined;
    const { keyUntil } = decodeDelegate(await chain.call(registry, encodeDelegateOf(patient, signer)));
    return clock.now() < 1000 * keyUntil ? signer : undefined;
  }
}
