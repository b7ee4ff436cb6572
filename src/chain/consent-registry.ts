/** ConsentRegistry: typed calls, signed statements, questions, decisions and events (contracts/IConsentRegistry.sol). Pure. */
import {
  WordReader,
  addressWord,
  bytes32Word,
  bytesTail,
  dynamicItems,
  intWord,
  keccakText,
  selector,
  uintWord,
} from './abi.js';
import type { ChainLog, Hex } from './chain.js';
import { type AccountSignature, PASSKEY_TYPE, isPasskeySignature, passkeyTuple } from './passkey-signature.js';
import { type AttestationSignature, type Eip712Domain, signDigest, typedDataDigest } from './signing.js';

/** Members as in `IConsentRegistry.Request`; times in milliseconds since 1970. */
export interface RegistryRequest {
  readonly time: number;
  /** [dataStart, dataEnd); unknown when dataStart >= dataEnd. */
  readonly dataStart: number;
  readonly dataEnd: number;
  /** 0 U, 1 L, 2 M, 3 N, 4 R, 5 V. */
  readonly confidentiality: number;
  /**
   * Bit 0: the requester is the patient. Bit 1: the requester wrote the record. Bit 2: it is a Consent that the requester wrote.
   * Bit 3: the requester, `actor`, claims to be a delegate of the patient.
   */
  readonly relation: number;
  /** Number of the emergency that was declared for `actor`; 0 or absent for none. */
  readonly emergency?: number;
  /** Blinded term of the requester, 32 digits; for a delegate and in an emergency. */
  readonly actor?: string;
  /** 16 bytes each, ascending. */
  readonly terms: Uint8Array;
  /** Claimed memberships: pairs (group, member) of blinded terms, 32 bytes each. */
  readonly groups?: Uint8Array;
}

export interface RegistryQuestion {
  readonly patient: Hex;
  readonly implicitPolicy: 'deny' | 'permit';
  /** All active policies in order of index; empty bytes where the contents are not known. */
  readonly policies: readonly Uint8Array[];
  readonly withdrawn: readonly number[];
  readonly pending: readonly Uint8Array[];
  readonly requests: readonly RegistryRequest[];
}

/** In the order of `IConsentRegistry.Reason`. */
const REASONS = [
  'no-consent',
  'implicit',
  'patient',
  'author',
  'permit-provision',
  'deny-provision',
  'unknown-policy',
  'malformed-policy',
  'pending',
  'emergency',
  'delegate',
] as const;

export type RegistryReason = (typeof REASONS)[number];

export interface RegistryDecision {
  readonly permit: boolean;
  readonly reason: RegistryReason;
  /** Index of the policy that decided; absent when none did. */
  readonly policy?: number;
  /** Numbers of the nested provisions down to the one that decided; empty for the root. */
  readonly path: readonly number[];
}

export type RegistryEvent =
  | { readonly kind: 'filed'; readonly patient: Hex; readonly index: number; readonly policy: Hex }
  | { readonly kind: 'revoked'; readonly patient: Hex; readonly index: number }
  | { readonly kind: 'key-changed'; readonly patient: Hex; readonly key: Hex }
  /** `actor` 32 digits, zeros for none; `until` in seconds since 1970. */
  | {
      readonly kind: 'delegate';
      readonly patient: Hex;
      readonly key: Hex;
      readonly actor: string;
      readonly until: number;
    }
  | { readonly kind: 'recovery'; readonly patient: Hex; readonly step: 'set' | 'started' | 'cancelled' };

const FILE_TYPE = keccakText('File(bytes32 patient,bytes32 policy,uint32 index,uint64 deadline)');
const REVOKE_TYPE = keccakText('Revoke(bytes32 patient,bytes32 policy,uint32 index)');
const CHANGE_KEY_TYPE = keccakText('ChangeKey(bytes32 patient,address key,uint32 index,uint64 deadline)');
const FILE = selector('file(bytes32,bytes32,uint64,(bytes32,bytes32))');
const REVOKE = selector('revoke(bytes32,uint32,bytes32,(bytes32,bytes32))');
const CHANGE_KEY = selector('changeKey(bytes32,address,bytes32[],uint64,(bytes32,bytes32))');
const FILE_WITH_PASSKEY = selector(`fileWithPasskey(bytes32,bytes32,uint64,${PASSKEY_TYPE})`);
const REVOKE_WITH_PASSKEY = selector(`revokeWithPasskey(bytes32,uint32,bytes32,${PASSKEY_TYPE})`);
const CHANGE_KEY_WITH_PASSKEY = selector(`changeKeyWithPasskey(bytes32,address,bytes32[],uint64,${PASSKEY_TYPE})`);
const ACCOUNT_OF = selector('accountOf(bytes32)');
const IS_ACTIVE = selector('isActive(bytes32,uint32,bytes32)');
const DECIDE_ALL = selector(
  'decideAll((bytes32,uint8,bytes[],uint32[],bytes[],(int64,int64,int64,uint8,uint8,uint64,bytes16,bytes,bytes)[])[])',
);
const FILED_TOPIC = keccakText('ConsentFiled(bytes32,uint32,bytes32)');
const REVOKED_TOPIC = keccakText('ConsentRevoked(bytes32,uint32)');
const KEY_CHANGED_TOPIC = keccakText('KeyChanged(bytes32,address)');
const DELEGATE_TOPIC = keccakText('DelegateChanged(bytes32,address,bytes16,uint64)');
const RECOVERY_TOPICS = new Map<Hex, 'set' | 'started' | 'cancelled'>([
  [keccakText('RecoveryChanged(bytes32,address,uint32)'), 'set'],
  [keccakText('RecoveryStarted(bytes32,address,uint64)'), 'started'],
  [keccakText('RecoveryCancelled(bytes32)'), 'cancelled'],
]);
const NO_POLICY = 0xffffffff;

