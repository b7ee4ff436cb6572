/**
 * Signatures of patients' keys as browsers give them, read and checked before they go to the chain. Pure.
 *
 * A wallet gives 65 bytes (r, s, v) or 64 (EIP-2098) as hexadecimal text; a passkey the JSON of its assertion
 * (`JSON.stringify(credential)`, https://www.w3.org/TR/webauthn-3/#dictdef-authenticationresponsejson). The contract checks them again.
 */
import { createPublicKey, verify } from 'node:crypto';
import { Signature } from 'ethers';
import { fromHex, sha256, toHex } from '../base/bytes.js';
import type { Hex } from './chain.js';
import {
  type AccountSignature,
  type PasskeyPoint,
  type PasskeySignature,
  fromDerSignature,
  isPasskeySignature,
  passkeyName,
} from './passkey-signature.js';
import { recoverSigner } from './signing.js';

/** User present and user verified: the bits of the authenticator data that must be set. */
const PRESENT_AND_VERIFIED = 0x05;
const SPKI_HEAD = '3059301306072a8648ce3d020106082a8648ce3d03010703420004';

/**
 * @param point public key of the passkey, where it is one.
 * @throws RangeError when it is neither form, or an assertion of a passkey whose public key is not known.
 */
export function readAccountSignature(text: string, point?: PasskeyPoint): AccountSignature {
  if (/^0x(?:[0-9a-f]{128}|[0-9a-f]{130})$/i.test(text)) return walletSignature(text);
  if (!text.startsWith('{'))
    throw new RangeError('neither 64 or 65 bytes as 0x..., nor the JSON of a WebAuthn assertion');
  if (point === undefined) throw new RangeError('of a passkey whose public key is not known');
  const { authenticatorData, clientDataJSON, signature } = assertionOf(text);
  return {
    ...point,
    ...fromDerSignature(signature),
    authenticatorData: `0x${toHex(authenticatorData)}`,
    clientDataJSON: Buffer.from(clientDataJSON).toString('utf8'),
  };
}

function walletSignature(text: string): AccountSignature {
  try {
    const { r, yParityAndS } = Signature.from(text);
    return { r: r as Hex, vs: yParityAndS as Hex };
  } catch {
    throw new RangeError('no signature of secp256k1');
  }
}

function assertionOf(text: string): Record<'authenticatorData' | 'clientDataJSON' | 'signature', Uint8Array> {
  let response: Record<string, unknown> | undefined;
  try {
    ({ response } = JSON.parse(text) as { response?: Record<string, unknown> });
  } catch {
    throw new RangeError('not JSON');
  }
  const bytesOf = (name: string): Uint8Array => {
    const value = response?.[name];
    if (typeof value !== 'string' || !/^[\w-]{1,4096}$/.test(value))
      throw new RangeError(`response.${name} is no base64url`);
    return Buffer.from(value, 'base64url');
  };
  return {
    authenticatorData: bytesOf('authenticatorData'),
    clientDataJSON: bytesOf('clientDataJSON'),
    signature: bytesOf('signature'),
  };
}

/** The point of a P-256 key in SubjectPublicKeyInfo, as `AuthenticatorAttestationResponse.getPublicKey()` gives it. @throws RangeError */
export function passkeyPoint(spki: Uint8Array): PasskeyPoint {
  const digits = toHex(spki);
  if (digits.length !== SPKI_HEAD.length + 128 || !digits.startsWith(SPKI_HEAD))
    throw new RangeError('no P-256 public key (SPKI)');
  const point: PasskeyPoint = { x: `0x${digits.slice(-128, -64)}`, y: `0x${digits.slice(-64)}` };
  try {
    publicKeyOf(point);
  } catch {
    throw new RangeError('not a point of P-256');
  }
  return point;
}

/**
 * Name of the key that signed: the wallet's address, or the name of the passkey.
 * @returns undefined when the signature does not hold for `digest`.
 */
export function signerOf(digest: Uint8Array, signature: AccountSignature): Hex | undefined {
  if (isPasskeySignature(signature)) return isAssertionOf(digest, signature) ? passkeyName(signature) : undefined;
  try {
    return recoverSigner(digest, signature);
  } catch {
    return undefined;
  }
}

function isAssertionOf(
  digest: Uint8Array,
  { authenticatorData, clientDataJSON, ...signature }: PasskeySignature,
): boolean {
  const data = fromHex(authenticatorData);
  const { type, challenge } = clientDataOf(clientDataJSON);
  if (type !== 'webauthn.get' || challenge !== Buffer.from(digest).toString('base64url')) return false;
  if (data.byteLength < 37 || ((data[32] as number) & PRESENT_AND_VERIFIED) !== PRESENT_AND_VERIFIED) return false;
  const signed = Buffer.concat([data, sha256(Buffer.from(clientDataJSON, 'utf8'))]);
  const key = { key: publicKeyOf(signature), dsaEncoding: 'ieee-p1363' } as const;
  return verify('sha256', signed, key, Buffer.concat([fromHex(signature.r), fromHex(signature.s)]));
}

/**
 * True when a passkey's assertion was made on a page of one of these origins, for that site. A wallet's signature names the contract instead.
 * @param isTrusted is this an origin from which pages may use this server?
 */
export function isOfOrigin(signature: AccountSignature, isTrusted: (origin: string) => boolean): boolean {
  if (!isPasskeySignature(signature)) return true;
  const { origin } = clientDataOf(signature.clientDataJSON);
  if (typeof origin !== 'string' || !URL.canParse(origin) || !isTrusted(origin)) return false;
  const labels = new URL(origin).hostname.split('.');
  const site = toHex(fromHex(signature.authenticatorData).subarray(0, 32));
  // A site is the page's host, or a domain above it.
  return labels.some((_, i) => toHex(sha256(Buffer.from(labels.slice(i).join('.')))) === site);
}

function clientDataOf(text: string): { type?: unknown; challenge?: unknown; origin?: unknown } {
  try {
    return JSON.parse(text) as object;
  } catch {
    return {};
  }
}

function publicKeyOf({ x, y }: PasskeyPoint) {
  const coordinate = (value: Hex) => Buffer.from(value.slice(2), 'hex').toString('base64url');
  return createPublicKey({ format: 'jwk', key: { kty: 'EC', crv: 'P-256', x: coordinate(x), y: coordinate(y) } });
}
