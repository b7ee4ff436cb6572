/**
 * Indexes every stored version anew by the search parameters that came late.
 *
 * What is committed after the job's beginning carries the new entries already (a write that was prepared under other parameters is prepared
 * anew, see write/write.ts). So the versions before it are walked once, in log order, a batch at a time; how far it came is durable with each
 * batch, and a job that a stop or crash interrupted goes on at the next start. Searches may be asked all the time: a parameter counts as indexed
 * when the last version is done.
 */
import type { Clock } from '../../base/clock.js';
import type { Catalog, VersionAmendment, VersionRow } from '../../commit/catalog.js';
import type { Committer } from '../../commit/committer.js';
import type { Records } from '../../commit/records.js';
import type { SearchParameter } from '../definitions/types.js';
import { JsonText } from '../json-text.js';
import { Slices } from '../../base/pause.js';
import type { SearchContext } from '../search/context.js';
import type { SearchParameters } from '../search/parameters.js';
import type { Extractor } from '../search/extract.js';
import type { LateParameters } from './late-parameters.js';
import { onlyParameters } from './only-parameters.js';

export interface ReindexServices {
  readonly catalog: Catalog;
  readonly committer: Pick<Committer, 'alone'>;
  readonly records: Pick<Records, 'header' | 'open'>;
  readonly search: Pick<SearchContext, 'parameters'>;
  /** Makes the entries of these parameters alone, under every generation of the index key in use; no words. */
  readonly extractorOf: (parameters: SearchParameters) => Extractor;
  readonly late: LateParameters;
  readonly clock: Clock;
  /** Told of what ended a job. */
  readonly onFailure: (error: unknown) => void;
}

/** How a job stands; durable. */
export interface ReindexProgress {
  readonly status: 'active' | 'completed' | 'failed';
  /** Blinded names of the definitions that it is about. */
  readonly names: readonly string[];
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
const batchSize = 200;

export class Reindexer {
  private progress: ReindexProgress | undefined;
  private running: Promise<void> | undefined;
  private isClosed = false;

  constructor(private readonly services: ReindexServices) {}

  /** The job that runs, or the last one. */
  get state(): ReindexProgress | undefined {
    return this.progress;
  }

  /** Goes on with a job that was interrupted. */
  async resume(): Promise<void> {
    const stored = await this.services.catalog.getState(stateKey);
    if (stored === undefined) return;
    this.progress = JSON.parse(Buffer.from(stored).toString()) as ReindexProgress;
    if (this.progress.status === 'active') this.start();
  }

  /** Starts a job for everything that is not indexed; one that runs goes on. @returns how it stands. */
  start(): ReindexProgress {
    if (this.running !== undefined && this.progress !== undefined) return this.progress;
    const { late, clock } = this.services;
    const wanted = late.missing;
    const names = wanted.map((one) => late.nameOf(one)).sort();
    late.begin(wanted);
    const before = this.progress;
    const isSame = before?.status === 'active' && before.names.join() === names.join();
    const begun = { status: 'active', names, done: 0, total: 0, changed: 0, started: clock.now() } as const;
    const progress: ReindexProgress = isSame ? before : begun;
    this.progress = progress;
    this.running = this.run(wanted, progress)
      .catch(async (error: unknown) => {
        this.services.onFailure(error);
        await this.keep({ ...(this.progress ?? progress), status: 'failed', ended: clock.now() }).catch(
          () => undefined,
        );
      })
      .finally(() => (this.running = undefined));
    return progress;
  }

  /** Stops after the present batch; the job goes on at the next start. */
  async close(): Promise<void> {
    this.isClosed = true;
    await this.running;
  }

  private async run(wanted: readonly SearchParameter[], begun: ReindexProgress): Promise<void> {
    const { catalog, committer, search, late, clock } = this.services;
    if (wanted.length === 0) return this.keep({ ...begun, status: 'completed', ended: clock.now() });
    // Everything that was prepared before is committed (or prepared anew) when this returns.
    const total = await committer.alone(() => Promise.resolve(catalog.head().leafCount));
    const parameters = onlyParameters(search.parameters, wanted);
    const extractor = this.services.extractorOf(parameters);
    const slices = new Slices();
    let progress: ReindexProgress = { ...begun, total };
    while (progress.done < total) {
      if (this.isClosed) return;
      const until = Math.min(total, progress.done + batchSize);
      const versions: VersionAmendment[] = [];
      for (const row of await catalog.versionsByLeaf(progress.done, until)) {
        const amendment = await this.amendment(row, parameters, extractor);
        if (amendment !== undefined) versions.push(amendment);
        await slices.turn();
      }
      progress = { ...progress, done: until, changed: progress.changed + versions.length };
      await catalog.amend({ versions, state: { key: stateKey, value: packed(progress) } });
      this.progress = progress;
    }
    await late.end();
    await this.keep({ ...progress, status: 'completed', ended: clock.now() });
  }

  private async amendment(
    row: VersionRow,
    parameters: SearchParameters,
    extractor: Extractor,
  ): Promise<VersionAmendment | undefined> {
    if (row.isErased === true || row.isDeleted || row.block === undefined) return undefined;
    const { records } = this.services;
    const { resourceType } = records.header(row);
    if (parameters.parametersOf(resourceType).size === 0) return undefined;
    const resource = new JsonText(await records.open(row)).value();
    const { terms, links } = extractor.extract(resource);
    if (terms.length === 0 && links.length === 0) return undefined;
    return { leafIndex: row.leafIndex, addTerms: terms, addLinks: links };
  }

  private async keep(progress: ReindexProgress): Promise<void> {
    this.progress = progress;
    await this.services.catalog.putState(stateKey, packed(progress));
  }
}

function packed(progress: ReindexProgress): Uint8Array {
  return Buffer.from(JSON.stringify(progress));
}