/** What the patient's key signs to file a policy; `deadline` in seconds since 1970. */
export interface Filing {
  readonly patient: Hex;
  readonly policy: Hex;
  readonly index: number;
  readonly deadline: number;
}

/** What the patient's key signs to revoke a policy. */
export type Revocation = Omit<Filing, 'deadline'>;

export function filingDigest(domain: Eip712Domain, { patient, policy, index, deadline }: Filing): Uint8Array {
  const words = bytes32Word(patient) + bytes32Word(policy) + uintWord(index) + uintWord(deadline);
  return typedDataDigest('ConsentRegistry', domain, FILE_TYPE, words);
}

export function revocationDigest(domain: Eip712Domain, { patient, policy, index }: Revocation): Uint8Array {
  const words = bytes32Word(patient) + bytes32Word(policy) + uintWord(index);
  return typedDataDigest('ConsentRegistry', domain, REVOKE_TYPE, words);
}

/** What the old key signs to hand the account to `key`. */
export function keyChangeDigest(
  domain: Eip712Domain,
  { patient, key, index, deadline }: { patient: Hex; key: Hex; index: number; deadline: number },
): Uint8Array {
  const words = bytes32Word(patient) + addressWord(key) + uintWord(index) + uintWord(deadline);
  return typedDataDigest('ConsentRegistry', domain, CHANGE_KEY_TYPE, words);
}

export function signFiling(privateKey: Uint8Array, domain: Eip712Domain, filing: Filing): AttestationSignature {
  return signDigest(privateKey, filingDigest(domain, filing));
}

export function signRevocation(
  privateKey: Uint8Array,
  domain: Eip712Domain,
  revocation: Revocation,
): AttestationSignature {
  return signDigest(privateKey, revocationDigest(domain, revocation));
}

/** A call whose last argument is the signature: by a wallet as two words, by a passkey as a tuple in the variant for passkeys. */
function signed(plain: string, withPasskey: string, words: string, signature: AccountSignature): Hex {
  if (!isPasskeySignature(signature))
    return `0x${plain}${words}${bytes32Word(signature.r)}${bytes32Word(signature.vs)}`;
  return `0x${withPasskey}${words}${uintWord(words.length / 2 + 32)}${passkeyTuple(signature)}`;
}

export function encodeFile({ patient, policy, deadline }: Omit<Filing, 'index'>, signature: AccountSignature): Hex {
  const words = bytes32Word(patient) + bytes32Word(policy) + uintWord(deadline);
  return signed(FILE, FILE_WITH_PASSKEY, words, signature);
}

export function encodeRevoke({ patient, policy, index }: Revocation, signature: AccountSignature): Hex {
  const words = bytes32Word(patient) + uintWord(index) + bytes32Word(policy);
  return signed(REVOKE, REVOKE_WITH_PASSKEY, words, signature);
}

/** @param policies hashes of the active policies in order of their indexes. */
export function encodeChangeKey(
  change: { patient: Hex; key: Hex; policies: readonly Hex[]; deadline: number },
  signature: AccountSignature,
): Hex {
  const policies = uintWord(change.policies.length) + change.policies.map(bytes32Word).join('');
  const head = (offset: number) =>
    bytes32Word(change.patient) + addressWord(change.key) + uintWord(offset) + uintWord(change.deadline);
  if (isPasskeySignature(signature)) {
    const tuple = uintWord(5 * 32 + policies.length / 2);
    return `0x${CHANGE_KEY_WITH_PASSKEY}${head(5 * 32)}${tuple}${policies}${passkeyTuple(signature)}`;
  }
  return `0x${CHANGE_KEY}${head(6 * 32)}${bytes32Word(signature.r)}${bytes32Word(signature.vs)}${policies}`;
}

