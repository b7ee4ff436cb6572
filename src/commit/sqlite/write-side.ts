/**
 * The writing side of the SQLite catalog: entries go to the log, from there step by step into the tables; everything else goes to the writer's thread.
 *
 * What is not an entry (small state, amendments, sweeps) is made in the tables alone, durably, after the entries before it are there.
 */
import { atOnce, inSlices, Slices } from '../../base/pause.js';
import type { Amendment, Entry, Head } from '../catalog.js';
import { AppendConflict, CatalogUnavailable } from '../catalog.js';
import { Applier, mostPending } from './applier.js';
import { entryLogFolder, openEntryLog, readEntryLog, type EntryLog } from './entry-log.js';
import { packing } from './packed-entries.js';
import { Pending, type PendingRecord } from './pending.js';
import { WriterClient } from './writer-client.js';

/** State that is written when the tables were made durable: the newest entry in them. */
const durableKey = 'sqlite/durable';
/** A second process waits so long for the tables to have what the log has. */
const followMs = 30_000;
const followStepMs = 20;
/** Readings of a log that another process writes. */
const mostReadings = 10;

export interface WriteSideServices {
  /** The newest entry that is in the tables, as they say. */
  readonly tablesHead: () => Head;
  /** @throws RangeError for entries that the tables could not take: they must never be in the log. */
  readonly check: (entries: readonly Entry[]) => Generator<void, void>;
  /** Told of entries that are durable, before `head` covers them. */
  readonly onCommit: (entries: readonly Entry[]) => void;
}

/**
 * Opens the writing side, with the tables where the log is.
 * @param before runs when the tables exist, and gives what is needed of them.
 * @throws CatalogUnavailable when the files cannot be opened, or do not fit together.
 */
export async function openWriteSide(file: string, before: () => WriteSideServices): Promise<WriteSide> {
  const writer = await WriterClient.start(file);
  const log = await openEntryLog(entryLogFolder(file));
  const side = new WriteSide(file, writer, log, before());
  try {
    await (log === undefined ? side.follow() : side.recover());
    return side;
  } catch (error) {
    await side.abandon();
    throw error;
  }
}

export class WriteSide {
  /** What is durable and not in the tables yet. */
  readonly pending = new Pending();
  private readonly applier: Applier;
  private newest: Head;
  /** Ends when the append, or the cleaning of the log, that was asked for last has ended. */
  private turn: Promise<unknown> = Promise.resolve();

  /** @param log undefined when another process has it. */
  constructor(
    private readonly file: string,
    private writer: WriterClient,
    private readonly log: EntryLog | undefined,
    private readonly services: WriteSideServices,
  ) {
    this.newest = services.tablesHead();
    const write = async (records: readonly ArrayBuffer[], isDurable: boolean) => {
      await (await this.livingWriter()).ask({ kind: 'apply', records, isDurable });
    };
    this.applier = new Applier({ log, pending: this.pending, write }, this.newest);
  }

  /** Of the log. */
  get head(): Head {
    return this.newest;
  }

  /** Of the tables. */
  get tablesHead(): Head {
    return this.applier.head;
  }

  /** Brings the tables to where the log is. Called once, before anything else. */
  async recover(): Promise<void> {
    const records = await readEntryLog(entryLogFolder(this.file), this.newest.seq);
    for (const { entries, packed } of records) {
      this.publish(entries, atOnce(this.pending.adding(entries, packed, this.newest.leafCount)));
    }
    await this.flush();
  }

  /** Waits until the tables have what the log of another process has now. Called once, in place of `recover`. */
  async follow(): Promise<void> {
    const { tablesHead } = this.services;
    const wanted = await this.loggedSeq();
    for (const end = Date.now() + followMs; tablesHead().seq < wanted;) {
      if (Date.now() > end) throw new CatalogUnavailable('the process that has the catalog does not write its index');
      await waited(followStepMs);
    }
    this.newest = this.applier.head = tablesHead();
  }

