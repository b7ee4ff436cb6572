/** What the operations on a patient's key take and give as Parameters: keys, signatures, statements to sign. */
import { type FhirError, fhirError } from '../../../base/outcome.js';
import { passkeyPoint, readAccountSignature } from '../../../chain/account-signature.js';
import { type AccountStatement, statementDigest, typedDataOf } from '../../../chain/account-typed-data.js';
import type { Hex } from '../../../chain/chain.js';
import { type AccountSignature, type PasskeyPoint, passkeyName } from '../../../chain/passkey-signature.js';
import type { Eip712Domain } from '../../../chain/signing.js';
import {
  AccountRefused,
  type AccountDesk,
  type AccountIntent,
  type AccountView,
} from '../../../consent/account-desk.js';
import type { Account, OwnKey } from '../../../consent/account-keys.js';
import { type Input, type OutputParameter, parametersOf } from '../../terminology/operations/parameters.js';

/** Milliseconds since 1970 of an instant. */
const instantForm = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})$/;

/** A wallet's address. @throws FhirError 400 when it is none. */
export function addressIn(input: Input, name: string): Hex | undefined {
  const text = input.text(name);
  if (text === undefined) return undefined;
  if (!/^0x[0-9a-fA-F]{40}$/.test(text)) throw invalid(name, 'an address: 0x and 40 hexadecimal digits');
  return text.toLowerCase() as Hex;
}

/** A key: a wallet's address (`key`), or the public key of a passkey (`publicKey`, with `credential`). @throws FhirError 400 */
export function keyIn(input: Input): OwnKey | undefined {
  const point = pointIn(input, 'publicKey');
  if (point === undefined) {
    const name = addressIn(input, 'key');
    return name === undefined ? undefined : { kind: 'wallet', name };
  }
  const credential = input.text('credential');
  if (credential !== undefined && !/^[\w-]{1,1366}$/.test(credential)) throw invalid('credential', 'base64url');
  return { kind: 'passkey', name: passkeyName(point), point, ...(credential === undefined ? {} : { credential }) };
}

/** The public key of a passkey: base64url of its SubjectPublicKeyInfo. @throws FhirError 400 */
export function pointIn(input: Input, name: string): PasskeyPoint | undefined {
  const text = input.text(name);
  if (text === undefined) return undefined;
  try {
    return passkeyPoint(Buffer.from(text, 'base64url'));
  } catch {
    throw invalid(name, 'base64url of a P-256 public key (SubjectPublicKeyInfo)');
  }
}

/** @param point public key of the passkey that signs, where it is one. @throws FhirError 400 */
export function signatureIn(input: Input, name: string, point: PasskeyPoint | undefined): AccountSignature | undefined {
  const text = input.text(name);
  if (text === undefined) return undefined;
  try {
    return readAccountSignature(text, point);
  } catch (problem) {
    if (!(problem instanceof RangeError)) throw problem;
    throw fhirError(400, 'invalid', `The parameter '${name}' is no signature: ${problem.message}.`, placeOf(name));
  }
}

/** Index and deadline of the statement that was signed. @throws FhirError 400 when they are missing. */
export function statementIn(input: Input): { index: number; deadline: number } {
  const index = input.count('index');
  const deadline = secondsIn(input, 'deadline');
  if (index === undefined || deadline === undefined) {
    throw fhirError(400, 'required', "With a signature come 'index' and 'deadline' of the statement that was signed.");
  }
  return { index, deadline };
}

/** Seconds since 1970 of an instant. @throws FhirError 400 */
export function secondsIn(input: Input, name: string): number | undefined {
  const text = input.text(name);
  if (text === undefined) return undefined;
  const time = instantForm.test(text) ? Date.parse(text) : Number.NaN;
  if (Number.isNaN(time) || time < 0) throw invalid(name, 'an instant such as 2026-01-31T12:00:00Z');
  return Math.floor(time / 1000);
}

export function instantOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString();
}

/** What has to be signed: as typed data for a wallet, as challenge for a passkey, with what comes back beside the signature. */
export function toSignParts(
  domain: Eip712Domain,
  statement: AccountStatement,
  { own }: Pick<Account, 'own'>,
): OutputParameter[] {
  return [
    { name: 'statement', valueCode: statement.kind },
    { name: 'index', valueUnsignedInt: statement.index },
    { name: 'deadline', valueInstant: 'deadline' in statement ? instantOf(statement.deadline) : undefined },
    { name: 'typedData', valueString: JSON.stringify(typedDataOf(domain, statement)) },
    { name: 'challenge', valueString: Buffer.from(statementDigest(domain, statement)).toString('base64url') },
    { name: 'credential', valueString: own?.credential },
  ].filter((part) => Object.entries(part).every(([, value]) => value !== undefined));
}

/** The account as it is when all that was sent for it is done: what is signed next counts from there. */
export async function accountToSign(accounts: AccountDesk, id: string, isSigned: boolean): Promise<AccountView> {
  if (!isSigned) await asFhir(() => accounts.settled(id));
  return accounts.about(id);
}

/** The answer to an intent that comes without a signature. @param signer who is to sign, where a passkey is to be named. */
export function toSign(
  accounts: AccountDesk,
  id: string,
  intent: AccountIntent,
  account: Account,
  signer: Pick<Account, 'own'> = {},
) {
  return inState('to-sign', toSignParts(accounts.domain, accounts.statement(id, intent, account), signer));
}

/** The answer of an operation on an account: what became of it, with what belongs to that. */
export function inState(state: 'to-sign' | 'started' | 'done', parts: readonly OutputParameter[]) {
  return { status: 200, resource: parametersOf([{ name: 'state', valueCode: state }, ...parts]) };
}

/** Runs `task`, with what the account refuses told as FHIR does. */
export async function asFhir<T>(task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (problem) {
    throw problem instanceof AccountRefused ? told(problem) : problem;
  }
}

function told({ reason, message }: AccountRefused): FhirError {
  if (reason === 'signature') return fhirError(422, 'business-rule', message, placeOf('signature'));
  if (reason === 'busy') return fhirError(503, 'transient', message);
  return fhirError(409, 'conflict', message);
}

function invalid(name: string, expected: string): FhirError {
  return fhirError(400, 'invalid', `The parameter '${name}' is expected to be ${expected}.`, placeOf(name));
}

function placeOf(name: string): string {
  return `Parameters.parameter.where(name = '${name}')`;
}
