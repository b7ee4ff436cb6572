/**
 * Asking an outside issuer whether a token still holds: what it revoked, this server refuses within `askedAgainMs`.
 *
 * Spec: RFC 7662. The answer is taken only from the issuer's own endpoint, over its metadata.
 */
import type { JWTPayload } from 'jose';
import { FhirError } from '../base/outcome.js';
import { badToken } from './challenges.js';

export interface IntrospectionOptions {
  /** This server as a client of the issuer. */
  readonly clientId: string;
  readonly secret: string;
}

/** How long an answer holds. */
export const askedAgainMs = 10_000;
const timeoutMs = 5_000;

/**
 * @param endpoint the issuer's `introspection_endpoint`.
 * @returns what the issuer says of the token.
 * @throws FhirError 401 when it is not active; 503 while the issuer cannot be asked, or does not answer us.
 */
export async function introspect(
  endpoint: string,
  { clientId, secret }: IntrospectionOptions,
  token: string,
): Promise<JWTPayload> {
  const credentials = Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(secret)}`).toString('base64');
  const answer = await fetch(endpoint, {
    method: 'POST',
    headers: {
      Authorization: `Basic ${credentials}`,
      Accept: 'application/json',
      'Content-Type': 'application/x-www-form-urlencoded',
    },
    body: new URLSearchParams({ token, token_type_hint: 'access_token' }),
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  }).then(
    (response) => (response.ok ? (response.json() as Promise<unknown>) : undefined),
    () => undefined,
  );
  if (typeof answer !== 'object' || answer === null) throw issuerUnavailable();
  if ((answer as { readonly active?: unknown }).active !== true)
    throw badToken('the token is not active, its issuer says', 'expired');
  return answer as JWTPayload;
}

/** 503: nobody is let in on a guess. */
export function issuerUnavailable(): FhirError {
  const diagnostics = 'The issuer of tokens cannot be asked.';
  return new FhirError(503, [{ severity: 'error', code: 'transient', diagnostics }], { 'Retry-After': '5' });
}
