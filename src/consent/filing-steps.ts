/**
 * The next step of a filing on its way to the chain, and the call that makes it: signed by the key that the server keeps for the patient, or
 * by her own, for whose signature it waits.
 */
import type { Clock } from '../base/clock.js';
import type { Chain, Hex } from '../chain/chain.js';
import { encodeFile, encodeRevoke, signFiling, signRevocation } from '../chain/consent-registry.js';
import type { AccountKeys } from './account-keys.js';
import type { Filing } from './ledger.js';

/** What is to be sent for one filing, as it stood when it was looked at. */
export interface Step {
  readonly patient: Hex;
  readonly filing: Filing;
  readonly kind: 'file' | 'revoke';
}

export interface FilingStepsOptions {
  readonly chain: Pick<Chain, 'chainId'>;
  readonly registry: Hex;
  readonly accounts: AccountKeys;
  readonly clock: Clock;
}

const DEADLINE_S = 86_400;

export class FilingSteps {
  readonly #options: FilingStepsOptions;
  /** Filings of patients with keys of their own, of whom no signature has come. */
  #awaiting = new WeakSet<Filing>();

  constructor(options: FilingStepsOptions) {
    this.#options = options;
  }

  /** Drops what need not be sent at all, and finds what is next: filings before revocations, so that nobody stands without either. */
  next(filings: Filing[]): Filing | undefined {
    for (const filing of filings.filter(({ wanted, status }) => wanted === 'revoked' && status === 'queued')) {
      filings.splice(filings.indexOf(filing), 1);
    }
    const open = filings.filter(
      (one) => (one.wanted === 'revoked' || one.status !== 'active') && !this.isUnsigned(one),
    );
    return open.find(({ wanted }) => wanted === 'active') ?? open[0];
  }

  /** It waits for the signature of the patient's own key: until then it stays pending, which denies. */
  isUnsigned(filing: Filing): boolean {
    const { wanted, status, signature, revocation } = filing;
    const isAwaiting = this.#awaiting.has(filing);
    if (wanted === 'active') return isAwaiting && status === 'queued' && signature === undefined;
    return status === 'active' && revocation === undefined && (signature !== undefined || isAwaiting);
  }

  /** Looks anew whose keys sign: others may have signed, or changed keys. */
  lookAgain(): void {
    this.#awaiting = new WeakSet();
  }

  /** @returns undefined when the patient's own key has to sign first. @throws ChainUnavailable */
  async calldata({ patient, filing, kind }: Step): Promise<{ data: Hex; index: number } | undefined> {
    const { chain, registry, accounts, clock } = this.#options;
    const domain = { chainId: chain.chainId, contract: registry };
    const { policy } = filing;
    const given = kind === 'file' ? filing.signature : filing.revocation;
    const { owner, nextIndex } = await accounts.of(patient);
    if (given === undefined && owner === 'own') {
      this.#awaiting.add(filing);
      return undefined;
    }
    if (kind === 'revoke') {
      const revocation = { patient, policy, index: filing.index as number };
      const signature = filing.revocation ?? signRevocation(await accounts.kept.keyOf(patient), domain, revocation);
      return { data: encodeRevoke(revocation, signature), index: revocation.index };
    }
    const deadline = filing.signature?.deadline ?? Math.floor(clock.now() / 1000) + DEADLINE_S;
    const statement = { patient, policy, index: nextIndex, deadline };
    const signature = filing.signature ?? signFiling(await accounts.kept.keyOf(patient), domain, statement);
    return { data: encodeFile(statement, signature), index: nextIndex };
  }
}
