/** What an app asks its user for, once she has signed in: who she is, what may be granted, what an EHR prepared. */
import type { OidcClient, OidcInteraction, Provider } from 'oidc-provider';
import type { Principal } from '../../consent/gate.js';
import type { Account, Accounts } from '../accounts/accounts.js';
import type { LaunchContexts, PreparedLaunch } from '../launch-contexts.js';
import { principalOf } from '../principal-claims.js';
import { parseScope } from '../scopes.js';
import { grantable, type AppMetadata, type IsKnownScope } from './app-metadata.js';
import type { AppOnPage } from './authorize-pages.js';
import { claimsOfAccount } from './token-claims.js';

export interface AuthorizationRequest {
  readonly details: OidcInteraction;
  readonly client: OidcClient;
  readonly account: Account;
  readonly principal: Principal;
  /** What the app asked for and may be granted. */
  readonly scopes: readonly string[];
  readonly prepared?: PreparedLaunch;
}

export interface RequestParts {
  readonly provider: Provider;
  readonly accounts: Accounts;
  readonly launches: LaunchContexts;
  readonly isKnownScope: IsKnownScope;
  /** Adds the roles of the matrix. */
  withRoles(principal: Principal): Principal;
}

/** The request behind the interaction, or why it cannot go on. */
export async function requestOf(
  { provider, accounts, launches, isKnownScope, withRoles }: RequestParts,
  details: OidcInteraction,
): Promise<AuthorizationRequest | 'closed' | 'launchUsed' | 'otherUser'> {
  const account = await accounts.byId(details.session?.accountId ?? '');
  if (account === undefined) return 'closed';
  const client = await clientOf(provider, details);
  const scopes = grantable(requestedScopes(details), client as AppMetadata, false, isKnownScope);
  const principal = withRoles(
    principalOf({ ...claimsOfAccount(account), scope: 'user/*.rs', client_id: client.clientId }),
  );
  const { launch } = details.params;
  if (launch === undefined) return { details, client, account, principal, scopes };
  const prepared = await launches.find(launch);
  if (prepared === undefined) return 'launchUsed';
  if (prepared.user !== undefined && prepared.user !== account.fhirUser) return 'otherUser';
  return { details, client, account, principal, scopes, prepared };
}

export async function clientOf(provider: Provider, { params }: OidcInteraction): Promise<OidcClient> {
  const client = await provider.Client.find(params.client_id ?? '');
  if (client === undefined) throw new Error('the app of an interaction is gone');
  return client;
}

export function requestedScopes({ params }: OidcInteraction): string[] {
  return (params.scope ?? '').split(' ').filter(Boolean);
}

export function needsPatient({ scopes, prepared }: AuthorizationRequest): boolean {
  if (prepared?.patient !== undefined) return true;
  return scopes.includes('launch/patient') || scopes.some((scope) => parseScope(scope)?.level === 'patient');
}

export function appOf(client: OidcClient, { params }: OidcInteraction): AppOnPage {
  const { clientId, clientName, policyUri } = client;
  const redirect = params.redirect_uri ?? '';
  const { host, protocol } = URL.canParse(redirect) ? new URL(redirect) : { host: '', protocol: '' };
  return {
    name: clientName ?? clientId,
    ...(host === '' ? {} : { host }),
    scheme: protocol.replace(':', ''),
    isTrusted: client.mooring_trusted === true,
    ...(policyUri === undefined ? {} : { policyUri }),
  };
}

/** Where the last redirect goes: browsers check it against the page's form-action. */
export function formTargets({ params }: OidcInteraction): string[] {
  const redirect = params.redirect_uri ?? '';
  if (!URL.canParse(redirect)) return [];
  const { origin, protocol } = new URL(redirect);
  return [origin === 'null' ? protocol : origin];
}
