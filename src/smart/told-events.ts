/**
 * What operators do by the command line, beside the server: kept in the store that both share until a server has it in its access log.
 *
 * An event is on disk before the command answers, and leaves the store when its record is durable. Of several servers one takes it; after a crash
 * in between it may be recorded twice, never not at all.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import type { SecurityEvent, SecurityLog } from './security-events.js';
import type { SealedStore } from './store/sealed-store.js';

const kind = 'ToldEvent';
/** Who took an event and has not recorded it by then has crashed. */
const takenMs = 60_000;
const pollMs = 1_000;

interface Told {
  readonly id: string;
  readonly event: SecurityEvent;
}

/** Tells the servers on this store. @param event its `query` says what was done: `account lock&name=ada`. */
export async function tellServers(
  store: Pick<SealedStore, 'putNew'>,
  clock: Clock,
  event: Pick<SecurityEvent, 'kind' | 'query' | 'entities' | 'patients'>,
): Promise<void> {
  const at = new Date(clock.now()).toISOString();
  const told: SecurityEvent = {
    ...event,
    outcome: 'permit',
    client: 'mooring',
    query: `${event.query ?? ''}&at=${at}`,
  };
  const id = `${at} ${randomUUID()}`;
  await store.putNew(kind, id, { id, event: told } satisfies Told, {}, clock.now());
}

/** Brings what was told into the access log: at once, and every second. */
export class ToldEvents {
  #timer: NodeJS.Timeout | undefined;
  #running: Promise<void> = Promise.resolve();

  /** @param actor reference of who runs the server: whoever has its files speaks for that. */
  constructor(
    private readonly store: Pick<SealedStore, 'list' | 'get' | 'consume' | 'put' | 'remove'>,
    private readonly log: SecurityLog,
    private readonly clock: Clock,
    private readonly actor: string,
  ) {}

  start(): void {
    const look = () => {
      this.#running = this.record()
        // The store or the log is away: what was told stays there.
        .catch(() => undefined)
        .finally(() => {
          if (this.#timer !== undefined) this.#timer = setTimeout(look, pollMs).unref();
        });
    };
    this.#timer = setTimeout(look, 0).unref();
  }

  async record(): Promise<void> {
    const all = await this.store.list<Told>(kind);
    for (const told of all.sort((a, b) => (a.id < b.id ? -1 : 1))) {
      if (!(await this.#take(told))) continue;
      await this.log.record({ actor: this.actor, ...told.event });
      await this.store.remove(kind, told.id);
    }
  }

  async #take(told: Told): Promise<boolean> {
    const now = this.clock.now();
    if (await this.store.consume(kind, told.id, now)) return true;
    const taken = await this.store.get<Told>(kind, told.id);
    if (taken?.consumedAt === undefined || now < taken.consumedAt + takenMs) return false;
    await this.store.put(kind, told.id, told);
    return this.store.consume(kind, told.id, now);
  }

  async close(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    await this.#running;
  }
}
