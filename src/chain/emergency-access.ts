/** EmergencyAccess: typed calls, the signed contest, events (contracts/IEmergencyAccess.sol). Pure. */
import { fromHex, toHex } from '../base/bytes.js';
import { WordReader, bytes32Word, keccak, keccakText, selector, uintWord } from './abi.js';
import type { ChainLog, Hex } from './chain.js';
import { type AttestationSignature, type Eip712Domain, signDigest, typedDataDigest } from './signing.js';

const DECLARE = selector('declare(bytes32,bytes32,bytes16,bytes32,uint32)');
const END = selector('end(uint64)');
const CONTEST = selector('contest(uint64,bytes32,(bytes32,bytes32))');
const CONTEST_FOR = selector('contestFor(uint64,bytes32)');
const RESOLVE = selector('resolve(uint64,bool)');
const SET_RULES = selector('setRules(bytes16[],bytes16[],uint32)');
const RULES_OF = selector('rulesOf(bytes16)');
const GRANT_OF = selector('grantOf(uint64)');
const CONTEST_TYPE = keccakText('Contest(uint64 grant,bytes32 reason)');
const DECLARED_TOPIC = keccakText('EmergencyDeclared(uint64,bytes32,bytes32,bytes32,bytes16,bytes32,uint64)');
const ENDED_TOPIC = keccakText('EmergencyEnded(uint64,bytes32)');
const CONTESTED_TOPIC = keccakText('EmergencyContested(uint64,bytes32,bytes32)');
const RESOLVED_TOPIC = keccakText('EmergencyResolved(uint64,bytes32,bool)');

const TOPICS: ReadonlySet<Hex> = new Set([DECLARED_TOPIC, ENDED_TOPIC, CONTESTED_TOPIC, RESOLVED_TOPIC]);

/** What a relay declares. Terms are 32 digits, blinded. */
export interface EmergencyDeclaration {
  /** Pseudonym of the patient. */
  readonly patient: Hex;
  readonly actor: string;
  /** One of the roles that the members named. */
  readonly role: string;
  /** Salted SHA-256 of the reason. */
  readonly reason: Hex;
  /** At least 1, at most what the members set. */
  readonly durationS: number;
}

const VERDICTS = ['none', 'contested', 'justified', 'misuse'] as const;

export interface EmergencyGrant {
  readonly patient: Hex;
  readonly holder: Hex;
  readonly organisation: Hex;
  /** Seconds since 1970: open in [from, until). */
  readonly from: number;
  readonly until: number;
  readonly verdict: (typeof VERDICTS)[number];
}

export type EmergencyEvent = { readonly grant: number; readonly patient: Hex } & (
  | {
      readonly kind: 'declared';
      readonly organisation: Hex;
      readonly holder: Hex;
      readonly role: string;
      readonly reason: Hex;
      readonly until: number;
    }
  | { readonly kind: 'ended' }
  | { readonly kind: 'contested'; readonly reason: Hex }
  | { readonly kind: 'resolved'; readonly isMisuse: boolean }
);

/** Who holds a grant: keccak256(actor term ‖ patient), another one for each patient. */
export function emergencyHolder(actor: string, patient: Hex): Hex {
  return `0x${toHex(keccak(fromHex(actor), fromHex(patient)))}`;
}

/** A blinded term of 32 digits as a word. @throws RangeError when it is none. */
function bytes16Word(term: string): string {
  if (!/^[0-9a-f]{32}$/.test(term)) throw new RangeError(`not a term: ${term}`);
  return term.padEnd(64, '0');
}

/** Calldata of `declare`, for the key of a relay. */
export function encodeDeclare({ patient, actor, role, reason, durationS }: EmergencyDeclaration): Hex {
  const holder = emergencyHolder(actor, patient);
  const words = [
    bytes32Word(patient),
    bytes32Word(holder),
    bytes16Word(role),
    bytes32Word(reason),
    uintWord(durationS),
  ];
  return `0x${DECLARE}${words.join('')}`;
}

