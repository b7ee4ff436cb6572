/**
 * Tokens of an authorization server that is not ours: Keycloak, Azure, a national identity provider.
 *
 * Its keys come by discovery (or from ISSUER_JWKS_URL), are cached, and are asked for again when a token names an unknown one (rotation).
 * Spec: OpenID Connect Discovery 1.0, RFC 8414 (metadata), RFC 9068 (JWT access tokens), RFC 8725 (algorithms are fixed here).
 */
import { createRemoteJWKSet, errors, jwtVerify, type JWTPayload, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../base/clock.js';
import type { TokenSource } from './authenticator.js';
import { badToken } from './challenges.js';
import { askedAgainMs, introspect, issuerUnavailable, type IntrospectionOptions } from './introspection.js';
import { principalOf, type PrincipalClaims } from './principal-claims.js';
import { RememberedTokens } from './remembered-tokens.js';
import { isRole } from './roles.js';
import { parseScope } from './scopes.js';
import { expiryOf, refusalOf } from './token-verifier.js';

/** Asymmetric ones only: a public key must never serve as a shared secret. */
const algorithms = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
];
const keysMs = 600_000;
const timeoutMs = 5_000;
/** Tokens of others are asked about again after this time, however long they live. */
const rememberedMs = 60_000;

export interface OutsideIssuerOptions {
  readonly url: string;
  readonly audience: string;
  readonly jwksUrl?: string;
  /** Our claim -> path in the token (`realm_access.roles`). */
  readonly claims: Readonly<Record<string, string>>;
  /** Claims that identify a person (a national ID), with the system of the identifier that they are compared with. */
  readonly identifiers: readonly (readonly [claim: string, system: string])[];
  /** What tokens may do that name no clinical scope; absent: nothing. */
  readonly defaultScope?: string;
  /** Tokens are asked about at the issuer, and may be opaque; absent: a signature and a time are enough. */
  readonly introspection?: IntrospectionOptions;
  /** The one Patient or Practitioner with this identifier, as a reference; undefined when there is none, or more than one. */
  findPerson(system: string, value: string): Promise<string | undefined>;
  /** FHIR base URL: absolute references to it become relative. */
  readonly baseUrl: string;
  readonly clock: Clock;
}

/** The issuer's metadata, as far as apps and this server need it. */
export interface IssuerMetadata {
  readonly issuer: string;
  readonly jwks_uri: string;
  readonly [name: string]: unknown;
}

export class OutsideIssuer {
  private known: Promise<IssuerMetadata> | undefined;
  private keys: JWTVerifyGetKey | undefined;

  readonly tokens: TokenSource;
  /** Present when tokens are asked about: those that only the issuer can read. */
  readonly opaque?: TokenSource;

  constructor(private readonly options: OutsideIssuerOptions) {
    this.tokens = new RememberedTokens(options.clock, (token) => this.check(token));
    if (options.introspection !== undefined)
      this.opaque = new RememberedTokens(options.clock, (token) => this.checkOpaque(token));
  }

  /** @throws FhirError 503 while the issuer cannot be asked. */
  metadata(): Promise<IssuerMetadata> {
    this.known ??= discover(this.options).catch((error: unknown) => {
      this.known = undefined;
      throw error;
    });
    return this.known;
  }

  private async check(token: string) {
    const { clock, url, audience } = this.options;
    this.keys ??= createRemoteJWKSet(new URL((await this.metadata()).jwks_uri), {
      cacheMaxAge: keysMs,
      timeoutDuration: timeoutMs,
      cooldownDuration: 1_000,
    });
    try {
      const { payload } = await jwtVerify(token, this.keys, {
        algorithms,
        issuer: [url, `${url}/`],
        audience,
        requiredClaims: ['exp', 'sub'],
        currentDate: new Date(clock.now()),
      });
      if (this.options.introspection !== undefined) await this.ask(token);
      return await this.checked(payload);
    } catch (error) {
      if (error instanceof errors.JWKSTimeout || isUnreachable(error)) throw issuerUnavailable();
      throw refusalOf(error);
    }
  }

  /** A token without a form of its own: what the issuer says of it is all there is, so that has to name us. */
  private async checkOpaque(token: string) {
    const { url, audience } = this.options;
    const said = await this.ask(token);
    if (said.iss !== undefined && said.iss.replace(/\/$/, '') !== url) throw badToken('the token is of another issuer');
    if (![said.aud].flat().includes(audience)) throw badToken('the token\'s "aud" is not as expected here');
    return this.checked(said);
  }

  private async ask(token: string): Promise<JWTPayload> {
    const { introspection } = this.options;
    const { introspection_endpoint: endpoint } = await this.metadata();
    if (introspection === undefined || typeof endpoint !== 'string') throw issuerUnavailable();
    return introspect(endpoint, introspection, token);
  }

