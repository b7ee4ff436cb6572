/**
 * The configuration of oidc-provider that makes it a SMART authorization server.
 *
 * Access tokens are opaque and for the FHIR base URL alone; clinical scopes are scopes of that resource, whatever their text; every authorization
 * is asked of its user anew, because the patient in context is chosen in it.
 * Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html, RFC 6749, 7009, 7591, 7636, 7662, 8707, 9126, 9449.
 */
import { randomUUID } from 'node:crypto';
import Provider, { errors, type KoaContext, type OidcClient, type OidcToken } from 'oidc-provider';
import type { JWK } from 'jose';
import type { Clock } from '../../base/clock.js';
import type { Accounts } from '../accounts/accounts.js';
import type { LaunchContexts } from '../launch-contexts.js';
import type { SecurityLog } from '../security-events.js';
import type { SealedStore } from '../store/sealed-store.js';
import { extraProperties, grantable, plainScopes, type AppMetadata, type IsKnownScope } from './app-metadata.js';
import { auditEndpoint } from './audit-endpoints.js';
import { lifetimes } from './lifetimes.js';
import { operatorClient, type AppRegistration } from './operator-client.js';
import { OidcAdapter } from './oidc-adapter.js';
import type { PageFrame } from './page.js';
import { providerPages } from './pages.js';
import { checkAssertion, checkRegistration, isOwn, mayIntrospect, requestParameters } from './provider-policy.js';
import { claimsOfToken } from './token-claims.js';
import { addLaunchToResponse, forbidOldCaches, showScope, showUser } from './token-response.js';
import { tellUnavailable } from './unavailable.js';

export interface ProviderParts {
  /** `https://fhir.example/oauth` */
  readonly issuer: string;
  /** The FHIR base URL: what tokens are for. */
  readonly baseUrl: string;
  /** The base URL, and other names of the same place. */
  readonly audiences: readonly string[];
  readonly store: SealedStore;
  readonly accounts: Accounts;
  readonly launches: LaunchContexts;
  readonly securityLog: SecurityLog;
  readonly clock: Clock;
  readonly isKnownScope: IsKnownScope;
  readonly registration: 'off' | 'token' | 'open';
  readonly requiresNonce: boolean;
  readonly privateKeySets: boolean;
  /** Apps that are part of this server. */
  readonly ownApps: readonly AppRegistration[];
  readonly allowedOrigins: readonly string[];
  /** 32 bytes for each purpose. */
  derive(purpose: string): Uint8Array;
}

