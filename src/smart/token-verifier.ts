/**
 * Bearer tokens to principals. Closed by default: whatever is not a valid token of a trusted issuer is 401.
 *
 * Spec: RFC 6750 (bearer), RFC 8725 (JWT best practice: algorithms, issuer and audience are fixed here, never taken from the token).
 */
import { createHash } from 'node:crypto';
import { errors, importJWK, jwtVerify, type CryptoKey, type JWK, type JWTPayload } from 'jose';
import type { Clock } from '../base/clock.js';
import { FhirError } from '../base/outcome.js';
import type { Principal } from '../consent/gate.js';
import { localAudience, localIssuer } from './token-issuer.js';

/** How many verified tokens are remembered until they expire. */
const rememberedTokens = 10_000;
const referenceForm = /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;

export class TokenVerifier {
  private readonly remembered = new Map<string, { principal: Principal; expiresAt: number }>();

  private constructor(
    private readonly key: CryptoKey | Uint8Array,
    private readonly clock: Clock,
  ) {}

  static async create(publicJwk: JWK, clock: Clock): Promise<TokenVerifier> {
    return new TokenVerifier(await importJWK(publicJwk, 'EdDSA'), clock);
  }

  /**
   * Who sends this request.
   * @param authorization the Authorization header, or undefined.
   * @throws FhirError 401 `login` (`expired` for a token whose time is over), with WWW-Authenticate.
   */
  verify(authorization: string | undefined): Principal | Promise<Principal> {
    const token = bearerToken(authorization);
    const digest = createHash('sha256').update(token).digest('base64');
    const known = this.remembered.get(digest);
    if (known !== undefined && known.expiresAt > this.clock.now()) return known.principal;
    return this.verifyNew(token, digest);
  }

  private async verifyNew(token: string, digest: string): Promise<Principal> {
    const payload = await this.check(token);
    const principal = principalOf(payload);
    if (this.remembered.size >= rememberedTokens) this.remembered.clear();
    this.remembered.set(digest, { principal, expiresAt: (payload.exp as number) * 1000 });
    return principal;
  }

  private async check(token: string): Promise<JWTPayload> {
    try {
      const { payload } = await jwtVerify(token, this.key, {
        algorithms: ['EdDSA', 'Ed25519'],
        issuer: localIssuer,
        audience: localAudience,
        typ: 'at+jwt',
        requiredClaims: ['exp', 'iat', 'jti', 'fhirUser', 'scope'],
        currentDate: new Date(this.clock.now()),
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw unauthorized('the token has expired', 'expired');
      if (error instanceof errors.JWTClaimValidationFailed)
        throw unauthorized(`the token's "${error.claim}" is not as expected here`);
      if (error instanceof errors.JOSEError) throw unauthorized('the token is not one of a trusted issuer');
      throw error;
    }
  }
}

function bearerToken(authorization: string | undefined): string {
  if (authorization === undefined) {
    throw new FhirError(
      401,
      [
        {
          severity: 'error',
          code: 'login',
          diagnostics: 'No token: expected the header "Authorization: Bearer <token>"',
        },
      ],
      { 'WWW-Authenticate': 'Bearer realm="mooring"' },
    );
  }
  const match = /^Bearer ([A-Za-z0-9\-._~+/]+=*)$/i.exec(authorization);
  if (match === null) throw unauthorized('the Authorization header is not "Bearer <token>"');
  return match[1];
}

function principalOf(payload: JWTPayload): Principal {
  const actor = text(payload, 'fhirUser');
  if (!referenceForm.test(actor)) throw unauthorized('the token\'s "fhirUser" is no reference such as Practitioner/1');
  const memberships = payload.memberships ?? [];
  if (
    !Array.isArray(memberships) ||
    !memberships.every((member) => typeof member === 'string' && referenceForm.test(member))
  ) {
    throw unauthorized('the token\'s "memberships" is no list of references');
  }
  return {
    actor,
    memberships: memberships as string[],
    purposeOfUse: payload.purpose_of_use === undefined ? 'TREAT' : text(payload, 'purpose_of_use'),
    scopes: text(payload, 'scope').split(' ').filter(Boolean),
    ...(payload.client_id === undefined ? {} : { client: text(payload, 'client_id') }),
    ...(payload.patient === undefined ? {} : { patient: text(payload, 'patient') }),
    tokenId: payload.jti,
  };
}

function text(payload: JWTPayload, claim: string): string {
  const value = payload[claim];
  if (typeof value !== 'string' || value === '') throw unauthorized(`the token's "${claim}" is no text`);
  return value;
}

function unauthorized(reason: string, code: 'login' | 'expired' = 'login'): FhirError {
  return new FhirError(401, [{ severity: 'error', code, diagnostics: `Not authenticated: ${reason}` }], {
    'WWW-Authenticate': `Bearer realm="mooring", error="invalid_token", error_description="${reason.replaceAll('"', "'")}"`,
  });
}