  private async checked(payload: JWTPayload) {
    const { clock, introspection } = this.options;
    const { cnf } = payload as { cnf?: { jkt?: unknown } };
    const holdsMs = introspection === undefined ? rememberedMs : askedAgainMs;
    const expiry = payload.exp === undefined ? Infinity : expiryOf(payload);
    if (expiry <= clock.now()) throw badToken('the token has expired', 'expired');
    return {
      principal: principalOf(await this.mapped(payload)),
      expiresAt: Math.min(expiry, clock.now() + holdsMs),
      ...(typeof cnf?.jkt === 'string' ? { boundTo: cnf.jkt } : {}),
    };
  }

  /** The token's claims under our names. */
  private async mapped(payload: JWTPayload): Promise<PrincipalClaims> {
    const { claims, baseUrl } = this.options;
    const at = (name: string) => valueAt(payload, claims[name] ?? name);
    const relative = (value: unknown) =>
      typeof value === 'string' && value.startsWith(`${baseUrl}/`) ? value.slice(baseUrl.length + 1) : value;
    const fhirUser = relative(at('fhirUser')) ?? (await this.identified(payload));
    const isPatient = typeof fhirUser === 'string' && fhirUser.startsWith('Patient/');
    const patient = relative(at('patient')) ?? (isPatient ? fhirUser : undefined);
    const named = at('roles');
    const roles = Array.isArray(named) ? named.filter(isRole) : undefined;
    const memberships = at('memberships');
    return {
      fhirUser,
      scope: this.scopeOf(textOf(at('scope') ?? payload.scp)),
      purpose_of_use: at('purpose_of_use'),
      patient: typeof patient === 'string' ? patient.replace(/^Patient\//, '') : undefined,
      memberships: Array.isArray(memberships) ? memberships.map(relative) : memberships,
      client_id: at('client_id') ?? payload.azp,
      jti: payload.jti,
      // A list without any role of ours is no statement: the type of the actor decides.
      ...(roles === undefined || roles.length === 0 ? {} : { roles }),
    };
  }

  /** Who has the identifier that the token names. */
  private async identified(payload: JWTPayload): Promise<string | undefined> {
    for (const [claim, system] of this.options.identifiers) {
      const value = valueAt(payload, claim);
      const found =
        typeof value === 'string' && value !== '' ? await this.options.findPerson(system, value) : undefined;
      if (found !== undefined) return found;
    }
    return undefined;
  }

  private scopeOf(scope: unknown): unknown {
    const { defaultScope } = this.options;
    if (defaultScope === undefined) return scope;
    const given = typeof scope === 'string' ? scope : '';
    return given.split(' ').some((one) => parseScope(one) !== undefined) ? given : `${given} ${defaultScope}`.trim();
  }
}

async function discover({ url, jwksUrl }: OutsideIssuerOptions): Promise<IssuerMetadata> {
  if (jwksUrl !== undefined) return { issuer: url, jwks_uri: jwksUrl };
  for (const place of [`${url}/.well-known/openid-configuration`, metadataUrl(url)]) {
    const found = await fetchJson(place);
    if (found === undefined) continue;
    if (found.issuer.replace(/\/$/, '') !== url) throw badToken('the issuer calls itself by another name');
    return found;
  }
  throw issuerUnavailable();
}

/** RFC 8414, 3.1: the well-known part comes before the path. */
function metadataUrl(url: string): string {
  const { origin, pathname } = new URL(url);
  return `${origin}/.well-known/oauth-authorization-server${pathname.replace(/\/$/, '')}`;
}

async function fetchJson(url: string): Promise<IssuerMetadata | undefined> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(timeoutMs) });
    if (!response.ok) return undefined;
    const body = (await response.json()) as Partial<IssuerMetadata>;
    const isWhole = typeof body.issuer === 'string' && typeof body.jwks_uri === 'string';
    return isWhole ? (body as IssuerMetadata) : undefined;
  } catch {
    throw issuerUnavailable();
  }
}

function isUnreachable(error: unknown): boolean {
  if (error instanceof errors.JWKSNoMatchingKey) return false;
  return (
    (error instanceof TypeError && error.message === 'fetch failed') ||
    (error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC')
  );
}

/** @param place names separated by dots, or a name that has dots itself. */
function valueAt(payload: JWTPayload, place: string): unknown {
  if (Object.hasOwn(payload, place)) return payload[place];
  let value: unknown = payload;
  for (const name of place.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

function textOf(scope: unknown): unknown {
  return Array.isArray(scope) ? scope.join(' ') : scope;
}