  /** The newest entry in the log of another process. What is written meanwhile can look damaged, so it is read again. */
  private async loggedSeq(): Promise<number> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        const records = await readEntryLog(entryLogFolder(this.file), this.services.tablesHead().seq);
        return records.at(-1)?.entries.at(-1)?.seq ?? 0;
      } catch (error) {
        if (attempt === mostReadings) throw error;
        await waited(followStepMs);
      }
    }
  }

  /** @throws AppendConflict, CatalogUnavailable; RangeError (services.check). */
  append(entries: readonly Entry[]): Promise<void> {
    return this.inTurn(() => this.appendNow(entries));
  }

  private async appendNow(entries: readonly Entry[]): Promise<void> {
    const log = this.ownLog();
    entries.forEach(({ seq }, index) => {
      const expected = this.newest.seq + 1 + index;
      if (seq !== expected) throw new AppendConflict(`entry ${seq} is not the next one, which is ${expected}`);
    });
    const slices = new Slices();
    await inSlices(this.services.check(entries), slices);
    await this.applier.room();
    const packed = await inSlices(packing(entries), slices);
    try {
      // Commit point: with the record in the log the entries are durable; before it a crash leaves nothing of them.
      await log.append(packed, entries.at(-1)!.seq);
    } catch (error) {
      throw new CatalogUnavailable(`the log cannot be written: ${(error as Error).message}`);
    }
    const record = await inSlices(this.pending.adding(entries, packed, this.newest.leafCount), slices);
    // Searches would have to wait for what takes seconds to write: until it is written, they are answered as of the entry before it.
    if (record.versions > mostPending) await this.applier.until(record.lastSeq)?.catch(() => undefined);
    this.publish(entries, record);
    // What is erased is gone from the tables when this resolves. If they cannot be written, it is when they can, or at the next start.
    if (entries.some(({ erasure }) => erasure !== undefined)) await this.applier.until(this.newest.seq);
  }

  /** Runs `read` when the tables have everything up to entry `seq`; at once when they have. */
  applied<T>(seq: number, read: () => T | Promise<T>): T | Promise<T> {
    const waited = this.applier.until(seq);
    return waited === undefined ? read() : waited.then(read);
  }

  /** Durable on resolve. */
  async putState(key: string, value: Uint8Array): Promise<void> {
    this.ownLog();
    await (await this.livingWriter()).ask({ kind: 'put-state', key, value: ownBytes(value) });
  }

  /** Durable on resolve. */
  async amend(amendment: Amendment): Promise<void> {
    this.ownLog();
    await this.applier.until(this.newest.seq);
    await (await this.livingWriter()).ask({ kind: 'amend', amendment: ownBytes(amendment) });
  }

  /** Removes what erasures left in tables, journal and log. */
  async sweep(): Promise<void> {
    const log = this.ownLog();
    await this.applier.until(this.newest.seq);
    // Step by step, so that entries are applied in between.
    for (let after: string | undefined = ''; after !== undefined;) {
      after = await (await this.livingWriter()).ask({ kind: 'sweep', after });
    }
    // The log still has the entries that wrote what was erased.
    await this.inTurn(async () => {
      await this.flush();
      await log.wipe();
    });
  }

  async close(): Promise<void> {
    try {
      if (this.log !== undefined) await this.inTurn(() => this.flush());
    } finally {
      await this.abandon();
    }
  }

  /** Lets go of the files as they are. */
  async abandon(): Promise<void> {
    await this.applier.stop();
    await this.log?.close();
    await this.writer.close();
  }

  /** Makes `head` cover entries that are durable and pending. */
  private publish(entries: readonly Entry[], { lastSeq, leafUntil, time }: PendingRecord): void {
    this.services.onCommit(entries);
    this.newest = { seq: lastSeq, leafCount: leafUntil, time };
    this.applier.notice();
  }

  /** Makes the tables have everything, durably: the log is needed no more. */
  private async flush(): Promise<void> {
    await this.applier.until(this.newest.seq);
    const { seq } = this.applier.head;
    await this.putState(durableKey, Buffer.from(String(seq)));
    this.log?.release(seq);
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.turn.then(work);
    this.turn = done.catch(() => undefined);
    return done;
  }

  /** @throws CatalogUnavailable when another process has the log. */
  private ownLog(): EntryLog {
    if (this.log === undefined) throw new CatalogUnavailable('another process has the catalog');
    return this.log;
  }

  /** A thread that ended (it ran out of memory, say) is replaced; SQLite rolls back what it had not committed. */
  private async livingWriter(): Promise<WriterClient> {
    if (this.writer.hasEnded) this.writer = await WriterClient.start(this.file);
    return this.writer;
  }
}

function waited(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The same with bytes of its own: a view would drag the whole buffer under it across to the writer's thread. */
function ownBytes<T>(value: T): T {
  if (value instanceof Uint8Array) return Uint8Array.from(value) as T;
  if (Array.isArray(value)) return value.map(ownBytes) as T;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, ownBytes(part as unknown)])) as T;
}
