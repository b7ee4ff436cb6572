/**
 * Guessing passwords gets slow: attempts are counted for each account and for each address, in the store, so that a restart forgets nothing.
 *
 * After `freeAttempts` the account is closed to the next attempt for a time that doubles with each further one, up to a quarter of an hour.
 * An address that tries many accounts is slowed in the same way. A success clears the account, never the address's count beyond it.
 */
import type { Clock } from '../../base/clock.js';
import type { SealedStore } from '../store/sealed-store.js';

const kind = 'Attempts';
/** Attempts on one account before it closes. */
export const freeAttempts = 5;
/** Attempts from one address, on whatever account. */
const freeAttemptsOfAddress = 30;
const firstWaitMs = 30_000;
const longestWaitMs = 900_000;
/** Attempts are forgotten after this time without another one. */
const forgottenMs = 3_600_000;

interface Attempts {
  readonly count: number;
  /** Milliseconds since 1970. */
  readonly last: number;
}

export class Throttle {
  constructor(
    private readonly store: SealedStore,
    private readonly clock: Clock,
  ) {}

  /** Seconds until the next attempt may be made; 0: now. */
  async waitSeconds(account: string, address: string): Promise<number> {
    const waits = [
      waitMs(await this.attempts(`account ${account}`), freeAttempts),
      waitMs(await this.attempts(`address ${address}`), freeAttemptsOfAddress),
    ];
    const now = this.clock.now();
    return Math.max(0, ...waits.map((until) => Math.ceil((until - now) / 1000)));
  }

  async count(account: string, address: string): Promise<void> {
    for (const name of [`account ${account}`, `address ${address}`]) {
      const { count } = await this.attempts(name);
      await this.write(name, count + 1);
    }
  }

  /** A success: the account starts anew, and the address is not blamed for this attempt. */
  async forget(account: string, address?: string): Promise<void> {
    await this.store.remove(kind, `account ${account}`);
    if (address === undefined) return;
    const { count } = await this.attempts(`address ${address}`);
    await this.write(`address ${address}`, Math.max(0, count - 1));
  }

  private async attempts(name: string): Promise<Attempts> {
    const found = await this.store.get<Attempts>(kind, name);
    const isOld = found === undefined || (found.expiresAt ?? 0) <= this.clock.now();
    return isOld ? { count: 0, last: 0 } : found.value;
  }

  private write(name: string, count: number): Promise<void> {
    const now = this.clock.now();
    return this.store.put(kind, name, { count, last: now }, { expiresAt: now + forgottenMs });
  }
}

/** When the next attempt may be made, milliseconds since 1970. */
function waitMs({ count, last }: Attempts, free: number): number {
  if (count < free) return 0;
  return last + Math.min(longestWaitMs, firstWaitMs * 2 ** Math.min(20, count - free));
}
