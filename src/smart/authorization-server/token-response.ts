/** What SMART adds to the answers of OAuth. Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html */
import type { KoaContext } from 'oidc-provider';
import type { LaunchContexts } from '../launch-contexts.js';
import { operatorProperties, scopeProperty } from './app-metadata.js';

/** The launch context beside the access token: `patient`, `encounter`, `fhirContext`, ... */
export async function addLaunchToResponse(
  { launches }: { readonly launches: LaunchContexts },
  context: KoaContext,
  next: () => Promise<void>,
): Promise<void> {
  await next();
  const { body, oidc } = context;
  if (oidc?.route !== 'token' || !isObject(body) || body.access_token === undefined) return;
  const grantId = oidc.entities.AccessToken?.grantId;
  if (grantId === undefined) return;
  const { needPatientBanner, ...launch } = await launches.ofGrant(grantId);
  context.body = {
    ...body,
    ...launch,
    ...(launch.patient === undefined ? {} : { need_patient_banner: needPatientBanner ?? true }),
  };
}

/** No cache of the time before HTTP/1.1 keeps a token either (RFC 6749, 5.1). */
export async function forbidOldCaches(context: KoaContext, next: () => Promise<void>): Promise<void> {
  await next();
  if (context.oidc?.route === 'token') context.set('Pragma', 'no-cache');
}

/** Introspection names the user as id tokens do: by her URL. */
export async function showUser(baseUrl: string, context: KoaContext, next: () => Promise<void>): Promise<void> {
  await next();
  const { body, oidc } = context;
  if (oidc?.route !== 'introspection' || !isObject(body) || typeof body.fhirUser !== 'string') return;
  context.body = { ...body, fhirUser: `${baseUrl}/${body.fhirUser}` };
}

/** Registration answers show `scope` as it was asked for, and nothing of the operator's. */
export async function showScope(context: KoaContext, next: () => Promise<void>): Promise<void> {
  await next();
  const { body, oidc } = context;
  if ((oidc?.route !== 'registration' && oidc?.route !== 'client') || !isObject(body)) return;
  const shown = { ...body, ...(body[scopeProperty] === undefined ? {} : { scope: body[scopeProperty] }) };
  for (const name of [scopeProperty, ...operatorProperties]) delete (shown as Record<string, unknown>)[name];
  context.body = shown;
}

function isObject(body: unknown): body is Record<string, unknown> {
  return typeof body === 'object' && body !== null && !Buffer.isBuffer(body);
}
