/** What a token of this server says beside its scopes: who acts, for what, with which patient. Stored with the token, shown by introspection. */
import type { OidcToken } from 'oidc-provider';
import type { Account, Accounts } from '../accounts/accounts.js';
import type { LaunchContexts } from '../launch-contexts.js';
import type { AppMetadata } from './app-metadata.js';

interface Parts {
  readonly accounts: Pick<Accounts, 'byId'>;
  readonly launches: LaunchContexts;
}

/** @returns nothing when the account is gone: such a token names nobody and is refused. */
export async function claimsOfToken(parts: Parts, token: OidcToken): Promise<Record<string, unknown>> {
  if (token.kind === 'ClientCredentials')
    return claimsOfBackend(token.clientId, token.client as AppMetadata | undefined);
  const account = await parts.accounts.byId(token.accountId ?? '');
  if (account === undefined) return {};
  const { patient, encounter } = await parts.launches.ofGrant(token.grantId ?? '');
  return withoutAbsent({ ...claimsOfAccount(account), patient, encounter });
}

export function claimsOfAccount({ fhirUser, roles, memberships, purpose }: Account): Record<string, unknown> {
  return withoutAbsent({ fhirUser, roles, memberships, purpose_of_use: purpose });
}

/** A backend service acts as what the operator said, else as a device of its own. */
function claimsOfBackend(clientId: string, app: AppMetadata = {}): Record<string, unknown> {
  return withoutAbsent({
    fhirUser: app.mooring_actor ?? `Device/${clientId}`,
    memberships: app.mooring_memberships ?? [],
    roles: app.mooring_roles,
    purpose_of_use: app.mooring_purpose ?? 'TREAT',
  });
}

function withoutAbsent(claims: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(claims).filter(([, value]) => value !== undefined));
}
