/** Accounts of people who sign in at the built-in authorization server. Operators make them: `mooring account add`. */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../base/clock.js';
import type { Role } from '../roles.js';
import type { SealedStore } from '../store/sealed-store.js';
import { hashPassword, isPassword, usualCost, type PasswordHash } from './passwords.js';
import { removePasskeys } from './passkeys.js';
import { Throttle } from './throttle.js';

export interface Account {
  /** `sub` of tokens; never given to another account. */
  readonly id: string;
  /** What is typed to sign in; compared without case. */
  readonly name: string;
  /** How pages address the person. */
  readonly displayName: string;
  /** Reference of who it is: `Patient/1`, `Practitioner/1`, `RelatedPerson/1`. */
  readonly fhirUser: string;
  /** Absent: what the type of fhirUser implies. */
  readonly roles?: readonly Role[];
  /** Organisations, roles and teams that the person belongs to (references). */
  readonly memberships: readonly string[];
  /** Ids of the patients whom the person may choose for an app, beside herself; `any`: whomever consent lets her see. */
  readonly patients: readonly string[] | 'any';
  /** v3-ActReason code of what is done with this account. */
  readonly purpose: string;
  readonly isLocked: boolean;
}

type StoredAccount = Account & { readonly password: PasswordHash };

const kind = 'Account';

export type SignIn =
  | { readonly kind: 'ok'; readonly account: Account }
  /** Which it was is for the audit trail, not for whoever tries. */
  | {
      readonly kind: 'refused';
      readonly cause: 'unknown-name' | 'wrong-password' | 'locked';
      /** Whose account it is, where there is one. */
      readonly fhirUser?: string;
    }
  /** Too many attempts. */
  | { readonly kind: 'throttled'; readonly retryAfterSeconds: number; readonly fhirUser?: string };

export class Accounts {
  private readonly throttle: Throttle;

  constructor(
    private readonly store: SealedStore,
    clock: Clock,
    /** Of new passwords; each hash remembers its own. */
    private readonly passwordCost = usualCost,
  ) {
    this.throttle = new Throttle(store, clock);
  }

  /** @returns false when the name is taken. */
  async add(account: Omit<Account, 'id' | 'isLocked'>, password: string): Promise<boolean> {
    if ((await this.byName(account.name)) !== undefined) return false;
    const stored = {
      ...account,
      id: randomUUID(),
      isLocked: false,
      password: await hashPassword(password, this.passwordCost),
    };
    await this.save(stored);
    return true;
  }

  /** @returns false when there is no such account. A new password or a lock ends everything that the account has granted. */
  async change(name: string, change: { readonly isLocked?: boolean; readonly password?: string }): Promise<boolean> {
    const known = await this.byName(name);
    if (known === undefined) return false;
    const { isLocked = known.isLocked, password } = change;
    await this.save({
      ...known,
      isLocked,
      ...(password ? { password: await hashPassword(password, this.passwordCost) } : {}),
    });
    if (isLocked || password !== undefined) await this.endGrants(known.id);
    // Whoever knew the old password may have added one.
    if (password !== undefined) await removePasskeys(this.store, known.id);
    if (!isLocked) await this.throttle.forget(nameKey(name));
    return true;
  }

  async remove(name: string): Promise<boolean> {
    const known = await this.byName(name);
    if (known === undefined) return false;
    await this.store.remove(kind, nameKey(name));
    await removePasskeys(this.store, known.id);
    await this.endGrants(known.id);
    return true;
  }

  /** The patient was erased: her account goes, and nobody else's names her any more. */
  async forgetPatient(patientId: string): Promise<void> {
    for (const account of await this.store.list<StoredAccount>(kind)) {
      const { name, fhirUser, patients } = account;
      if (fhirUser === `Patient/${patientId}`) await this.remove(name);
      else if (patients !== 'any' && patients.includes(patientId))
        await this.save({ ...account, patients: patients.filter((id) => id !== patientId) });
    }
  }

  async list(): Promise<Account[]> {
    return (await this.store.list<StoredAccount>(kind)).map(withoutPassword);
  }

  /** @returns undefined for an account that is gone or locked. */
  async byId(id: string): Promise<Account | undefined> {
    const found = await this.store.getByAlias<StoredAccount>(kind, id);
    return found === undefined || found.value.isLocked ? undefined : withoutPassword(found.value);
  }

  /** @param address from where somebody tries to sign in. */
  async signIn(name: string, password: string, address: string): Promise<SignIn> {
    const retryAfterSeconds = await this.throttle.waitSeconds(nameKey(name), address);
    const known = await this.byName(name);
    const whose = known === undefined ? {} : { fhirUser: known.fhirUser };
    if (retryAfterSeconds > 0) return { kind: 'throttled', retryAfterSeconds, ...whose };
    // Counted before it is known whether it fails: attempts at the same time count too.
    await this.throttle.count(nameKey(name), address);
    const isRight = await isPassword(password, known?.password);
    if (known === undefined) return { kind: 'refused', cause: 'unknown-name' };
    if (!isRight || known.isLocked) return { kind: 'refused', cause: isRight ? 'locked' : 'wrong-password', ...whose };
    await this.throttle.forget(nameKey(name), address);
    return { kind: 'ok', account: withoutPassword(known) };
  }

  private async byName(name: string): Promise<StoredAccount | undefined> {
    return (await this.store.get<StoredAccount>(kind, nameKey(name)))?.value;
  }

  private save(account: StoredAccount): Promise<void> {
    return this.store.put(kind, nameKey(account.name), account, { alias: account.id });
  }

  private async endGrants(accountId: string): Promise<void> {
    const grants = await this.store.list<{ readonly jti: string; readonly accountId?: string }>('Grant');
    for (const { jti, accountId: holder } of grants) {
      if (holder !== accountId) continue;
      await this.store.removeGroup(jti);
      await this.store.remove('Grant', jti);
    }
    const sessions = await this.store.list<{ readonly jti: string; readonly accountId?: string }>('Session');
    for (const { jti, accountId: holder } of sessions)
      if (holder === accountId) await this.store.remove('Session', jti);
  }
}

function nameKey(name: string): string {
  return name.normalize('NFKC').trim().toLowerCase();
}

function withoutPassword(stored: StoredAccount): Account {
  const { id, name, displayName, fhirUser, roles, memberships, patients, purpose, isLocked } = stored;
  const named = roles === undefined ? {} : { roles };
  return { id, name, displayName, fhirUser, ...named, memberships, patients, purpose, isLocked };
}
