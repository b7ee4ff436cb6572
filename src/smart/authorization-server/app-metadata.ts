/**
 * What is known of an app (an OAuth client) beyond RFC 7591: what it may ask for, and as whom a backend service acts.
 *
 * Kept as oidc-provider's client metadata. Names beginning with `mooring_` are the operator's: nobody can register them for himself.
 */
import { covers, parseScope } from '../scopes.js';

/** Everything that an app may be granted, as registered in `scope`; absent: what its user allows. */
export const scopeProperty = 'smart_scope';
export const operatorProperties = [
  /** Reference of whom a backend service acts as. */
  'mooring_actor',
  'mooring_memberships',
  'mooring_roles',
  'mooring_purpose',
  /** It may ask about tokens of other apps (a resource server). */
  'mooring_introspection',
  /** The operator registered it. */
  'mooring_trusted',
] as const;
export const extraProperties = [scopeProperty, 'launch_uri', ...operatorProperties];

export interface AppMetadata {
  readonly client_id?: string;
  readonly clientId?: string;
  readonly smart_scope?: string;
  readonly mooring_actor?: string;
  readonly mooring_memberships?: readonly string[];
  readonly mooring_roles?: readonly string[];
  readonly mooring_purpose?: string;
  readonly mooring_introspection?: boolean;
  readonly mooring_trusted?: boolean;
}

/** Scopes that are no clinical ones. */
export const plainScopes = [
  'openid',
  'fhirUser',
  'profile',
  'offline_access',
  'online_access',
  'launch',
  'launch/patient',
  'launch/encounter',
];

/** Scopes that every app may ask for, whatever it registered. */
const harmless = new Set(['openid', 'fhirUser', 'profile', 'launch', 'launch/patient', 'launch/encounter']);

/** Which clinical scopes make sense here: known types, conditions that are searches. */
export type IsKnownScope = (scope: string) => boolean;

/**
 * Of `requested`, what this app may be granted at all.
 * @param isBackend system scopes for backend services, patient and user scopes for apps with a user.
 */
export function grantable(
  requested: readonly string[],
  app: AppMetadata,
  isBackend: boolean,
  isKnown: IsKnownScope,
): string[] {
  const registered = app.smart_scope?.split(' ').filter(Boolean);
  const wide = registered?.flatMap((text) => parseScope(text) ?? []);
  return [...new Set(requested)].filter((text) => {
    const scope = parseScope(text);
    if (scope === undefined) {
      if (isBackend || !plainScopes.includes(text)) return false;
      return registered === undefined || harmless.has(text) || registered.includes(text);
    }
    if ((scope.level === 'system') !== isBackend || !isKnown(text)) return false;
    // A backend service has no user who could say no: without a registered scope it gets nothing.
    if (wide === undefined) return !isBackend;
    return wide.some((allowed) => covers(allowed, scope));
  });
}
