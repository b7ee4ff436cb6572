/**
 * Brings what is in the log into SQLite's tables, in steps: a page that many versions touch is written once a step instead of once a commit.
 *
 * A step begins when enough is pending, when the oldest of it has waited long enough, or at once when a reader waits for it. Steps are not synced; one that
 * gives a file of the log free again, and one that `flush` makes, is durable. A step that fails is tried again; until it succeeds the log takes no more.
 */
import { pause } from '../../base/pause.js';
import { CatalogUnavailable, type Head } from '../catalog.js';
import type { EntryLog } from './entry-log.js';
import type { Pending, PendingRecord } from './pending.js';

/** A step begins when so many versions are pending. */
const stepVersions = 2_000;
/** A step takes about so many at most. */
const largestStep = 4_000;
/** More than these are not pending: writers wait. */
export const mostPending = 8_000;
/** What is pending waits so long at most. */
const stepDelayMs = 500;

export interface ApplierServices {
  /** Absent where another process has it; then nothing is ever pending. */
  readonly log: Pick<EntryLog, 'wantedSeq' | 'release'> | undefined;
  readonly pending: Pending;
  /** Writes entries into the tables, in one transaction; those that are there are passed over. */
  write(packed: readonly ArrayBuffer[], isDurable: boolean): Promise<void>;
}

export class Applier {
  private running: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private failure: Error | undefined;
  private isStopped = false;
  /** Someone waits for the tables to have everything up to this entry. */
  private wantedSeq = 0;
  private waiting: { readonly seq: number; resolve(): void; reject(error: Error): void }[] = [];

  /** @param head what the tables have. */
  constructor(
    private readonly services: ApplierServices,
    public head: Head,
  ) {}

  /** Something was added to what is pending. */
  notice(): void {
    if (this.isStopped) return;
    if (this.failure === undefined && this.services.pending.versions >= stepVersions) this.run();
    else this.timer ??= setTimeout(() => this.run(), stepDelayMs);
  }

  /**
   * Resolves when the tables have everything up to entry `seq`; undefined when they have it now.
   * @throws CatalogUnavailable when a step failed; it is tried again when somebody asks again.
   */
  until(seq: number): Promise<void> | undefined {
    return seq <= this.head.seq || this.services.pending.isEmpty ? undefined : this.wait(seq);
  }

  /** Room for one more append? @throws CatalogUnavailable while the tables cannot be written. */
  async room(): Promise<void> {
    if (this.failure !== undefined) await this.wait(this.head.seq + 1);
    while (this.services.pending.versions > mostPending) await this.wait(this.head.seq + 1);
  }

  /** No step begins by itself any more. Resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    this.timer = undefined;
    await this.running;
  }

  private wait(seq: number): Promise<void> {
    this.wantedSeq = Math.max(this.wantedSeq, seq);
    return new Promise((resolve, reject) => {
      this.waiting.push({ seq, resolve, reject });
      this.run();
    });
  }

  private run(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    this.running ??= this.steps().finally(() => {
      this.running = undefined;
      // Who came while the last step was ending does not wait for the next one to begin by itself.
      if (this.waiting.length > 0) this.run();
      else if (!this.services.pending.isEmpty) this.notice();
    });
  }

  private async steps(): Promise<void> {
    const { pending } = this.services;
    try {
      do {
        // What is handed to the writer's thread is copied: not in the same turn as the append that woke this.
        await pause();
        await this.step(pending.oldest(largestStep));
      } while (!pending.isEmpty && (pending.versions >= stepVersions || this.wantedSeq > this.head.seq));
    } catch (error) {
      this.failure = new CatalogUnavailable(`the index cannot be written: ${(error as Error).message}`);
    }
    this.settle();
  }

  private async step(records: readonly PendingRecord[]): Promise<void> {
    const last = records.at(-1);
    if (last === undefined) return;
    const { log, pending, write } = this.services;
    const wantedSeq = log?.wantedSeq ?? 0;
    const isDurable = wantedSeq > 0 && wantedSeq <= last.lastSeq;
    await write(
      records.map(({ packed }) => packed),
      isDurable,
    );
    this.head = { seq: last.lastSeq, leafCount: last.leafUntil, time: last.time };
    this.failure = undefined;
    pending.drop(last.lastSeq);
    if (isDurable) log?.release(last.lastSeq);
    this.settle();
  }

  /** Answers those whose entries are there, or all of them with the failure. */
  private settle(): void {
    const { failure, waiting } = this;
    const { isEmpty } = this.services.pending;
    this.waiting = [];
    for (const one of waiting) {
      if (one.seq <= this.head.seq || isEmpty) one.resolve();
      else if (failure !== undefined) one.reject(failure);
      else this.waiting.push(one);
    }
  }
}
