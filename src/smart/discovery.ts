/**
 * `/.well-known/smart-configuration`: what apps need to know before they ask for anything.
 *
 * Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/conformance.html
 */

/** Where the authorization server answers; absent: not offered. */
export interface OAuthEndpoints {
  readonly issuer: string;
  readonly authorize?: string;
  readonly token?: string;
  readonly register?: string;
  readonly introspect?: string;
  readonly revoke?: string;
  readonly jwks?: string;
  /** Where people see and end what apps may do. */
  readonly manage?: string;
}

/** @param issuer `https://fhir.example/oauth` */
export function builtInEndpoints(issuer: string, offersRegistration: boolean): OAuthEndpoints {
  return {
    issuer,
    authorize: `${issuer}/authorize`,
    token: `${issuer}/token`,
    ...(offersRegistration ? { register: `${issuer}/register` } : {}),
    introspect: `${issuer}/introspect`,
    revoke: `${issuer}/revoke`,
    jwks: `${issuer}/jwks`,
    manage: `${issuer}/apps`,
  };
}

/** Endpoints by the names of RFC 8414, as an outside issuer tells them. */
export function outsideEndpoints(metadata: Readonly<Record<string, unknown>>): OAuthEndpoints {
  const text = (name: string) => (typeof metadata[name] === 'string' ? metadata[name] : undefined);
  return {
    issuer: text('issuer') ?? '',
    authorize: text('authorization_endpoint'),
    token: text('token_endpoint'),
    register: text('registration_endpoint'),
    introspect: text('introspection_endpoint'),
    revoke: text('revocation_endpoint'),
    manage: text('management_endpoint'),
    jwks: text('jwks_uri'),
  };
}

const scopes = [
  'openid',
  'fhirUser',
  'profile',
  'launch',
  'launch/patient',
  'launch/encounter',
  'offline_access',
  'online_access',
  'patient/*.cruds',
  'patient/*.rs',
  'user/*.cruds',
  'user/*.rs',
  'system/*.cruds',
  'system/*.rs',
];

const capabilities = [
  'launch-ehr',
  'launch-standalone',
  'authorize-post',
  'client-public',
  'client-confidential-symmetric',
  'client-confidential-asymmetric',
  'sso-openid-connect',
  'context-banner',
  'context-ehr-patient',
  'context-ehr-encounter',
  'context-standalone-patient',
  'permission-offline',
  'permission-online',
  'permission-patient',
  'permission-user',
  'permission-v1',
  'permission-v2',
];

/** The document for the built-in authorization server. */
export function smartConfiguration(endpoints: OAuthEndpoints): object {
  const { issuer } = endpoints;
  return {
    ...common(endpoints),
    grant_types_supported: ['authorization_code', 'refresh_token', 'client_credentials'],
    token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post', 'private_key_jwt', 'none'],
    token_endpoint_auth_signing_alg_values_supported: ['RS384', 'ES384', 'RS256', 'PS256', 'ES256', 'EdDSA'],
    id_token_signing_alg_values_supported: ['RS256'],
    dpop_signing_alg_values_supported: ['ES256', 'ES384', 'EdDSA', 'Ed25519', 'RS256', 'PS256'],
    pushed_authorization_request_endpoint: `${issuer}/par`,
    end_session_endpoint: `${issuer}/logout`,
    management_endpoint: endpoints.manage,
    subject_types_supported: ['public'],
    capabilities,
  };
}

/** The document for an outside issuer: its own words, with what this server itself does with its tokens. */
export function outsideConfiguration(metadata: Readonly<Record<string, unknown>>): object {
  return {
    ...metadata,
    ...common(outsideEndpoints(metadata)),
    capabilities: ['permission-patient', 'permission-user', 'permission-v1', 'permission-v2'],
  };
}

function common({ issuer, jwks, authorize, token, register, introspect, revoke }: OAuthEndpoints): object {
  return withoutAbsent({
    issuer,
    jwks_uri: jwks,
    authorization_endpoint: authorize,
    token_endpoint: token,
    registration_endpoint: register,
    introspection_endpoint: introspect,
    revocation_endpoint: revoke,
    scopes_supported: scopes,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
  });
}

const urisUrl = 'http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris';
const capabilityUrl = 'http://fhir-registry.smarthealthit.org/StructureDefinition/capabilities';

/** The names that R4's value set of these extensions has; the others are told by discovery alone. */
const statedCapabilities = [
  'launch-ehr',
  'launch-standalone',
  'client-public',
  'client-confidential-symmetric',
  'sso-openid-connect',
  'context-ehr-patient',
  'context-standalone-patient',
  'permission-offline',
  'permission-patient',
  'permission-user',
];

/** The same in a CapabilityStatement's `rest.security.extension`, as far as R4's definitions of it go. */
export function securityExtensions(endpoints: OAuthEndpoints): object[] {
  const places = (['authorize', 'token', 'register', 'manage'] as const).flatMap((name) => {
    const valueUri = endpoints[name];
    return valueUri === undefined ? [] : [{ url: name, valueUri }];
  });
  return [
    { url: urisUrl, extension: places },
    ...statedCapabilities.map((valueCode) => ({ url: capabilityUrl, valueCode })),
  ];
}

function withoutAbsent(document: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(document).filter(([, value]) => value !== undefined));
}
