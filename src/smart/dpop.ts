/**
 * Proofs of possession at the resource server: the sender of a token shows that it holds the key which the token is bound to.
 *
 * Spec: RFC 9449 (DPoP), sections 4.3, 7 and 9.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import { calculateJwkThumbprint, EmbeddedJWK, errors, jwtVerify, type JWTPayload } from 'jose';
import type { Clock } from '../base/clock.js';
import { badProof, proofAlgorithms, useNonce } from './challenges.js';

/** How far a proof's `iat` may be from now, and how long a nonce holds. */
const windowSeconds = 300;
/** A nonce is handed out for this long. */
const nonceSeconds = 60;

export interface ProofServices {
  readonly clock: Clock;
  /** Secret of the nonces (32 bytes), the same on every server that shares the store. */
  readonly nonceKey: Uint8Array;
  /** Proofs without a nonce are refused. */
  readonly requiresNonce: boolean;
  /** Remembers a proof; false when it was used before. */
  unique(thumbprint: string, jti: string, expiresAt: number): Promise<boolean>;
}

export interface ProvenRequest {
  readonly method: string;
  /** Addresses that the request may have gone to, without query. */
  readonly urls: readonly string[];
}

/**
 * Checks one proof for one request with one token; resolves when it is remembered.
 * @param boundTo thumbprint (RFC 7638) of the key that the token is bound to.
 * @throws FhirError 401, with `use_dpop_nonce` and a nonce where one is asked for.
 */
export async function checkProof(
  services: ProofServices,
  proof: string | undefined,
  token: string,
  boundTo: string,
  request: ProvenRequest,
): Promise<void> {
  if (proof === undefined) throw badProof('the token is bound to a key, but the header DPoP is missing');
  const { payload, thumbprint } = await opened(proof);
  if (thumbprint !== boundTo) throw badProof('the proof is made with another key than the token is bound to');
  const { htm, htu, ath, jti, iat } = payload;
  if (typeof jti !== 'string' || jti === '' || typeof iat !== 'number') throw badProof('the proof has no jti or iat');
  if (htm !== request.method) throw badProof('the proof is for another method');
  if (typeof htu !== 'string' || !request.urls.includes(withoutQuery(htu)))
    throw badProof('the proof is for another address');
  if (ath !== createHash('sha256').update(token).digest('base64url')) throw badProof('the proof is for another token');
  checkTime(services, payload, iat);
  const expiresAt = services.clock.now() + 2 * windowSeconds * 1000;
  if (!(await services.unique(thumbprint, jti, expiresAt))) throw badProof('the proof was used before');
}

/** The nonce to use now. */
function currentNonce({ clock, nonceKey }: Pick<ProofServices, 'clock' | 'nonceKey'>): string {
  return nonceAt(nonceKey, Math.floor(clock.now() / 1000 / nonceSeconds));
}

async function opened(proof: string): Promise<{ payload: JWTPayload; thumbprint: string }> {
  try {
    const { payload, protectedHeader } = await jwtVerify(proof, EmbeddedJWK, {
      algorithms: proofAlgorithms,
      typ: 'dpop+jwt',
      // Time is judged below, by the server's own clock.
      currentDate: new Date(0),
    });
    if (protectedHeader.jwk === undefined) throw badProof('the proof has no key');
    return { payload, thumbprint: await calculateJwkThumbprint(protectedHeader.jwk) };
  } catch (error) {
    if (error instanceof errors.JOSEError || error instanceof TypeError) throw badProof('the proof is not valid');
    throw error;
  }
}

function checkTime(services: ProofServices, { nonce, exp, nbf }: JWTPayload, iat: number): void {
  const now = Math.floor(services.clock.now() / 1000);
  if (nonce === undefined) {
    if (services.requiresNonce) throw useNonce(currentNonce(services), 'a nonce is required in the proof');
  } else if (typeof nonce !== 'string' || !isNonce(services, nonce)) {
    throw useNonce(currentNonce(services), 'the nonce of the proof is not valid, or no longer');
  }
  if (Math.abs(now - iat) > windowSeconds || (exp !== undefined && exp <= now) || (nbf !== undefined && nbf > now)) {
    throw badProof('the proof is too old, or of the future');
  }
}

function isNonce({ clock, nonceKey }: ProofServices, nonce: string): boolean {
  const given = Buffer.from(nonce);
  const step = Math.floor(clock.now() / 1000 / nonceSeconds);
  for (let age = 0; age <= windowSeconds / nonceSeconds; age += 1) {
    const known = Buffer.from(nonceAt(nonceKey, step - age));
    if (known.length === given.length && timingSafeEqual(known, given)) return true;
  }
  return false;
}

function nonceAt(key: Uint8Array, step: number): string {
  return createHmac('sha256', key).update(`dpop-nonce ${step}`).digest('base64url');
}

function withoutQuery(url: string): string {
  if (!URL.canParse(url)) return '';
  const parsed = new URL(url);
  parsed.search = '';
  parsed.hash = '';
  return parsed.href;
}
