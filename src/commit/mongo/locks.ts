/**
 * Locks by duplicate keys: each holder is a document `name/term` with the next term; a term is taken once. Nothing else need be atomic.
 *
 * A holder writes into its own document alone: how long it holds. A holder whose time is over is followed by the next term.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { insertNew } from '../../base/mongo.js';
import { CatalogUnavailable } from '../catalog.js';
import type { Locks } from '../locks.js';
import { guarded, type MongoStore } from './store.js';

export interface LockDocument {
  /** `name/term`, the term with 12 digits. */
  readonly _id: string;
  readonly name: string;
  readonly holder: string;
  /** Milliseconds since 1970; 0: given up. */
  readonly until: number;
}

/** How long a holder that says nothing is believed to live. */
const leaseMs = 10_000;
/** Clocks of servers may differ by so much. */
const skewMs = 2_000;
/** Asking again sooner changes nothing. */
const renewMs = 2_000;
const longestWaitMs = 60_000;

interface Held {
  readonly _id: string;
  renewedAt: number;
}

export class MongoLocks implements Locks {
  private readonly holder = randomUUID();
  private readonly led = new Map<string, Held>();
  private readonly refusedAt = new Map<string, number>();
  private readonly turns = new Map<string, Promise<unknown>>();

  constructor(
    private readonly store: MongoStore,
    private readonly now: () => number = Date.now,
  ) {}

  exclusively<T>(name: string, task: () => Promise<T>): Promise<T> {
    const before = this.turns.get(name) ?? Promise.resolve();
    const turn = before.catch(() => undefined).then(() => this.holding(name, task));
    this.turns.set(
      name,
      turn.catch(() => undefined),
    );
    return turn;
  }

  async leads(name: string): Promise<boolean> {
    const held = this.led.get(name);
    const at = performance.now();
    if (held !== undefined) {
      if (at - held.renewedAt < renewMs) return true;
      if (at - held.renewedAt < leaseMs && (await this.renew(held))) return true;
      this.led.delete(name);
    }
    // Somebody else had it a moment ago.
    if (at - (this.refusedAt.get(name) ?? -Infinity) < renewMs / 4) return false;
    const taken = await this.take(name);
    if (taken === undefined) {
      this.refusedAt.set(name, at);
      return false;
    }
    this.led.set(name, { _id: taken, renewedAt: at });
    return true;
  }

  async release(name?: string): Promise<void> {
    for (const [one, { _id }] of [...this.led]) {
      if (name !== undefined && one !== name) continue;
      this.led.delete(one);
      await this.giveUp(_id);
    }
  }

  private async holding<T>(name: string, task: () => Promise<T>): Promise<T> {
    const startedAt = performance.now();
    let taken: string | undefined;
    for (let waitMs = 2; (taken = await this.take(name)) === undefined; waitMs = Math.min(waitMs * 2, 50)) {
      if (performance.now() - startedAt > longestWaitMs) {
        throw new CatalogUnavailable(`another server has held "${name}" for too long`);
      }
      await pause(waitMs * (0.5 + Math.random()));
    }
    const _id = taken;
    const renewal = setInterval(() => void this.renew({ _id, renewedAt: 0 }).catch(() => undefined), leaseMs / 4);
    try {
      return await task();
    } finally {
      clearInterval(renewal);
      await this.giveUp(_id).catch(() => undefined);
    }
  }

  /** @returns the document that was taken; undefined when somebody else holds the lock. */
  private take(name: string): Promise<string | undefined> {
    return guarded(async () => {
      const { lock } = this.store;
      const terms = await lock.find({ name }).toArray();
      const newest = terms.reduce<LockDocument | undefined>(
        (a, b) => (a === undefined || b._id > a._id ? b : a),
        undefined,
      );
      if (newest !== undefined && newest.until + skewMs > this.now() && newest.until !== 0) return undefined;
      const term = newest === undefined ? 1 : Number(newest._id.slice(-12)) + 1;
      const _id = `${name}/${String(term).padStart(12, '0')}`;
      const isTaken = await insertNew(lock, { _id, name, holder: this.holder, until: this.now() + leaseMs });
      if (!isTaken) return undefined;
      // The newest but one stays, so that a look that began before finds no empty place.
      const old = terms.filter((one) => one._id !== newest?._id).map((one) => one._id);
      if (old.length > 0) await lock.deleteMany({ _id: { $in: old } });
      return _id;
    });
  }

  private renew(held: Held): Promise<boolean> {
    return guarded(async () => {
      const at = performance.now();
      const { lock } = this.store;
      const next = Number(held._id.slice(-12)) + 1;
      const follower = await lock.findOne({ _id: `${held._id.slice(0, -12)}${String(next).padStart(12, '0')}` });
      if (follower !== null) return false;
      const { matchedCount } = await lock.updateOne({ _id: held._id }, { $set: { until: this.now() + leaseMs } });
      held.renewedAt = at;
      return matchedCount === 1;
    });
  }

  private async giveUp(_id: string): Promise<void> {
    await guarded(() => this.store.lock.updateOne({ _id }, { $set: { until: 0 } }));
  }
}
