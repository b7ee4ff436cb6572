/**
 * Registrations of apps (RFC 7591) on their way in: `scope` may hold clinical scopes, which oidc-provider does not know.
 *
 * Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/app-launch.html#register-app-with-ehr
 */
import { scopeProperty } from './app-metadata.js';

/** @returns the body as oidc-provider shall read it; one that is not JSON stays as it is and is refused there. */
export function registrationWith(body: string): string {
  let given: unknown;
  try {
    given = JSON.parse(body);
  } catch {
    return body;
  }
  if (typeof given !== 'object' || given === null || Array.isArray(given)) return body;
  const metadata = { ...given } as Record<string, unknown>;
  delete metadata[scopeProperty];
  if (typeof metadata.scope === 'string') {
    metadata[scopeProperty] = metadata.scope;
    delete metadata.scope;
  }
  return JSON.stringify(withDefaults(metadata));
}

/** Backend services and apps on devices need not say what follows from the rest. */
export function withDefaults(metadata: Record<string, unknown>): Record<string, unknown> {
  const grants = Array.isArray(metadata.grant_types) ? (metadata.grant_types as unknown[]) : [];
  const redirects = Array.isArray(metadata.redirect_uris) ? (metadata.redirect_uris as unknown[]) : [];
  const isBackend = redirects.length === 0 && grants.includes('client_credentials');
  const isNative = redirects.some((uri) => typeof uri === 'string' && !/^https?:/.test(uri));
  return {
    ...(isBackend ? { redirect_uris: [], response_types: [] } : {}),
    ...(isNative ? { application_type: 'native' } : {}),
    ...metadata,
  };
}
