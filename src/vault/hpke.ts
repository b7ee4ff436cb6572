/**
 * HPKE: bytes sealed for the holder of a private key, in one message.
 *
 * Suite: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305, base mode. A sealed message is `enc (32) ‖ ciphertext ‖ tag (16)`.
 * Base mode says nothing about who sealed: a reader that must know it gets the message signed, or reads its digest on the chain.
 *
 * Spec: RFC 9180, https://www.rfc-editor.org/rfc/rfc9180
 */
import { createPrivateKey, createPublicKey, type JsonWebKey } from 'node:crypto';
import { CipherSuite, HkdfSha256 } from '@hpke/core';
import { Chacha20Poly1305 } from '@hpke/chacha20poly1305';
import { DhkemX25519HkdfSha256 } from '@hpke/dhkem-x25519';
import { KeyUnavailable } from './key-ring.js';
import { randomBytes } from './random.js';

/** Bytes of a public and of a private key. */
export const hpkeKeyBytes = 32;
/** What sealing adds to a message. */
const hpkeOverheadBytes = 48;

const suite = new CipherSuite({
  kem: new DhkemX25519HkdfSha256(),
  kdf: new HkdfSha256(),
  aead: new Chacha20Poly1305(),
});

/** Raw X25519 keys of 32 bytes each. */
export interface HpkeKeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
}

/** Where a message belongs; both ends give the same bytes. */
export interface HpkeContext {
  /** Purpose: what kind of message it is, e.g. `mooring/share/1`. */
  readonly info: Uint8Array;
  /** What it is bound to, e.g. the name of the record; empty for nothing. */
  readonly associated: Uint8Array;
}

/** A fresh key pair; with `seed` (32 bytes or more of a secret) always the same one: RFC 9180's DeriveKeyPair. */
export async function makeHpkeKeyPair(seed: Uint8Array = randomBytes(hpkeKeyBytes)): Promise<HpkeKeyPair> {
  if (seed.byteLength < hpkeKeyBytes) throw new RangeError('an HPKE key pair is derived from at least 32 bytes');
  const pair = await suite.kem.deriveKeyPair(exact(seed));
  return {
    publicKey: new Uint8Array(await suite.kem.serializePublicKey(pair.publicKey)),
    privateKey: new Uint8Array(await suite.kem.serializePrivateKey(pair.privateKey)),
  };
}

/**
 * Seals `plain` for the holder of the private key.
 * @param publicKey 32 bytes. @throws RangeError when it is no public key (wrong length, or a point that shares no secret).
 */
export async function hpkeSeal(publicKey: Uint8Array, context: HpkeContext, plain: Uint8Array): Promise<Uint8Array> {
  if (publicKey.byteLength !== hpkeKeyBytes) throw new RangeError('an X25519 public key has 32 bytes');
  try {
    const recipientPublicKey = await suite.kem.deserializePublicKey(exact(publicKey));
    const sealed = await suite.seal(
      { recipientPublicKey, info: exact(context.info) },
      exact(plain),
      exact(context.associated),
    );
    return Buffer.concat([new Uint8Array(sealed.enc), new Uint8Array(sealed.ct)]);
  } catch (error) {
    throw new RangeError('not a public key that anything can be sealed for', { cause: error });
  }
}

/** @throws KeyUnavailable when `sealed` was altered, or sealed for another key, purpose or binding. */
export async function hpkeOpen(privateKey: Uint8Array, context: HpkeContext, sealed: Uint8Array): Promise<Uint8Array> {
  if (sealed.byteLength < hpkeOverheadBytes) throw new KeyUnavailable('a sealed key is cut short');
  try {
    const recipientKey = await suite.kem.deserializePrivateKey(exact(privateKey));
    const plain = await suite.open(
      { recipientKey, enc: exact(sealed.subarray(0, hpkeKeyBytes)), info: exact(context.info) },
      exact(sealed.subarray(hpkeKeyBytes)),
      exact(context.associated),
    );
    return new Uint8Array(plain);
  } catch (error) {
    throw new KeyUnavailable('a sealed key does not open: for another key, or altered', { cause: error });
  }
}

/** Public key that belongs to a private key of 32 bytes. */
export function hpkePublicKey(privateKey: Uint8Array): Uint8Array {
  // The PKCS #8 frame of an X25519 key (RFC 8410).
  const frame = Buffer.from('302e020100300506032b656e04220420', 'hex');
  const key = createPrivateKey({ key: Buffer.concat([frame, privateKey]), format: 'der', type: 'pkcs8' });
  return Buffer.from(createPublicKey(key).export({ format: 'jwk' }).x ?? '', 'base64url');
}

/** The public key as a JWK for an organisation's published key set: `{ kty: OKP, crv: X25519, use: enc, kid, x }` (RFC 8037). */
export function hpkeJwk(publicKey: Uint8Array, kid: string): JsonWebKey {
  return { kty: 'OKP', crv: 'X25519', use: 'enc', kid, x: Buffer.from(publicKey).toString('base64url') };
}

/** The bytes of a JWK made by `hpkeJwk`; undefined for any other key. */
export function hpkeKeyOfJwk(jwk: JsonWebKey): Uint8Array | undefined {
  if (jwk.kty !== 'OKP' || jwk.crv !== 'X25519' || typeof jwk.x !== 'string') return undefined;
  const key = Buffer.from(jwk.x, 'base64url');
  return key.byteLength === hpkeKeyBytes ? key : undefined;
}

/** The bytes in a buffer of their own: the library reads whole buffers. */
function exact(bytes: Uint8Array): ArrayBuffer {
  return Uint8Array.from(bytes).buffer;
}
