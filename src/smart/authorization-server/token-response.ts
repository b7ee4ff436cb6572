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
