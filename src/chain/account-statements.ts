/**
 * What a patient's key says beside filing and revoking: who acts for her, and who may replace a lost key
 * (contracts/IConsentRegistry.sol). Pure.
 *
 * `index` is always what `accountOf` tells as the index of the next filing: each statement uses one up. Times in seconds since 1970.
 */
import { WordReader, addressWord, bytes32Word, bytesTail, keccakText, selector, uintWord } from './abi.js';
import type { Hex } from './chain.js';
import { type AccountSignature, signatureBytes } from './passkey-signature.js';
import { type AttestationSignature, type Eip712Domain, typedDataDigest } from './signing.js';

const NAME = 'ConsentRegistry';
const NO_ADDRESS: Hex = `0x${'0'.repeat(40)}`;
const DELEGATE_TYPE = keccakText(
  'Delegate(bytes32 patient,address key,bytes16 actor,uint64 until,uint32 index,uint64 deadline)',
);
const RECOVERY_TYPE = keccakText('Recovery(bytes32 patient,address key,uint32 delayS,uint32 index,uint64 deadline)');
const RECOVER_TYPE = keccakText('Recover(bytes32 patient,address next,uint32 index,uint64 deadline)');
const CANCEL_TYPE = keccakText('CancelRecovery(bytes32 patient,uint32 index)');
const DELEGATE = selector('delegate(bytes32,address,bytes16,uint64,uint64,bytes)');
const SET_RECOVERY = selector('setRecovery(bytes32,address,uint32,uint64,bytes)');
const START_RECOVERY = selector('startRecovery(bytes32,address,uint64,(bytes32,bytes32))');
const CANCEL_RECOVERY = selector('cancelRecovery(bytes32,bytes)');
const FINISH_RECOVERY = selector('finishRecovery(bytes32,bytes32[])');
const RECOVERY_OF = selector('recoveryOf(bytes32)');
const DELEGATE_OF = selector('delegateOf(bytes32,address,bytes16)');

/** A delegate: a key that may file and revoke, an actor who is treated as the patient, or both. */
export interface Delegation {
  readonly patient: Hex;
  /** Absent: no key. */
  readonly key?: Hex;
  /** Blinded term of the actor, 32 digits; absent: none. */
  readonly actor?: string;
  /** The first second at which it no longer holds; 0 ends it. */
  readonly until: number;
  readonly index: number;
  readonly deadline: number;
}

/** Which key may replace the patient's; `key` absent: none. */
export interface RecoveryPlan {
  readonly patient: Hex;
  readonly key?: Hex;
  /** Time in which the present key can cancel. */
  readonly delayS: number;
  readonly index: number;
  readonly deadline: number;
}

/** The recovery key names the new key. */
export interface RecoveryStart {
  readonly patient: Hex;
  readonly next: Hex;
  readonly index: number;
  readonly deadline: number;
}

const keyWord = (key: Hex | undefined) => addressWord(key ?? NO_ADDRESS);
const actorWord = (actor = '') => actor.padEnd(64, '0');

export function delegationDigest(domain: Eip712Domain, statement: Delegation): Uint8Array {
  const { patient, key, actor, until, index, deadline } = statement;
  const words = bytes32Word(patient) + keyWord(key) + actorWord(actor) + uintWord(until);
  return typedDataDigest(NAME, domain, DELEGATE_TYPE, words + uintWord(index) + uintWord(deadline));
}

export function recoveryPlanDigest(domain: Eip712Domain, statement: RecoveryPlan): Uint8Array {
  const { patient, key, delayS, index, deadline } = statement;
  const words = bytes32Word(patient) + keyWord(key) + uintWord(delayS) + uintWord(index) + uintWord(deadline);
  return typedDataDigest(NAME, domain, RECOVERY_TYPE, words);
}

export function recoveryStartDigest(domain: Eip712Domain, statement: RecoveryStart): Uint8Array {
  const { patient, next, index, deadline } = statement;
  const words = bytes32Word(patient) + addressWord(next) + uintWord(index) + uintWord(deadline);
  return typedDataDigest(NAME, domain, RECOVER_TYPE, words);
}

export function recoveryCancelDigest(domain: Eip712Domain, statement: { patient: Hex; index: number }): Uint8Array {
  return typedDataDigest(NAME, domain, CANCEL_TYPE, bytes32Word(statement.patient) + uintWord(statement.index));
}

export function encodeDelegate(statement: Omit<Delegation, 'index'>, signature: AccountSignature): Hex {
  const { patient, key, actor, until, deadline } = statement;
  const words = bytes32Word(patient) + keyWord(key) + actorWord(actor) + uintWord(until) + uintWord(deadline);
  return `0x${DELEGATE}${words}${uintWord(6 * 32)}${bytesTail(signatureBytes(signature))}`;
}

export function encodeSetRecovery(statement: Omit<RecoveryPlan, 'index'>, signature: AccountSignature): Hex {
  const { patient, key, delayS, deadline } = statement;
  const words = bytes32Word(patient) + keyWord(key) + uintWord(delayS) + uintWord(deadline);
  return `0x${SET_RECOVERY}${words}${uintWord(5 * 32)}${bytesTail(signatureBytes(signature))}`;
}

/** @param signature of the recovery key, which is a secp256k1 key: guardians hold it in shares. */
export function encodeStartRecovery(
  { patient, next, deadline }: Omit<RecoveryStart, 'index'>,
  signature: Pick<AttestationSignature, 'r' | 'vs'>,
): Hex {
  const words = bytes32Word(patient) + addressWord(next) + uintWord(deadline);
  return `0x${START_RECOVERY}${words}${bytes32Word(signature.r)}${bytes32Word(signature.vs)}`;
}

export function encodeCancelRecovery(patient: Hex, signature: AccountSignature): Hex {
  return `0x${CANCEL_RECOVERY}${bytes32Word(patient)}${uintWord(64)}${bytesTail(signatureBytes(signature))}`;
}

/** @param policies hashes of the active policies in order of their indexes. */
export function encodeFinishRecovery(patient: Hex, policies: readonly Hex[]): Hex {
  const array = uintWord(policies.length) + policies.map(bytes32Word).join('');
  return `0x${FINISH_RECOVERY}${bytes32Word(patient)}${uintWord(64)}${array}`;
}

export function encodeRecoveryOf(patient: Hex): Hex {
  return `0x${RECOVERY_OF}${bytes32Word(patient)}`;
}

/** @returns `key` absent when nobody may recover; `next` and `readyAt` while a recovery is under way. */
export function decodeRecovery(data: Hex): { key?: Hex; delayS: number; next?: Hex; readyAt?: number } {
  const words = new WordReader(data);
  return {
    ...(words.boolean(0) ? { key: words.address(0) } : {}),
    delayS: words.number(1),
    ...(words.boolean(2) ? { next: words.address(2), readyAt: words.number(3) } : {}),
  };
}

export function encodeDelegateOf(patient: Hex, key?: Hex, actor?: string): Hex {
  return `0x${DELEGATE_OF}${bytes32Word(patient)}${keyWord(key)}${actorWord(actor)}`;
}

/** Seconds since 1970 until which the key, and the actor, act for the patient; 0 for never. */
export function decodeDelegate(data: Hex): { keyUntil: number; actorUntil: number } {
  const words = new WordReader(data);
  return { keyUntil: words.number(0), actorUntil: words.number(1) };
}
