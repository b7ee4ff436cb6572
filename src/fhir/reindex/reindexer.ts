/**
 * Indexes every stored version anew by the search parameters that came late: by itself, or when an operator asks for it.
 *
 * What is committed after the job's beginning carries the new entries already (a write that was prepared under other parameters is prepared
 * anew, see write/write.ts). So the versions before it are walked once, in log order, a batch at a time; how far it came is durable with each
 * batch, and a job that a stop or crash interrupted goes on at the next start. Searches may be asked all the time: a parameter counts as indexed
 * when the last version is done. What came late meanwhile is the next round's. Of several servers one works; when it dies, another goes on.
 */
import type { Clock } from '../../base/clock.js';
import type { Catalog } from '../../commit/catalog.js';
import type { Committer } from '../../commit/committer.js';
import type { SearchParameter } from '../definitions/types.js';
import { VersionIndexer, type IndexVersionsServices } from './index-versions.js';
import type { LateParameters } from './late-parameters.js';

export interface ReindexServices extends IndexVersionsServices {
  readonly catalog: Catalog;
  readonly committer: Pick<Committer, 'alone'>;
  readonly late: LateParameters;
  /** Which late parameters are indexed without being asked for. */
  readonly startsFor: (definition: SearchParameter) => boolean;
  readonly clock: Clock;
  /** Told of what ended a job. */
  readonly onFailure: (error: unknown) => void;
}

/** How a job stands; durable. */
export interface ReindexProgress {
  readonly status: 'active' | 'completed' | 'failed';
  /** Versions that were looked at, and versions in all. */
  readonly done: number;
  readonly total: number;
  /** Versions whose entries changed. */
  readonly changed: number;
  /** Milliseconds since 1970. */
  readonly started: number;
  readonly ended?: number;
}

const stateKey = 'search/reindex';
/** Who of several servers works. */
const lead = 'reindex';
/** What is uploaded together is indexed together. */
const settleMs = 500;
const retryMs = 30_000;
/** How often a server looks what the others did, while it has late parameters. */
const watchMs = 2_000;

export class Reindexer {
  private progress: ReindexProgress | undefined;
  private running: Promise<void> | undefined;
  /** Of the job that runs: how it stands is known. */
  private begun: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  private watch: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(private readonly services: ReindexServices) {}

  /** The job that runs, here or on another server, or the last one. @throws CatalogUnavailable */
  async state(): Promise<ReindexProgress | undefined> {
    return this.running === undefined ? this.stored() : this.progress;
  }

  /** Goes on with a job that was interrupted, and starts one for what came late while the server was down. */
  async resume(): Promise<void> {
    if ((await this.stored())?.status === 'active') await this.start();
    else this.notice();
    if (this.services.catalog.locks === undefined) return;
    this.watch = setInterval(() => void this.look().catch(() => undefined), watchMs).unref();
  }

  /** Other definitions are in force: a job starts soon, if one has to. */
  notice(delayMs = settleMs): void {
    if (this.isClosed || this.running !== undefined || this.timer !== undefined || !this.isAsked()) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      void this.start().catch(this.services.onFailure);
    }, delayMs).unref();
  }

  /** Starts a job for everything that is not indexed; one that runs goes on. @returns how it stands. @throws CatalogUnavailable */
  async start(): Promise<ReindexProgress> {
    if (this.running === undefined && (await this.leads())) this.run();
    await this.begun;
    return (await this.state()) ?? this.fresh();
  }

  /** Stops after the present batch; the job goes on at the next start. */
  async close(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.timer);
    clearInterval(this.watch);
    await this.running;
  }

  private isAsked(): boolean {
    return this.services.late.missing.some(this.services.startsFor);
  }

  private run(): void {
    if (this.running !== undefined || this.isClosed) return;
    let onBegun: () => void = () => undefined;
    this.begun = new Promise((resolve) => {
      onBegun = resolve;
    });
    this.running = this.work(onBegun)
      .then(
        () => settleMs,
        (error: unknown) => this.fail(error),
      )
      .then(async (delayMs) => {
        onBegun();
        await this.services.catalog.locks?.release(lead).catch(() => undefined);
        this.running = undefined;
        // What came late after the last round.
        this.notice(delayMs);
      });
  }

  /** What another server indexed, or left. */
  private async look(): Promise<void> {
    const { late } = this.services;
    if (this.running !== undefined || late.missing.length === 0) return;
    await late.reload();
    if ((await this.stored())?.status === 'active' || this.isAsked()) await this.start();
  }

  private leads(): Promise<boolean> {
    return this.services.catalog.locks?.leads(lead) ?? Promise.resolve(true);
  }

  /** Rounds, until nothing is missing. */
  private async work(onBegun: () => void): Promise<void> {
    const { catalog, committer, late, clock } = this.services;
    if (catalog.locks !== undefined) await late.reload();
    for (;;) {
      const progress = await this.begin();
      onBegun();
      if (!(await this.walk(progress))) return;
      // What others did to the parameters until now counts.
      await committer.alone(async () => {
        await catalog.refresh?.();
        await late.end();
      });
      if (late.missing.length === 0) break;
    }
    await this.keep({ ...this.progress!, status: 'completed', ended: clock.now() });
  }

  /** Where to go on, or from the beginning. A crash between its steps leaves a job that begins anew. */
  private async begin(): Promise<ReindexProgress> {
    const { late } = this.services;
    const before = await this.stored();
    if (before !== undefined && before.status !== 'completed' && late.underWay.length > 0) {
      return this.keep({ ...before, status: 'active', ended: undefined });
    }
    const fresh = await this.keep(this.fresh());
    await late.begin(late.missing);
    return fresh;
  }

  /** @returns false when it was stopped. */
  private async walk(begun: ReindexProgress): Promise<boolean> {
    const { catalog, committer, late } = this.services;
    const wanted = late.underWay;
    if (wanted.length === 0) return true;
    // Everything that was prepared before is committed (or prepared anew) when this returns.
    const total = await committer.alone(() => Promise.resolve(catalog.head().leafCount));
    const indexer = new VersionIndexer(this.services, wanted);
    let progress: ReindexProgress = { ...begun, total };
    this.progress = progress;
    while (progress.done < total) {
      if (this.isClosed || !(await this.leads())) return false;
      await indexer.batch(progress.done, total, (done, changed) => {
        progress = { ...progress, done, changed: progress.changed + changed };
        return { key: stateKey, value: packed(progress) };
      });
      this.progress = progress;
    }
    return true;
  }

  /** @returns when to try again. */
  private async fail(error: unknown): Promise<number> {
    const { clock, onFailure } = this.services;
    onFailure(error);
    const failed = { ...(this.progress ?? this.fresh()), status: 'failed', ended: clock.now() } as const;
    await this.keep(failed).catch(() => undefined);
    return retryMs;
  }

  private fresh(): ReindexProgress {
    return { status: 'active', done: 0, total: 0, changed: 0, started: this.services.clock.now() };
  }

  private async stored(): Promise<ReindexProgress | undefined> {
    const stored = await this.services.catalog.getState(stateKey);
    return stored && (JSON.parse(Buffer.from(stored).toString()) as ReindexProgress);
  }

  private async keep(progress: ReindexProgress): Promise<ReindexProgress> {
    this.progress = progress;
    await this.services.catalog.putState(stateKey, packed(progress));
    return progress;
  }
}

function packed(progress: ReindexProgress): Uint8Array {
  return Buffer.from(JSON.stringify(progress));
}