export function createProvider(parts: ProviderParts, frame: PageFrame, jwks: { keys: JWK[] }): Provider {
  const pages = providerPages(frame);
  const { issuer, baseUrl, store, clock, derive } = parts;
  /** Requests that do not name the resource (RFC 8707): those must name it by `aud`. */
  const withoutResource = new WeakSet<KoaContext>();
  const provider = new Provider(issuer, {
    adapter: (kind: string) => new OidcAdapter(kind, store, clock),
    jwks,
    clients: parts.ownApps.map((app) => operatorClient(app, '').client),
    clientDefaults: {
      grant_types: ['authorization_code', 'refresh_token'],
      response_types: ['code'],
      token_endpoint_auth_method: 'client_secret_basic',
      id_token_signed_response_alg: 'RS256',
    },
    clientAuthMethods: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    assertJwtClientAuthClaimsAndHeader: (_ctx: KoaContext, claims: { readonly exp?: number }) =>
      checkAssertion(clock, claims),
    enabledJWA: {
      clientAuthSigningAlgValues: ['RS384', 'ES384', 'RS256', 'PS256', 'ES256', 'EdDSA'],
      idTokenSigningAlgValues: ['RS256'],
      dPoPSigningAlgValues: ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'RS256', 'PS256'],
    },
    extraClientMetadata: { properties: extraProperties, validator: checkRegistration },
    clientBasedCORS: (_ctx: KoaContext, origin: string, client: OidcClient) =>
      parts.allowedOrigins.includes('*') ||
      parts.allowedOrigins.includes(origin) ||
      client.redirectUris.some((uri) => URL.canParse(uri) && new URL(uri).origin === origin),
    cookies: {
      names: { session: 'mooring_session', interaction: 'mooring_interaction', resume: 'mooring_resume' },
      keys: [Buffer.from(derive('smart-cookies')).toString('base64')],
      long: { httpOnly: true, sameSite: 'lax', signed: true },
      short: { httpOnly: true, sameSite: 'lax', signed: true },
    },
    claims: { openid: ['sub'], fhirUser: ['fhirUser'], profile: ['name', 'profile'] },
    scopes: plainScopes,
    responseTypes: ['code'],
    pkce: { required: () => true },
    extraParams: requestParameters(parts, withoutResource),
    features: features(parts),
    extraTokenClaims: (_ctx: KoaContext, token: OidcToken) => claimsOfToken(parts, token),
    findAccount: (_ctx: KoaContext, sub: string) => findAccount(parts, sub),
    loadExistingGrant: (ctx: KoaContext) => {
      const grantId = ctx.oidc?.result?.consent?.grantId;
      return grantId === undefined ? undefined : provider.Grant.find(grantId);
    },
    issueRefreshToken: (_ctx: KoaContext, client: OidcClient, { scopes }: OidcToken) =>
      client.grantTypeAllowed('refresh_token') && (scopes.has('offline_access') || scopes.has('online_access')),
    expiresWithSession: (_ctx: KoaContext, { scopes }: OidcToken) =>
      scopes.has('online_access') && !scopes.has('offline_access'),
    interactions: {
      url: (_ctx: KoaContext, { uid }: { uid: string }) => `${new URL(issuer).pathname}/interaction/${uid}`,
    },
    routes: {
      authorization: '/authorize',
      token: '/token',
      jwks: '/jwks',
      introspection: '/introspect',
      revocation: '/revoke',
      registration: '/register',
      pushed_authorization_request: '/par',
      end_session: '/logout',
    },
    renderError: pages.renderError,
    ttl: {
      AccessToken: lifetimes.accessToken,
      AuthorizationCode: lifetimes.authorizationCode,
      ClientCredentials: lifetimes.backendToken,
      Grant: lifetimes.offline,
      IdToken: lifetimes.idToken,
      Interaction: lifetimes.interaction,
      RefreshToken: (_ctx: KoaContext, { scopes }: OidcToken) =>
        scopes.has('offline_access') ? lifetimes.offline : lifetimes.session,
      Session: lifetimes.session,
    },
    fetch: (url: string, options: Record<string, unknown>) =>
      // oidc-provider's dispatcher refuses private addresses.
      fetch(url, parts.privateKeySets ? { ...options, dispatcher: undefined } : options),
    acrValues: [],
    discovery: { service_documentation: undefined },
  });
  // The addresses in answers are those of the issuer, never what a Host header says: server.ts sets them.
  provider.proxy = true;
  provider.use(tellUnavailable);
  provider.use((context, next) => auditEndpoint(parts, context, next));
  provider.use((context, next) => addLaunchToResponse(parts, context, next));
  provider.use((context, next) => showUser(baseUrl, context, next));
  provider.use(forbidOldCaches);
  provider.use(showScope);
  return provider;

  function features({ registration, requiresNonce }: ProviderParts) {
    return {
      devInteractions: { enabled: false },
      userinfo: { enabled: false },
      clientCredentials: { enabled: true },
      dPoP: {
        enabled: true,
        nonceSecret: Buffer.from(derive('smart-dpop-challenge')),
        requireNonce: () => requiresNonce,
      },
      introspection: { enabled: true, allowedPolicy: mayIntrospect },
      revocation: { enabled: true, allowedPolicy: isOwn },
      pushedAuthorizationRequests: { enabled: true },
      registration: {
        enabled: registration !== 'off',
        initialAccessToken: registration === 'token',
        idFactory: () => randomUUID(),
      },
      rpInitiatedLogout: {
        enabled: true,
        logoutSource: pages.logoutSource,
        postLogoutSuccessSource: pages.postLogoutSuccessSource,
      },
      resourceIndicators: {
        enabled: true,
        defaultResource: (ctx: KoaContext) => {
          withoutResource.add(ctx);
          return baseUrl;
        },
        useGrantedResource: () => true,
        getResourceServerInfo: (ctx: KoaContext, resource: string, client: OidcClient) =>
          resourceInfo(ctx, resource, client),
      },
    };
  }

  function resourceInfo(ctx: KoaContext, resource: string, client: OidcClient) {
    if (!parts.audiences.includes(resource)) throw new errors.InvalidTarget('tokens are for the FHIR base URL alone');
    const granted = ctx.oidc?.entities.RefreshToken ?? ctx.oidc?.entities.AuthorizationCode;
    const isBackend = ctx.oidc?.params?.grant_type === 'client_credentials';
    const requested = (granted?.scope ?? ctx.oidc?.params?.scope ?? '').split(' ').filter(Boolean);
    const scopes = grantable(requested, client as AppMetadata, isBackend, parts.isKnownScope);
    if (isBackend && scopes.length === 0)
      throw new errors.InvalidScope('none of the requested scopes is a system scope that the client is registered for');
    return { scope: scopes.join(' '), audience: baseUrl, accessTokenFormat: 'opaque' };
  }
}

async function findAccount({ accounts, baseUrl }: ProviderParts, sub: string) {
  const account = await accounts.byId(sub);
  if (account === undefined) return undefined;
  const fhirUser = `${baseUrl}/${account.fhirUser}`;
  return {
    accountId: sub,
    claims: () => ({ sub, fhirUser, profile: fhirUser, name: account.displayName }),
  };
}
