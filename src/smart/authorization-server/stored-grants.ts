/** What people have allowed apps, as oidc-provider stores it. */
import type { Clock } from '../../base/clock.js';
import type { SealedStore } from '../store/sealed-store.js';

/** Times in seconds since 1970. */
export interface StoredGrant {
  readonly jti: string;
  readonly accountId: string;
  readonly clientId: string;
  readonly iat: number;
  readonly exp: number;
  readonly resources?: Readonly<Record<string, string>>;
  readonly rejected?: { readonly resources?: Readonly<Record<string, string>> };
}

/** Grants of an account that still hold. */
export async function grantsOf(store: SealedStore, clock: Clock, account: string): Promise<StoredGrant[]> {
  const now = clock.now() / 1000;
  const grants = await store.list<StoredGrant>('Grant');
  return grants.filter(({ accountId, exp }) => accountId === account && exp > now);
}

/** Ends a grant, with every token of it. */
export async function endGrant(store: SealedStore, grantId: string): Promise<void> {
  await store.removeGroup(grantId);
  await store.remove('Grant', grantId);
}

/** What was allowed in it. */
export function scopesOf({ resources = {}, rejected }: StoredGrant): string[] {
  return Object.entries(resources).flatMap(([resource, scope]) => {
    const refused = new Set(rejected?.resources?.[resource]?.split(' '));
    return scope.split(' ').filter((one) => !refused.has(one));
  });
}
