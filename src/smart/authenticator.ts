/**
 * Who sends a request: the one way from an Authorization header to a principal, whoever issued the token.
 *
 * Closed by default: whatever is not a valid token of a trusted issuer is 401. Spec: RFC 6750 (Bearer), RFC 9449 (DPoP).
 */
import { hash } from 'node:crypto';
import { decodeJwt } from 'jose';
import type { Principal } from '../consent/gate.js';
import { badToken, noToken } from './challenges.js';
import { checkProof, type ProofServices } from './dpop.js';
import type { RoleMatrix } from './role-matrix.js';
import { Recent } from '../vault/recent.js';
import { rolesOf } from './roles.js';

/** What a verified token says. */
export interface VerifiedToken {
  readonly principal: Principal;
  /** Thumbprint (RFC 7638) of the key that its sender must prove to hold. */
  readonly boundTo?: string;
}

/** Tokens of one issuer. */
export interface TokenSource {
  /**
   * @param digest SHA-256 of the token, base64, where that is at hand.
   * @throws FhirError 401 when the token is not valid; 503 when the issuer cannot be asked.
   */
  verify(token: string, digest?: string): VerifiedToken | Promise<VerifiedToken>;
}

export interface Issuers {
  /** Opaque tokens of the built-in authorization server. */
  readonly opaque?: TokenSource;
  /** JSON Web Tokens by their `iss`. */
  readonly byIssuer: ReadonlyMap<string, TokenSource>;
}

export interface AuthenticatorOptions extends Issuers {
  readonly matrix: RoleMatrix;
  /** Reference of the organisation that runs this server. */
  readonly organization: string;
  readonly proofs: ProofServices;
  /** The base URL of the FHIR door, and other names of the same place. */
  readonly baseUrls: readonly string[];
}

interface Credentials {
  readonly authorization?: string;
  readonly dpop?: string;
  readonly method: string;
  readonly path: string;
}

const mostSources = 10_000;

export class Authenticator {
  /** Principals with their roles; tokens are remembered by their sources, so the same principal comes again. */
  private readonly principals = new WeakMap<Principal, Principal>();
  /** Whose a token says that it is, by the token's digest: reading that out of it costs more than finding a token that is remembered. */
  private readonly sources = new Recent<string, TokenSource>(mostSources);

  constructor(private readonly options: AuthenticatorOptions) {}

  /** @throws FhirError 401 with the challenge that tells what to do. */
  authenticate(credentials: Credentials): Principal | Promise<Principal> {
    const { scheme, token } = tokenIn(credentials.authorization);
    const verified = this.verified(token);
    return verified instanceof Promise
      ? verified.then((done) => this.proven(credentials, scheme, token, done))
      : this.proven(credentials, scheme, token, verified);
  }

  private verified(token: string): VerifiedToken | Promise<VerifiedToken> {
    const { opaque, byIssuer } = this.options;
    if (!token.includes('.')) {
      if (opaque !== undefined) return opaque.verify(token);
      throw badToken('the token is not one of a trusted issuer');
    }
    const digest = hash('sha256', token, 'base64');
    const known = this.sources.get(digest);
    const source = known ?? byIssuer.get(issuerOf(token));
    if (source === undefined) throw badToken('the token is not one of a trusted issuer');
    if (known === undefined) this.sources.set(digest, source);
    return source.verify(token, digest);
  }

  private proven(
    { dpop, method, path }: Credentials,
    scheme: 'bearer' | 'dpop',
    token: string,
    { principal, boundTo }: VerifiedToken,
  ): Principal | Promise<Principal> {
    if (boundTo === undefined) {
      if (scheme === 'dpop') throw badToken('the token is not bound to a key; send it as Bearer', 'login', 'DPoP');
      return this.withRoles(principal);
    }
    if (scheme !== 'dpop') throw badToken('the token is bound to a key; send it as DPoP with a proof', 'login', 'DPoP');
    const urls = this.options.baseUrls.map((base) => new URL(base + path).href);
    return checkProof(this.options.proofs, dpop, token, boundTo, { method, urls }).then(() =>
      this.withRoles(principal),
    );
  }

  /** The principal with what the role matrix leaves to it. */
  withRoles(principal: Principal): Principal {
    const known = this.principals.get(principal);
    if (known !== undefined) return known;
    const roles = rolesOf(principal, this.options.organization);
    const whole = { ...principal, roles, role: this.options.matrix.grantFor(roles) };
    this.principals.set(principal, whole);
    return whole;
  }
}

function tokenIn(authorization: string | undefined): { scheme: 'bearer' | 'dpop'; token: string } {
  if (authorization === undefined) throw noToken();
  const [, scheme, token] = /^(Bearer|DPoP) ([A-Za-z0-9\-._~+/]+=*)$/i.exec(authorization) ?? [];
  if (token === undefined) throw badToken('the Authorization header is not "Bearer <token>"');
  return { scheme: scheme.toLowerCase() as 'bearer' | 'dpop', token };
}

/** Whom the token says that it is of: only to find who can tell whether that is true. */
function issuerOf(token: string): string {
  try {
    return decodeJwt(token).iss ?? '';
  } catch {
    return '';
  }
}
