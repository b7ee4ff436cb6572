/**
 * Refusals of the resource server, each with the challenge that tells a client what to do.
 *
 * Spec: RFC 6750 section 3 (Bearer), RFC 9449 section 7.1 (DPoP).
 */
import { FhirError } from '../base/outcome.js';

const realm = 'realm="mooring"';

/** Algorithms of DPoP proofs that are taken. */
export const proofAlgorithms = ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'RS256', 'PS256'];

/** 401 without any token: which schemes there are, and no error code (RFC 6750, 3.1). */
export function noToken(): FhirError {
  return refusal(
    'login',
    'No token: expected the header "Authorization: Bearer <token>"',
    `Bearer ${realm}, DPoP algs="${proofAlgorithms.join(' ')}"`,
  );
}

/** 401 for a token that is not valid here. @param reason goes to the client: never anything secret. */
export function badToken(reason: string, code: 'login' | 'expired' = 'login', scheme = 'Bearer'): FhirError {
  return refusal(code, `Not authenticated: ${reason}`, challenge(scheme, 'invalid_token', reason));
}

/** 401 for a proof of possession that is missing or wrong. */
export function badProof(reason: string): FhirError {
  return refusal('login', `Not authenticated: ${reason}`, dpopChallenge('invalid_dpop_proof', reason));
}

/** 401 that hands out the nonce to use next (RFC 9449, 9). */
export function useNonce(nonce: string, reason: string): FhirError {
  return refusal('login', `Not authenticated: ${reason}`, dpopChallenge('use_dpop_nonce', reason), {
    'DPoP-Nonce': nonce,
  });
}

/** The header of a 403 that another scope would help against. */
export function insufficientScope(reason: string): Record<string, string> {
  return { 'WWW-Authenticate': challenge('Bearer', 'insufficient_scope', reason) };
}

function refusal(
  code: 'login' | 'expired',
  diagnostics: string,
  authenticate: string,
  headers: Record<string, string> = {},
): FhirError {
  return new FhirError(401, [{ severity: 'error', code, diagnostics }], {
    'WWW-Authenticate': authenticate,
    ...headers,
  });
}

function dpopChallenge(error: string, reason: string): string {
  return `${challenge('DPoP', error, reason)}, algs="${proofAlgorithms.join(' ')}"`;
}

function challenge(scheme: string, error: string, reason: string): string {
  const description = reason.replaceAll('"', "'").replaceAll(/[^\x20-\x5b\x5d-\x7e]/g, '?');
  return `${scheme} ${realm}, error="${error}", error_description="${description}"`;
}
