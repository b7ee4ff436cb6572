/** An app as the operator registers it, as oidc-provider's client metadata (RFC 7591 names). */
import { isRole, roles as knownRoles } from '../roles.js';
import { parseScope } from '../scopes.js';
import { plainScopes } from './app-metadata.js';
import { withDefaults } from './registration.js';

export interface AppRegistration {
  readonly id: string;
  readonly name: string;
  readonly redirects: readonly string[];
  /** Where an EHR launches it. */
  readonly launch?: string;
  readonly scope?: string;
  readonly isPublic: boolean;
  readonly isBackend: boolean;
  readonly jwksUrl?: string;
  readonly jwks?: unknown;
  readonly actor?: string;
  readonly members: readonly string[];
  readonly roles: readonly string[];
  readonly purpose?: string;
  readonly mayIntrospect: boolean;
  readonly needsProof: boolean;
}

const reference = /^[A-Z][A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/;

/** @param secret for an app that keeps one. @returns every problem at once; the client counts only when there is none. */
export function operatorClient(
  app: AppRegistration,
  secret: string,
): { client: Record<string, unknown> & { client_secret?: string }; problems: string[] } {
  const hasKeys = app.jwksUrl !== undefined || app.jwks !== undefined;
  const method = hasKeys ? 'private_key_jwt' : app.isPublic ? 'none' : 'client_secret_basic';
  const client = withDefaults({
    client_id: app.id,
    client_name: app.name,
    redirect_uris: app.redirects,
    grant_types: [
      ...(app.isBackend ? ['client_credentials'] : []),
      ...(app.redirects.length > 0 ? ['authorization_code', 'refresh_token'] : []),
    ],
    response_types: app.redirects.length > 0 ? ['code'] : [],
    token_endpoint_auth_method: method,
    ...(method === 'client_secret_basic' ? { client_secret: secret } : {}),
    ...(app.jwksUrl === undefined ? {} : { jwks_uri: app.jwksUrl }),
    ...(app.jwks === undefined ? {} : { jwks: app.jwks }),
    ...(app.scope === undefined ? {} : { smart_scope: app.scope }),
    ...(app.launch === undefined ? {} : { launch_uri: app.launch }),
    ...(app.needsProof ? { dpop_bound_access_tokens: true } : {}),
    ...(app.actor === undefined ? {} : { mooring_actor: app.actor }),
    ...(app.members.length === 0 ? {} : { mooring_memberships: app.members }),
    ...(app.roles.length === 0 ? {} : { mooring_roles: app.roles }),
    ...(app.purpose === undefined ? {} : { mooring_purpose: app.purpose }),
    ...(app.mayIntrospect ? { mooring_introspection: true } : {}),
    mooring_trusted: true,
  });
  return { client, problems: problemsOf(app, hasKeys) };
}

function problemsOf(app: AppRegistration, hasKeys: boolean): string[] {
  const urls = [...app.redirects, ...(app.launch ? [app.launch] : []), ...(app.jwksUrl ? [app.jwksUrl] : [])];
  const unknown = (app.scope ?? '')
    .split(' ')
    .filter((scope) => scope !== '' && parseScope(scope) === undefined && !plainScopes.includes(scope));
  return [
    ...(/^[A-Za-z0-9\-.]{1,64}$/.test(app.id)
      ? []
      : [`"${app.id}" is no id: letters, digits, "-" and "." are expected`]),
    ...(app.name.trim() === '' ? ['--name is missing: people see it when they decide'] : []),
    ...(!app.isBackend && app.redirects.length === 0 && !app.mayIntrospect ? ['--redirect is missing'] : []),
    ...(app.isBackend && !hasKeys ? ['--backend needs --jwks-url or --jwks: SMART asks for asymmetric keys'] : []),
    ...(app.isBackend && app.scope === undefined ? ['--backend needs --scope'] : []),
    ...(app.isPublic && hasKeys ? ['--public and keys contradict each other'] : []),
    ...(app.jwks !== undefined && app.jwksUrl !== undefined ? ['--jwks and --jwks-url contradict each other'] : []),
    ...urls.filter((url) => !URL.canParse(url)).map((url) => `"${url}" is no URL`),
    ...unknown.map((scope) => `"${scope}" is no scope`),
    ...[...(app.actor ? [app.actor] : []), ...app.members]
      .filter((text) => !reference.test(text))
      .map((text) => `"${text}" is no reference such as Organization/1`),
    ...app.roles
      .filter((role) => !isRole(role))
      .map((role) => `"${role}" is no role; expected one of ${knownRoles.join(', ')}`),
  ];
}