export function encodeEnd(grant: number): Hex {
  return `0x${END}${uintWord(grant)}`;
}

/** What the patient's key signs to contest a grant. */
function contestDigest(domain: Eip712Domain, grant: number, reason: Hex): Uint8Array {
  return typedDataDigest('EmergencyAccess', domain, CONTEST_TYPE, uintWord(grant) + bytes32Word(reason));
}

export function signContest(
  privateKey: Uint8Array,
  domain: Eip712Domain,
  grant: number,
  reason: Hex,
): AttestationSignature {
  return signDigest(privateKey, contestDigest(domain, grant, reason));
}

/** @param signature of the patient's key; without one it is for a relay, on her behalf. */
export function encodeContest(grant: number, reason: Hex, signature?: Pick<AttestationSignature, 'r' | 'vs'>): Hex {
  const words = uintWord(grant) + bytes32Word(reason);
  if (signature === undefined) return `0x${CONTEST_FOR}${words}`;
  return `0x${CONTEST}${words}${bytes32Word(signature.r)}${bytes32Word(signature.vs)}`;
}

/** Calldata of `resolve`, for a proposal of the network. */
export function encodeResolve(grant: number, isMisuse: boolean): Hex {
  return `0x${RESOLVE}${uintWord(grant)}${uintWord(isMisuse ? 1 : 0)}`;
}

/** Calldata of `setRules`, for a proposal of the network. */
export function encodeSetRules(named: readonly string[], unnamed: readonly string[], maxDurationS: number): Hex {
  const array = (terms: readonly string[]) => uintWord(terms.length) + terms.map(bytes16Word).join('');
  const tails = [array(named), array(unnamed)] as const;
  const heads = uintWord(3 * 32) + uintWord(3 * 32 + tails[0].length / 2) + uintWord(maxDurationS);
  return `0x${SET_RULES}${heads}${tails.join('')}`;
}

export function encodeRulesOf(role: string): Hex {
  return `0x${RULES_OF}${bytes16Word(role)}`;
}

export function decodeRules(data: Hex): { isNamed: boolean; maxDurationS: number } {
  const words = new WordReader(data);
  return { isNamed: words.boolean(0), maxDurationS: words.number(1) };
}

export function encodeGrantOf(grant: number): Hex {
  return `0x${GRANT_OF}${uintWord(grant)}`;
}

export function decodeGrant(data: Hex): EmergencyGrant {
  const words = new WordReader(data);
  return {
    patient: words.bytes32(0),
    holder: words.bytes32(1),
    organisation: words.bytes32(2),
    from: words.number(3),
    until: words.number(4),
    verdict: VERDICTS[words.number(5)] ?? 'none',
  };
}

/** An event of the contract; undefined for one that is about no grant. */
export function decodeEmergencyEvent({ topics, data }: Pick<ChainLog, 'topics' | 'data'>): EmergencyEvent | undefined {
  const [topic, grantWord, patient] = topics;
  if (topic === undefined || !TOPICS.has(topic) || grantWord === undefined || patient === undefined) return undefined;
  const about = { grant: new WordReader(grantWord).number(0), patient };
  const words = new WordReader(data);
  switch (topic) {
    case DECLARED_TOPIC:
      return {
        ...about,
        kind: 'declared',
        organisation: topics[3] as Hex,
        holder: words.bytes32(0),
        role: words.word(1).slice(0, 32),
        reason: words.bytes32(2),
        until: words.number(3),
      };
    case ENDED_TOPIC:
      return { ...about, kind: 'ended' };
    case CONTESTED_TOPIC:
      return { ...about, kind: 'contested', reason: words.bytes32(0) };
    case RESOLVED_TOPIC:
      return { ...about, kind: 'resolved', isMisuse: words.boolean(0) };
    default:
      return undefined;
  }
}
