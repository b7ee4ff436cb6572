/** oidc-provider's storage on the SealedStore. Contract: its lib/adapters; times there are seconds. */
import type { Clock } from '../../base/clock.js';
import type { SealedStore } from '../store/sealed-store.js';
import { asked } from './unavailable.js';

type Payload = Record<string, unknown> & {
  readonly uid?: string;
  readonly grantId?: string;
  readonly consumed?: number;
};

/** Kinds that end with their grant. */
const grantable = new Set(['AccessToken', 'AuthorizationCode', 'RefreshToken']);
/** Kinds that oidc-provider destroys only when they are given up, with their grant (RFC 7009). */
const endsGrant = new Set(['AccessToken', 'RefreshToken']);

/** A code, proof or token that may be used once was used by somebody else at the same time. */
export class UsedTwice extends Error {
  override readonly name = 'UsedTwice';
}

/** One model of oidc-provider (`Session`, `AccessToken`, `Client`, ...). Throws TemporarilyUnavailable when the store cannot be reached. */
export class OidcAdapter {
  constructor(
    private readonly kind: string,
    private readonly store: SealedStore,
    private readonly clock: Clock,
  ) {}

  async upsert(id: string, payload: Payload, expiresInSeconds?: number): Promise<void> {
    const now = this.clock.now();
    const placement = {
      ...(typeof expiresInSeconds === 'number' ? { expiresAt: now + expiresInSeconds * 1000 } : {}),
      ...(grantable.has(this.kind) && payload.grantId !== undefined ? { group: payload.grantId } : {}),
      ...(this.kind === 'Session' && payload.uid !== undefined ? { alias: payload.uid } : {}),
    };
    if (this.kind !== 'ReplayDetection') return asked(() => this.store.put(this.kind, id, payload, placement));
    const isNew = await asked(() => this.store.putNew(this.kind, id, payload, placement, now));
    if (!isNew) throw new UsedTwice('it was used before');
  }

  async find(id: string): Promise<Payload | undefined> {
    return withConsumed(await asked(() => this.store.get<Payload>(this.kind, id)));
  }

  async findByUid(uid: string): Promise<Payload | undefined> {
    return withConsumed(await asked(() => this.store.getByAlias<Payload>(this.kind, uid)));
  }

  /** Only of the device flow, which is not offered. */
  findByUserCode(): Promise<undefined> {
    return Promise.resolve(undefined);
  }

  /** Of two requests with the same code one gets here first; the other one fails. */
  async consume(id: string): Promise<void> {
    if (!(await asked(() => this.store.consume(this.kind, id, this.clock.now()))))
      throw new UsedTwice('it was used before');
  }

  /** A token that is given up ends its grant first, all of it in one step: given up again after a failure, it would not be found any more. */
  async destroy(id: string): Promise<void> {
    const grantId = endsGrant.has(this.kind) ? (await this.find(id))?.grantId : undefined;
    if (grantId !== undefined) await this.revokeByGrantId(grantId);
    await asked(() => this.store.remove(this.kind, id));
  }

  revokeByGrantId(grantId: string): Promise<void> {
    return asked(() => this.store.removeGroup(grantId));
  }
}

function withConsumed(
  found: { readonly value: Payload; readonly consumedAt?: number } | undefined,
): Payload | undefined {
  if (found === undefined) return undefined;
  const { value, consumedAt } = found;
  return consumedAt === undefined ? value : { ...value, consumed: Math.floor(consumedAt / 1000) };
}
