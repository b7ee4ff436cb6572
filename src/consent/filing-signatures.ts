/** Signatures that a patient with a key of her own has to give so that a Consent of hers is filed, or revoked, on the chain. */
import type { Clock } from '../base/clock.js';
import type { AccountStatement } from '../chain/account-typed-data.js';
import type { Hex } from '../chain/chain.js';
import type { AccountSignature } from '../chain/passkey-signature.js';
import type { Account, AccountKeys } from './account-keys.js';
import type { Filing, Ledger } from './ledger.js';

/** Filing or revoking one policy. */
export type FilingStatement = Extract<AccountStatement, { kind: 'file' | 'revoke' }>;

/** What waits for the patient's own key. */
export interface ToSign {
  readonly patient: Hex;
  readonly account: Account;
  /** Filings first: so nobody stands without either. At least one. */
  readonly statements: readonly FilingStatement[];
}

/** Seconds within which a signature has to be given. */
export const SIGNING_TIME_S = 3_600;

/** @returns undefined when nothing of the Consent waits for a signature. @throws ChainUnavailable */
export async function signaturesMissing(
  ledger: Ledger,
  accounts: AccountKeys,
  clock: Clock,
  consent: string,
): Promise<ToSign | undefined> {
  const patient = await ledger.patientOf(consent);
  if (patient === undefined) return undefined;
  const filings = (await ledger.read(patient)).filter((filing) => filing.consent === consent);
  const account = await accounts.of(patient);
  if (account.owner === 'server') return undefined;
  const deadline = Math.floor(clock.now() / 1000) + SIGNING_TIME_S;
  const statements = [
    ...filings
      .filter(isToFile)
      .map(({ policy }) => ({ kind: 'file', patient, policy, index: account.nextIndex, deadline }) as const),
    ...filings
      .filter(isToRevoke)
      .map(({ policy, index }) => ({ kind: 'revoke', patient, policy, index: index as number }) as const),
  ];
  return statements.length === 0 ? undefined : { patient, account, statements };
}

/** @returns false when nothing waits for this signature. */
export function takeSignature(
  filings: readonly Filing[],
  consent: string,
  statement: FilingStatement,
  signature: AccountSignature,
): boolean {
  const isMeant = statement.kind === 'file' ? isToFile : isToRevoke;
  const filing = filings.find((one) => one.consent === consent && one.policy === statement.policy && isMeant(one));
  if (filing === undefined) return false;
  if (statement.kind === 'revoke') filing.revocation = signature;
  else filing.signature = { ...signature, index: statement.index, deadline: statement.deadline };
  return true;
}

function isToFile({ wanted, status, signature }: Filing): boolean {
  return wanted === 'active' && status === 'queued' && signature === undefined;
}

function isToRevoke({ wanted, status, revocation }: Filing): boolean {
  return wanted === 'revoked' && status === 'active' && revocation === undefined;
}
