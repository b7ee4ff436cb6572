/** An authenticator in software: what a browser and a security key do with a passkey. Spec: https://www.w3.org/TR/webauthn-2/ */
import { createHash, generateKeyPairSync, sign, type KeyObject } from 'node:crypto';
import { toHex } from '../../src/base/bytes.js';
import type { Hex } from '../../src/chain/chain.js';
import { type PasskeyPoint, type PasskeySignature, fromDerSignature } from '../../src/chain/passkey-signature.js';

const sha256 = (data: Uint8Array | string) => createHash('sha256').update(data).digest();

export interface AssertionChanges {
  readonly origin?: string;
  readonly type?: string;
  readonly rpId?: string;
  /** Default 0x05: user present and verified. */
  readonly flags?: number;
}

export class Authenticator {
  readonly #key: KeyObject;
  readonly point: PasskeyPoint;
  readonly id = Buffer.from(sha256(`${Math.random()}`)).toString('base64url');

  constructor(
    readonly rpId = 'localhost',
    readonly origin = 'http://localhost',
  ) {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const { x = '', y = '' } = publicKey.export({ format: 'jwk' });
    this.#key = privateKey;
    this.point = { x: hex32(x), y: hex32(y) };
  }

  /** The public key as `AuthenticatorAttestationResponse.getPublicKey()` gives it: DER, SubjectPublicKeyInfo. */
  get publicKeyDer(): Buffer {
    const head = Buffer.from('3059301306072a8648ce3d020106082a8648ce3d03010703420004', 'hex');
    return Buffer.concat([head, Buffer.from(this.point.x.slice(2) + this.point.y.slice(2), 'hex')]);
  }

  /** What `navigator.credentials.get` answers. */
  assert(challenge: Uint8Array, changes: AssertionChanges = {}) {
    const { origin = this.origin, type = 'webauthn.get', rpId = this.rpId, flags = 0x05 } = changes;
    const clientDataJSON = Buffer.from(
      JSON.stringify({ type, challenge: Buffer.from(challenge).toString('base64url'), origin, crossOrigin: false }),
    );
    const authenticatorData = Buffer.concat([sha256(rpId), Buffer.of(flags, 0, 0, 0, 1)]);
    const signed = Buffer.concat([authenticatorData, sha256(clientDataJSON)]);
    return { clientDataJSON, authenticatorData, signature: sign('sha256', signed, this.#key) };
  }

  /** The same as a page sends it on: `JSON.stringify(credential)`. */
  json(challenge: Uint8Array, changes: AssertionChanges = {}): string {
    const { clientDataJSON, authenticatorData, signature } = this.assert(challenge, changes);
    const text = (bytes: Buffer) => bytes.toString('base64url');
    const response = {
      clientDataJSON: text(clientDataJSON),
      authenticatorData: text(authenticatorData),
      signature: text(signature),
    };
    return JSON.stringify({ id: this.id, rawId: this.id, type: 'public-key', response });
  }

  /** The same as the contract takes it. */
  sign(challenge: Uint8Array, changes: AssertionChanges = {}): PasskeySignature {
    const { clientDataJSON, authenticatorData, signature } = this.assert(challenge, changes);
    return {
      ...this.point,
      ...fromDerSignature(signature),
      authenticatorData: `0x${toHex(authenticatorData)}`,
      clientDataJSON: clientDataJSON.toString('utf8'),
    };
  }
}

function hex32(base64url: string): Hex {
  return `0x${Buffer.from(base64url, 'base64url').toString('hex').padStart(64, '0')}`;
}