export function encodeAccountOf(patient: Hex): Hex {
  return `0x${ACCOUNT_OF}${bytes32Word(patient)}`;
}

/** @returns `key` undefined when the patient has none yet; `filings` is the index of her next filing. */
export function decodeAccount(data: Hex): { key: Hex | undefined; filings: number } {
  const words = new WordReader(data);
  return { key: words.bigint(0) === 0n ? undefined : words.address(0), filings: words.number(1) };
}

/** Calldata of `isActive`; its return data is a boolean. */
export function encodeIsActive({ patient, index, policy }: Revocation): Hex {
  return `0x${IS_ACTIVE}${bytes32Word(patient)}${uintWord(index)}${bytes32Word(policy)}`;
}

/** Calldata of `decideAll`: one view call for any number of records of any number of patients. */
export function encodeDecideAll(questions: readonly RegistryQuestion[]): Hex {
  return `0x${DECIDE_ALL}${uintWord(32)}${uintWord(questions.length)}${dynamicItems(questions.map(questionTuple))}`;
}

function questionTuple(question: RegistryQuestion): string {
  const tails = [
    dynamicArray(question.policies.map(bytesTail)),
    uintWord(question.withdrawn.length) + question.withdrawn.map(uintWord).join(''),
    dynamicArray(question.pending.map(bytesTail)),
    dynamicArray(question.requests.map(requestTuple)),
  ];
  let offset = 6 * 32;
  const offsets = tails.map((tail) => {
    const word = uintWord(offset);
    offset += tail.length / 2;
    return word;
  });
  const implicitPolicy = uintWord(question.implicitPolicy === 'permit' ? 1 : 0);
  return bytes32Word(question.patient) + implicitPolicy + offsets.join('') + tails.join('');
}

const REQUEST_HEAD_BYTES = 9 * 32;
const NO_BYTES = new Uint8Array(0);

function requestTuple(request: RegistryRequest): string {
  const terms = bytesTail(request.terms);
  return (
    intWord(request.time) +
    intWord(request.dataStart) +
    intWord(request.dataEnd) +
    uintWord(request.confidentiality) +
    uintWord(request.relation) +
    uintWord(request.emergency ?? 0) +
    (request.actor ?? '').padEnd(64, '0') +
    uintWord(REQUEST_HEAD_BYTES) +
    uintWord(REQUEST_HEAD_BYTES + terms.length / 2) +
    terms +
    bytesTail(request.groups ?? NO_BYTES)
  );
}

const dynamicArray = (items: readonly string[]) => uintWord(items.length) + dynamicItems(items);

/** Return data of `decideAll`. @throws RangeError when it is not that. */
export function decodeDecisions(data: Hex): { blockNumber: number; decisions: RegistryDecision[] } {
  const words = new WordReader(data);
  const count = words.number(2);
  const decisions = Array.from({ length: count }, (_, i): RegistryDecision => {
    const first = 3 + 4 * i;
    const policy = words.number(first + 2);
    const reason = REASONS[words.number(first + 1)];
    if (reason === undefined) throw new RangeError('unknown reason');
    return {
      permit: words.boolean(first),
      reason,
      ...(policy === NO_POLICY ? {} : { policy }),
      path: pathOf(words.word(first + 3)),
    };
  });
  return { blockNumber: words.number(0), decisions };
}

function pathOf(word: string): number[] {
  const bytes = Buffer.from(word, 'hex');
  return [...bytes.subarray(1, 1 + (bytes[0] as number))];
}

/** An event of the registry; undefined for one that is not known. */
export function decodeRegistryEvent({ topics, data }: Pick<ChainLog, 'topics' | 'data'>): RegistryEvent | undefined {
  const patient = topics[1];
  if (patient === undefined) return undefined;
  const words = new WordReader(data);
  switch (topics[0]) {
    case FILED_TOPIC:
      return { kind: 'filed', patient, index: words.number(0), policy: words.bytes32(1) };
    case REVOKED_TOPIC:
      return { kind: 'revoked', patient, index: words.number(0) };
    case KEY_CHANGED_TOPIC:
      return { kind: 'key-changed', patient, key: words.address(0) };
    case DELEGATE_TOPIC: {
      const actor = words.word(1).slice(0, 32);
      // A time beyond what JavaScript counts exactly is for ever.
      const until = Number(words.bigint(2));
      return { kind: 'delegate', patient, key: words.address(0), actor, until };
    }
    default: {
      const step = RECOVERY_TOPICS.get(topics[0] as Hex);
      return step === undefined ? undefined : { kind: 'recovery', patient, step };
    }
  }
}
