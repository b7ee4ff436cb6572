/** AnchorLog: typed calls, the signed statement, its events (contracts/IAnchorLog.sol). Pure. */
import { WordReader, bytes32Word, keccakText, selector, uintWord } from './abi.js';
import type { ChainLog, Hex } from './chain.js';
import { type AttestationSignature, type Eip712Domain, recoverSigner, signDigest, typedDataDigest } from './signing.js';

export type { AttestationSignature, Eip712Domain } from './signing.js';

/** What validators sign for one batch; members as in `IAnchorLog.Head`. */
export interface HeadStatement {
  /** RFC 6962 root after the batch. */
  readonly root: Hex;
  /** Leaves after the batch. */
  readonly size: number;
  readonly prevRoot: Hex;
  readonly prevSize: number;
  /** SHA-256 of the ProfileSet manifest. */
  readonly profileSet: Hex;
  readonly receiptsRoot: Hex;
  /** 0 to 3. */
  readonly leastLevel: number;
  /** Epoch of the validator set. */
  readonly epoch: number;
}

/** A head as an event of the contract tells it. */
export interface AnchoredHead extends HeadStatement {
  /** From 1. */
  readonly batch: number;
}

/** The contract's state. */
export interface StoredHead {
  readonly root: Hex;
  readonly size: number;
  readonly batch: number;
  readonly epoch: number;
  readonly validatorCount: number;
  readonly quorum: number;
  readonly paused: boolean;
}

const HEAD_MEMBERS =
  'bytes32 root,uint64 size,bytes32 prevRoot,uint64 prevSize,bytes32 profileSet,bytes32 receiptsRoot,uint8 leastLevel,uint32 epoch';
const HEAD_TUPLE = `(${HEAD_MEMBERS.replace(/ \w+/g, '')})`;
const HEAD_TYPE = keccakText(`Head(${HEAD_MEMBERS})`);
const ANCHOR = selector(`anchor(${HEAD_TUPLE},(bytes32,bytes32)[])`);
const DISPUTE = selector(`dispute(${HEAD_TUPLE},(bytes32,bytes32),${HEAD_TUPLE},(bytes32,bytes32))`);
const HEAD = selector('head()');
const IS_VALIDATOR = selector('isValidator(address)');
const IS_RATIFIED = selector('isRatified(bytes32)');

/** topics[0] of `HeadAnchored`. */
export const HEAD_ANCHORED_TOPIC: Hex = keccakText(
  'HeadAnchored(uint64,uint64,bytes32,uint64,bytes32,bytes32,bytes32,uint8,uint32)',
);

function headWords(head: HeadStatement): string {
  return (
    bytes32Word(head.root) +
    uintWord(head.size) +
    bytes32Word(head.prevRoot) +
    uintWord(head.prevSize) +
    bytes32Word(head.profileSet) +
    bytes32Word(head.receiptsRoot) +
    uintWord(head.leastLevel) +
    uintWord(head.epoch)
  );
}

/** The 32 bytes that validators sign (EIP-712, domain `AnchorLog` version `1`). */
export function headDigest(domain: Eip712Domain, statement: HeadStatement): Uint8Array {
  return typedDataDigest('AnchorLog', domain, HEAD_TYPE, headWords(statement));
}

export function signHead(privateKey: Uint8Array, domain: Eip712Domain, statement: HeadStatement): AttestationSignature {
  return signDigest(privateKey, headDigest(domain, statement));
}

/** Address (lower case) that signed. @throws Error when it is no signature. */
export function recoverHeadSigner(
  domain: Eip712Domain,
  statement: HeadStatement,
  signature: Pick<AttestationSignature, 'r' | 'vs'>,
): Hex {
  return recoverSigner(headDigest(domain, statement), signature);
}

/** Calldata of `anchor`; sorts the signatures by signer as the contract wants them. */
export function encodeAnchor(statement: HeadStatement, signatures: readonly AttestationSignature[]): Hex {
  const sorted = [...signatures].sort((a, b) => (a.signer.toLowerCase() < b.signer.toLowerCase() ? -1 : 1));
  const words = sorted.map(({ r, vs }) => bytes32Word(r) + bytes32Word(vs));
  return `0x${ANCHOR}${headWords(statement)}${uintWord(9 * 32)}${uintWord(words.length)}${words.join('')}`;
}

/** What calldata of `anchor` says; signatures as they stand, without their signers. @throws RangeError when it is none. */
export function decodeAnchor(data: Hex): {
  statement: HeadStatement;
  signatures: readonly Pick<AttestationSignature, 'r' | 'vs'>[];
} {
  if (data.slice(2, 10) !== ANCHOR) throw new RangeError('not a call of anchor');
  const words = new WordReader(`0x${data.slice(10)}`);
  const statement: HeadStatement = {
    root: words.bytes32(0),
    size: words.number(1),
    prevRoot: words.bytes32(2),
    prevSize: words.number(3),
    profileSet: words.bytes32(4),
    receiptsRoot: words.bytes32(5),
    leastLevel: words.number(6),
    epoch: words.number(7),
  };
  const first = words.number(8) / 32 + 1;
  const signatures = Array.from({ length: words.number(first - 1) }, (_, at) => ({
    r: words.bytes32(first + 2 * at),
    vs: words.bytes32(first + 2 * at + 1),
  }));
  return { statement, signatures };
}

/** Calldata of `dispute`: two statements that one validator signed and that cannot both be true. */
export function encodeDispute(
  one: HeadStatement,
  signature: AttestationSignature,
  other: HeadStatement,
  otherSignature: AttestationSignature,
): Hex {
  const words = (statement: HeadStatement, { r, vs }: AttestationSignature) =>
    headWords(statement) + bytes32Word(r) + bytes32Word(vs);
  return `0x${DISPUTE}${words(one, signature)}${words(other, otherSignature)}`;
}

export function encodeHeadCall(): Hex {
  return `0x${HEAD}`;
}

export function encodeIsValidator(address: Hex): Hex {
  return `0x${IS_VALIDATOR}${address.slice(2).toLowerCase().padStart(64, '0')}`;
}

export function encodeIsRatified(profileSet: Hex): Hex {
  return `0x${IS_RATIFIED}${bytes32Word(profileSet)}`;
}

/** Return data of `isValidator` and `isRatified`. */
export function decodeBoolean(data: Hex): boolean {
  return new WordReader(data).boolean(0);
}

/** Return data of `head()`. @throws RangeError when it is not that. */
export function decodeHead(data: Hex): StoredHead {
  const words = new WordReader(data);
  return {
    root: words.bytes32(0),
    size: words.number(1),
    batch: words.number(2),
    epoch: words.number(3),
    validatorCount: words.number(4),
    quorum: words.number(5),
    paused: words.boolean(6),
  };
}

/** A `HeadAnchored` event. @throws RangeError when the log is another event. */
export function decodeHeadAnchored({ topics, data }: Pick<ChainLog, 'topics' | 'data'>): AnchoredHead {
  if (topics[0] !== HEAD_ANCHORED_TOPIC || topics.length !== 3) throw new RangeError('not a HeadAnchored event');
  const words = new WordReader(data);
  return {
    batch: new WordReader(topics[1] as Hex).number(0),
    size: new WordReader(topics[2] as Hex).number(0),
    root: words.bytes32(0),
    prevSize: words.number(1),
    prevRoot: words.bytes32(2),
    profileSet: words.bytes32(3),
    receiptsRoot: words.bytes32(4),
    leastLevel: words.number(5),
    epoch: words.number(6),
  };
}
