/**
 * Refusals: why a validator does not sign a statement, signed by it, so that a refusal can be held against it like a signature.
 *
 * Signed: EIP-712, domain of the AnchorLog, `Refusal(bytes32 head,bytes32 reasons)` with the digest of the refused statement and the SHA-256 of the
 * reasons' JSON. Codes: docs/poi.md, "Refusals".
 */
import { sha256, toHex } from '../../base/bytes.js';
import { bytes32Word, keccakText } from '../../chain/abi.js';
import { headDigest, type HeadStatement } from '../../chain/anchor-log.js';
import type { Hex } from '../../chain/chain.js';
import {
  recoverSigner,
  signDigest,
  typedDataDigest,
  type AttestationSignature,
  type Eip712Domain,
} from '../../chain/signing.js';

/** Why one leaf is refused; the others of the batch can still be attested. */
const leafCodes = [
  /** Its sealed block is not to be had. */
  'block-missing',
  /** What was handed out has another SHA-256 than the CID says. */
  'block-altered',
  /** The data key does not open the block for this reference. */
  'unopenable',
  /** The content is no JSON, or of another resource or version. */
  'other-content',
  /** The content breaks a rule of the ProfileSet. */
  'invalid',
  /** The validator's receipt has other bytes. */
  'receipt-differs',
  /** The parts do not hash to the leaf: element tree, URL, block or ProfileSet differ. */
  'leaf-differs',
  /** A second engine does not agree that the content is valid. */
  'engine-disagrees',
  /** It was erased: nobody can judge it any more. */
  'erased',
] as const;

/** Why the whole statement is refused. */
const batchCodes = [
  'malformed',
  'briefing-unopenable',
  'profile-set-unknown',
  'root-differs',
  'receipts-differ',
  'level-differs',
  /** It does not extend the last head that this validator signed. */
  'not-consistent',
] as const;

export type LeafCode = (typeof leafCodes)[number];
export type BatchCode = (typeof batchCodes)[number];

export type Reason =
  { readonly leaf: number; readonly code: LeafCode } | { readonly leaf?: undefined; readonly code: BatchCode };

/** A signed refusal. */
export interface Refusal {
  readonly reasons: readonly Reason[];
  readonly signature: AttestationSignature;
}

const refusalType: Hex = keccakText('Refusal(bytes32 head,bytes32 reasons)');

/** The text that is hashed: JSON without white space, members in this order, leaves ascending, then batch codes. */
function reasonsText(reasons: readonly Reason[]): string {
  return `[${reasons.map(({ leaf, code }) => (leaf === undefined ? `{"code":"${code}"}` : `{"code":"${code}","leaf":${leaf}}`)).join(',')}]`;
}

export function signRefusal(
  privateKey: Uint8Array,
  domain: Eip712Domain,
  statement: HeadStatement,
  reasons: readonly Reason[],
): Refusal {
  return { reasons, signature: signDigest(privateKey, refusalDigest(domain, statement, reasons)) };
}

/** Address (lower case) that signed. @throws Error when it is no signature. */
export function recoverRefusal(
  domain: Eip712Domain,
  statement: HeadStatement,
  { reasons, signature }: { reasons: readonly Reason[]; signature: Pick<AttestationSignature, 'r' | 'vs'> },
): Hex {
  return recoverSigner(refusalDigest(domain, statement, reasons), signature);
}

/** @returns the reasons when `value` is a list of known ones. @throws RangeError */
export function readReasons(value: unknown): Reason[] {
  if (!Array.isArray(value) || value.length === 0) throw new RangeError('a refusal has reasons');
  return value.map((each: { leaf?: unknown; code?: unknown }): Reason => {
    const leafCode = leafCodes.find((known) => known === each.code);
    const batchCode = batchCodes.find((known) => known === each.code);
    if (leafCode !== undefined && Number.isSafeInteger(each.leaf)) return { leaf: each.leaf as number, code: leafCode };
    if (batchCode !== undefined && each.leaf === undefined) return { code: batchCode };
    throw new RangeError('a refusal has an unknown reason');
  });
}

function refusalDigest(domain: Eip712Domain, statement: HeadStatement, reasons: readonly Reason[]): Uint8Array {
  const head: Hex = `0x${toHex(headDigest(domain, statement))}`;
  const text: Hex = `0x${toHex(sha256(Buffer.from(reasonsText(reasons), 'utf8')))}`;
  return typedDataDigest('AnchorLog', domain, refusalType, bytes32Word(head) + bytes32Word(text));
}
