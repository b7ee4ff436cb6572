/** Who issues tokens: the server itself, another authorization server, or nobody but `mooring token`. */
import path from 'node:path';
import type { EnvReader } from './env-reader.js';
import type { CatalogConfig } from './storage.js';

/** Who issues tokens, and what apps and roles may do. */
export interface SmartConfig {
  readonly issuer:
    | { readonly kind: 'built-in'; readonly registration: 'off' | 'token' | 'open' }
    /** Tokens of another authorization server: Keycloak, a national identity provider, ... */
    | {
        readonly kind: 'outside';
        readonly url: string;
        /** What `aud` must name; absent: the FHIR base URL. */
        readonly audience?: string;
        readonly jwksUrl?: string;
        /** Our claim -> path in the token, e.g. `roles` -> `realm_access.roles`. */
        readonly claims: Readonly<Record<string, string>>;
        /** Claims that identify a person, with the system of that identifier. */
        readonly identifiers: readonly (readonly [claim: string, system: string])[];
        /** For tokens that name no clinical scope. */
        readonly defaultScope?: string;
        /** This server as a client of the issuer, which is asked whether tokens still hold. */
        readonly introspection?: { readonly clientId: string; readonly secret: string };
      }
    | { readonly kind: 'none' };
  /** Tokens of `mooring token` are taken. */
  readonly localTokens: boolean;
  /** DPoP proofs without a nonce are refused. */
  readonly requiresNonce: boolean;
  /** Key sets of apps may lie in private networks. */
  readonly privateKeySets: boolean;
  /** On MongoDB where the catalog is: the servers on one log share accounts, grants and tokens. */
  readonly store: { readonly kind: 'sqlite'; readonly file: string } | Extract<CatalogConfig, { kind: 'mongo' }>;
  /** Instead of profiles/role-matrix.json. */
  readonly roleMatrixFile?: string;
}

/** AUTHORIZATION_SERVER, ISSUER_..., REGISTRATION, DPOP_NONCE, ROLE_MATRIX, ... */
export function smartConfig(read: EnvReader, dataDir: string, catalog: CatalogConfig): SmartConfig {
  const matrix = read.optional('ROLE_MATRIX');
  const isPublic = read.text('PUBLIC_URL', '').startsWith('https:');
  return {
    issuer: issuerConfig(read),
    localTokens: read.choice('LOCAL_TOKENS', 'on', ['on', 'off']) === 'on',
    requiresNonce: read.choice('DPOP_NONCE', 'optional', ['optional', 'required']) === 'required',
    privateKeySets: read.choice('PRIVATE_KEY_SETS', isPublic ? 'off' : 'on', ['on', 'off']) === 'on',
    store: catalog.kind === 'mongo' ? catalog : { kind: 'sqlite', file: path.join(dataDir, 'smart', 'store.sqlite') },
    ...(matrix === undefined ? {} : { roleMatrixFile: path.resolve(matrix) }),
  };
}

const claimForm = /^(fhirUser|patient|roles|scope|memberships|purpose_of_use|client_id)=([A-Za-z0-9_.:/-]+)$/;

function issuerConfig(read: EnvReader): SmartConfig['issuer'] {
  const url = read.url('ISSUER_URL');
  const audience = read.optional('ISSUER_AUDIENCE');
  const jwksUrl = read.url('ISSUER_JWKS_URL');
  const claims: Record<string, string> = {};
  for (const pair of read.list('ISSUER_CLAIMS')) {
    const [, name, place] = claimForm.exec(pair) ?? [];
    if (name === undefined) read.problem(`ISSUER_CLAIMS has "${pair}"; expected e.g. roles=realm_access.roles`);
    else claims[name] = place;
  }
  const identifiers: [string, string][] = [];
  for (const pair of read.list('ISSUER_IDENTIFIERS')) {
    const [, claim, system] = /^([A-Za-z0-9_.:/-]+)=(\S+)$/.exec(pair) ?? [];
    if (claim === undefined) read.problem(`ISSUER_IDENTIFIERS has "${pair}"; expected claim=system`);
    else identifiers.push([claim, system]);
  }
  const defaultScope = read.optional('ISSUER_SCOPE');
  const introspection = introspectionConfig(read, jwksUrl);
  const registration = read.choice('REGISTRATION', 'off', ['off', 'token', 'open']);
  const isOn = read.choice('AUTHORIZATION_SERVER', url === undefined ? 'on' : 'off', ['on', 'off']) === 'on';
  if (url !== undefined) {
    if (isOn) read.problem('AUTHORIZATION_SERVER is on, but ISSUER_URL names another one; expected one of them');
    return { kind: 'outside', url, audience, jwksUrl, claims, identifiers, defaultScope, introspection };
  }
  const isSet =
    audience ?? jwksUrl ?? defaultScope ?? introspection?.clientId ?? Object.keys(claims)[0] ?? identifiers[0];
  if (isSet !== undefined) read.problem('another variable that begins with ISSUER_ is set, but ISSUER_URL is not');
  return isOn ? { kind: 'built-in', registration } : { kind: 'none' };
}

/** ISSUER_CLIENT and ISSUER_CLIENT_SECRET_FILE: both, or neither. */
function introspectionConfig(read: EnvReader, jwksUrl: string | undefined) {
  const clientId = read.optional('ISSUER_CLIENT');
  const file = read.optional('ISSUER_CLIENT_SECRET_FILE');
  if ((clientId === undefined) !== (file === undefined))
    read.problem('ISSUER_CLIENT and ISSUER_CLIENT_SECRET_FILE go together: tokens are asked about at the issuer');
  if (clientId === undefined || file === undefined) return undefined;
  if (jwksUrl !== undefined)
    read.problem("ISSUER_CLIENT needs the issuer's discovery document, which ISSUER_JWKS_URL takes the place of");
  return { clientId, secret: read.secretIn('ISSUER_CLIENT_SECRET_FILE', file) ?? '' };
}
