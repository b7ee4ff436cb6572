/** Tokens given, refused and given up, apps registered, people signed out: recorded when oidc-provider has decided, before its answer leaves. */
import type { KoaContext, OidcToken } from 'oidc-provider';
import type { Accounts } from '../accounts/accounts.js';
import type { LaunchContexts } from '../launch-contexts.js';
import { patientsOf, type SecurityEvent, type SecurityLog } from '../security-events.js';
import type { AppMetadata } from './app-metadata.js';
import { addressOf } from './forms.js';

export interface AuditParts {
  readonly accounts: Pick<Accounts, 'byId'>;
  readonly launches: LaunchContexts;
  readonly securityLog: SecurityLog;
}

/** Middleware of oidc-provider: the outermost, so that it sees what the client will see. */
export async function auditEndpoint(parts: AuditParts, context: KoaContext, next: () => Promise<void>): Promise<void> {
  await next();
  const kind = kindOf(context);
  if (kind === undefined) return;
  const isRefused = context.status >= 400;
  const { error, error_description: text } = (isRefused ? context.body : {}) as Record<string, unknown>;
  await parts.securityLog.record({
    kind,
    outcome: isRefused ? 'deny' : 'permit',
    client: context.oidc?.client?.clientId,
    address: addressOf(context.req),
    ...(await subjectOf(parts, context)),
    ...(isRefused ? { cause: [error, text].filter((one) => typeof one === 'string').join(': ') } : {}),
  });
}

/** @returns undefined for what is not recorded: pages, keys, questions about tokens. */
function kindOf({ oidc, status }: KoaContext): SecurityEvent['kind'] | undefined {
  const route = oidc?.route;
  if (route === 'token') return 'token';
  if (route === 'registration') return 'register';
  // Of a token that nobody knows nothing was given up.
  if (route === 'revocation')
    return status >= 400 || tokenIn(oidc?.entities ?? {}) !== undefined ? 'revoke' : undefined;
  if (route === 'end_session_confirm') return status < 400 && oidc?.params?.logout !== undefined ? 'logout' : undefined;
  return undefined;
}

/** Whom it is about, and what was asked for. */
async function subjectOf({ accounts, launches }: AuditParts, { oidc }: KoaContext) {
  const token = tokenIn(oidc?.entities ?? {});
  const accountId = oidc?.route === 'end_session_confirm' ? oidc.session?.accountId : token?.accountId;
  const person = accountId === undefined ? undefined : (await accounts.byId(accountId))?.fhirUser;
  const { patient } = token?.grantId === undefined ? {} : await launches.ofGrant(token.grantId);
  const actor = token?.kind === 'ClientCredentials' ? serviceOf(token) : person;
  const { grant_type: grantType } = oidc?.params ?? {};
  const scope = token?.scope ?? oidc?.params?.scope;
  const query = new URLSearchParams({
    ...(grantType === undefined ? {} : { grant_type: grantType }),
    ...(scope === undefined ? {} : { scope }),
  }).toString();
  return {
    actor,
    patients: patientsOf(actor, patient === undefined ? undefined : `Patient/${patient}`),
    ...(query === '' ? {} : { query }),
  };
}

function serviceOf({ clientId, client }: OidcToken): string {
  return (client as AppMetadata | undefined)?.mooring_actor ?? `Device/${clientId}`;
}

function tokenIn(entities: Readonly<Record<string, OidcToken | undefined>>): OidcToken | undefined {
  const { AccessToken, ClientCredentials, RefreshToken, AuthorizationCode } = entities;
  return AccessToken ?? ClientCredentials ?? RefreshToken ?? AuthorizationCode;
}
