/**
 * The local issuer: signs bearer tokens with a key of this installation.
 *
 * Spec: RFC 7519 (JWT), RFC 9068 (access tokens); https://hl7.org/fhir/smart-app-launch/ for `scope`, `patient` and `fhirUser`.
 */
import { randomUUID, generateKeyPairSync, createPublicKey, type KeyObject, createPrivateKey } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  statSync,
  writeSync,
} from 'node:fs';
import path from 'node:path';
import { SignJWT, exportJWK, calculateJwkThumbprint, type JWK } from 'jose';
import type { Clock } from '../base/clock.js';

/** What a token says. */
export interface TokenClaims {
  /** Reference of who acts, e.g. `Practitioner/1`. */
  readonly actor: string;
  /** SMART scopes, separated by spaces. */
  readonly scope: string;
  /** v3-ActReason code. */
  readonly purpose: string;
  /** Patient in context (id). */
  readonly patient?: string;
  /** References of organisations, roles and teams that the actor belongs to. */
  readonly memberships?: readonly string[];
  readonly client?: string;
  /** Roles (src/smart/roles.ts); absent: what the type of the actor implies. */
  readonly roles?: readonly string[];
  readonly expiresInSeconds: number;
}

/** `iss` of tokens of the local issuer, and `aud` of tokens for this server: names, not addresses, so that PORT may change. */
export const localIssuer = 'urn:mooring:local-issuer';
export const localAudience = 'urn:mooring:server';

export class TokenIssuer {
  private constructor(
    private readonly key: KeyObject,
    private readonly keyId: string,
    /** Public half, for verifiers. */
    readonly publicJwk: JWK,
  ) {}

  /**
   * Reads the issuer's key (Ed25519, PKCS #8 PEM) from `folder`, or makes it.
   * @throws Error when the file can be read by others than its owner.
   */
  static async open(folder: string): Promise<TokenIssuer> {
    const key = readOrMakeKey(path.join(folder, 'issuer-key.pem'));
    const jwk = await exportJWK(createPublicKey(key));
    const keyId = await calculateJwkThumbprint(jwk);
    return new TokenIssuer(key, keyId, { ...jwk, kid: keyId, alg: 'EdDSA', use: 'sig' });
  }

  /** A signed token; `iat` is the clock's. */
  async issue(claims: TokenClaims, clock: Clock): Promise<string> {
    const issuedAt = Math.floor(clock.now() / 1000);
    return new SignJWT({
      scope: claims.scope,
      fhirUser: claims.actor,
      purpose_of_use: claims.purpose,
      ...(claims.patient === undefined ? {} : { patient: claims.patient }),
      ...(claims.memberships === undefined ? {} : { memberships: claims.memberships }),
      ...(claims.client === undefined ? {} : { client_id: claims.client }),
      ...(claims.roles === undefined ? {} : { roles: claims.roles }),
    })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid: this.keyId })
      .setIssuer(localIssuer)
      .setAudience(localAudience)
      .setSubject(claims.actor)
      .setJti(randomUUID())
      .setIssuedAt(issuedAt)
      .setExpirationTime(issuedAt + claims.expiresInSeconds)
      .sign(this.key);
  }
}

function readOrMakeKey(file: string): KeyObject {
  if (!existsSync(file)) {
    const { privateKey } = generateKeyPairSync('ed25519');
    mkdirSync(path.dirname(file), { recursive: true, mode: 0o700 });
    const descriptor = openSync(`${file}.new`, 'w', 0o600);
    writeSync(descriptor, privateKey.export({ type: 'pkcs8', format: 'pem' }) as string);
    fsyncSync(descriptor);
    closeSync(descriptor);
    chmodSync(`${file}.new`, 0o600);
    renameSync(`${file}.new`, file);
    return privateKey;
  }
  if ((statSync(file).mode & 0o077) !== 0)
    throw new Error(`${file} can be read by others than its owner: expected mode 0600`);
  return createPrivateKey(readFileSync(file));
}
