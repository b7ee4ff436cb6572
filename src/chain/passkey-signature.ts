/**
 * Assertions of passkeys (WebAuthn, ES256) as the contracts take them (contracts/Passkey.sol). Pure.
 *
 * Spec: https://www.w3.org/TR/webauthn-2/#sctn-verifying-assertion; RIP-7212 / EIP-7951 for the curve.
 */
import { fromHex, toHex } from '../base/bytes.js';
import { bytes32Word, bytesTail, keccak, uintWord } from './abi.js';
import type { Hex } from './chain.js';
import type { AttestationSignature } from './signing.js';

/** A public key of P-256: its affine coordinates. */
export interface PasskeyPoint {
  readonly x: Hex;
  readonly y: Hex;
}

/** An assertion, and the key that made it. `s` must be in the lower half of the order. */
export interface PasskeySignature extends PasskeyPoint {
  readonly r: Hex;
  readonly s: Hex;
  readonly authenticatorData: Hex;
  /** The text that the browser signed, to the letter. */
  readonly clientDataJSON: string;
}

/** A signature by the patient's key, of either kind. */
export type AccountSignature = Pick<AttestationSignature, 'r' | 'vs'> | PasskeySignature;

/** ABI type of a Passkey. */
export const PASSKEY_TYPE = '(bytes32,bytes32,bytes32,bytes32,bytes,bytes)';

/** Order of P-256. */
const ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

export function isPasskeySignature(signature: AccountSignature): signature is PasskeySignature {
  return 'clientDataJSON' in signature;
}

/** Name of a passkey as the key of an account: the last 20 bytes of keccak256("P256" ‖ x ‖ y), lower case. */
export function passkeyName({ x, y }: PasskeyPoint): Hex {
  return `0x${toHex(keccak(Buffer.from('P256'), fromHex(x), fromHex(y)).subarray(12))}`;
}

/** The tuple of a Passkey, digits without prefix. */
export function passkeyTuple(signature: PasskeySignature): string {
  const { x, y, r, s, authenticatorData, clientDataJSON } = signature;
  const tails = [bytesTail(fromHex(authenticatorData)), bytesTail(clientDataTail(clientDataJSON))] as const;
  const words = [x, y, r, s].map(bytes32Word).join('');
  return words + uintWord(6 * 32) + uintWord(6 * 32 + tails[0].length / 2) + tails.join('');
}

/** How the client data of every assertion begins, up to the challenge. Spec: https://www.w3.org/TR/webauthn-2/#clientdatajson-serialization */
const head = '{"type":"webauthn.get","challenge":"';
/** Digits of a challenge of 32 bytes. */
const challengeLength = 43;

/** What follows the challenge and its closing quote; nothing, which the contract refuses, where the text does not begin as it should. */
function clientDataTail(clientDataJSON: string): Buffer {
  const end = head.length + challengeLength;
  const isUsual = clientDataJSON.startsWith(head) && clientDataJSON[end] === '"';
  return isUsual ? Buffer.from(clientDataJSON.slice(end + 1), 'utf8') : Buffer.alloc(0);
}

/** The bytes that stand for a signature of either kind where the contract takes both: 64 bytes, or an ABI-encoded Passkey. */
export function signatureBytes(signature: AccountSignature): Uint8Array {
  if (isPasskeySignature(signature)) return fromHex(uintWord(32) + passkeyTuple(signature));
  return fromHex(bytes32Word(signature.r) + bytes32Word(signature.vs));
}

/**
 * r and s of an ASN.1 DER signature, as authenticators give it, with s brought into the lower half: the contract refuses the other.
 * @throws RangeError when it is none.
 */
export function fromDerSignature(der: Uint8Array): { r: Hex; s: Hex } {
  let at = 2;
  const integer = (): bigint => {
    const size = der[at + 1] ?? 0;
    const digits = toHex(der.subarray(at + 2, at + 2 + size));
    if (der[at] !== 0x02 || size === 0 || digits.length !== 2 * size) throw new RangeError('not a DER signature');
    at += 2 + size;
    return BigInt(`0x${digits}`);
  };
  if (der[0] !== 0x30 || der[1] !== der.byteLength - 2) throw new RangeError('not a DER signature');
  const [r, s] = [integer(), integer()];
  if (at !== der.byteLength || r >= ORDER || s >= ORDER) throw new RangeError('not a DER signature');
  return { r: `0x${uintWord(r)}`, s: `0x${uintWord(s > ORDER / 2n ? ORDER - s : s)}` };
}
