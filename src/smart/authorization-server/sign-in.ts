/** The ways to sign in, for every page that asks for it: each attempt is recorded before its answer leaves. */
import type { IncomingMessage } from 'node:http';
import type { Account, Accounts } from '../accounts/accounts.js';
import type { Passkeys } from '../accounts/passkeys.js';
import { patientsOf, type SecurityLog } from '../security-events.js';
import { addressOf } from './forms.js';

export interface SignInParts {
  readonly accounts: Accounts;
  /** Absent: passkeys are not offered here. */
  readonly passkeys?: Passkeys;
  readonly securityLog: SecurityLog;
}

/** What somebody signs in for. */
export interface SignInPlace {
  readonly request: IncomingMessage;
  /** What a passkey's answer must be for: the interaction, or the page. */
  readonly purpose: string;
  /** The app that asked for it. */
  readonly client?: string;
}

export type SignedIn =
  /** @property amr how (RFC 8176). */
  | { readonly kind: 'ok'; readonly account: Account; readonly amr: readonly string[] }
  | { readonly kind: 'refused'; readonly way: 'password' | 'passkey' }
  | { readonly kind: 'throttled'; readonly retryAfterSeconds: number };

export async function signInByPassword(
  { accounts, securityLog }: SignInParts,
  { request, client }: SignInPlace,
  form: URLSearchParams,
): Promise<SignedIn> {
  const address = addressOf(request);
  const done = await accounts.signIn(form.get('name') ?? '', form.get('password') ?? '', address);
  const facts = { kind: 'login', address, client, query: 'amr=pwd' } as const;
  if (done.kind === 'ok') {
    const { fhirUser } = done.account;
    await securityLog.record({ ...facts, outcome: 'permit', actor: fhirUser, patients: patientsOf(fhirUser) });
    return { kind: 'ok', account: done.account, amr: ['pwd'] };
  }
  const cause = done.kind === 'throttled' ? 'throttled' : done.cause;
  const { fhirUser } = done;
  await securityLog.record({ ...facts, outcome: 'deny', actor: fhirUser, patients: patientsOf(fhirUser), cause });
  return done.kind === 'throttled' ? done : { kind: 'refused', way: 'password' };
}

export async function signInByPasskey(
  { accounts, passkeys, securityLog }: SignInParts,
  { request, client, purpose }: SignInPlace,
  form: URLSearchParams,
): Promise<SignedIn> {
  const accountId = await passkeys?.signIn(parsed(form.get('credential')), purpose);
  const account = accountId === undefined ? undefined : await accounts.byId(accountId);
  const facts = { kind: 'login', address: addressOf(request), client, query: 'amr=pop' } as const;
  if (account === undefined) {
    const cause = accountId === undefined ? 'passkey-not-proven' : 'locked';
    await securityLog.record({ ...facts, outcome: 'deny', cause });
    return { kind: 'refused', way: 'passkey' };
  }
  const { fhirUser } = account;
  await securityLog.record({ ...facts, outcome: 'permit', actor: fhirUser, patients: patientsOf(fhirUser) });
  return { kind: 'ok', account, amr: ['pop', 'user', 'mfa'] };
}

/** What a page's script put into the form; undefined for anything else. */
export function parsed(text: string | null): unknown {
  try {
    return JSON.parse(text ?? '');
  } catch {
    return undefined;
  }
}
