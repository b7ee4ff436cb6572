/**
 * Tokens of the local issuer (`mooring token`) to principals.
 *
 * Spec: RFC 8725 (JWT best practice: algorithms, issuer and audience are fixed here, never taken from the token).
 */
import { errors, importJWK, jwtVerify, type JWK, type JWTPayload } from 'jose';
import type { Clock } from '../base/clock.js';
import type { FhirError } from '../base/outcome.js';
import type { TokenSource } from './authenticator.js';
import { badToken } from './challenges.js';
import { principalOf } from './principal-claims.js';
import { RememberedTokens } from './remembered-tokens.js';
import { localAudience, localIssuer } from './token-issuer.js';

/** @param publicJwk of the local issuer. */
export async function localTokens(publicJwk: JWK, clock: Clock): Promise<TokenSource> {
  const key = await importJWK(publicJwk, 'EdDSA');
  return new RememberedTokens(clock, async (token) => {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: ['EdDSA', 'Ed25519'],
        issuer: localIssuer,
        audience: localAudience,
        typ: 'at+jwt',
        requiredClaims: ['exp', 'iat', 'jti', 'fhirUser', 'scope'],
        currentDate: new Date(clock.now()),
      });
      return { principal: principalOf(payload), expiresAt: expiryOf(payload) };
    } catch (error) {
      throw refusalOf(error);
    }
  });
}

/** Milliseconds since 1970. */
export function expiryOf({ exp = 0 }: JWTPayload): number {
  return exp * 1000;
}

/** What is wrong with a token, as its sender may hear it; other errors stay what they are. */
export function refusalOf(error: unknown): FhirError | unknown {
  if (error instanceof errors.JWTExpired) return badToken('the token has expired', 'expired');
  if (error instanceof errors.JWTClaimValidationFailed)
    return badToken(`the token's "${error.claim}" is not as expected here`);
  if (error instanceof errors.JOSEError) return badToken('the token is not one of a trusted issuer');
  return error;
}
