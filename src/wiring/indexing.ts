/** The search parameters in force, which of them the index knows for every version, and the job that makes up for those that came late. */
import type { Clock } from '../base/clock.js';
import type { Committer } from '../commit/committer.js';
import type { SearchParameter } from '../fhir/definitions/types.js';
import type { ActiveDefinitions } from '../fhir/packages/active-definitions.js';
import { LateParameters } from '../fhir/reindex/late-parameters.js';
import { Reindexer } from '../fhir/reindex/reindexer.js';
import type { SearchContext } from '../fhir/search/context.js';
import { createParameters, type Parameter, type SearchParameters } from '../fhir/search/parameters.js';
import { rotatingExtractor } from '../fhir/search/rotating-extractor.js';
import type { Storage } from './storage.js';

export class Indexing {
  private current: SearchParameters;

  private constructor(
    private readonly storage: Storage,
    readonly late: LateParameters,
    definitions: ActiveDefinitions,
  ) {
    this.current = createParameters(definitions.current.definitions);
    definitions.onChange((snapshot, changed) => {
      if (!changed.has('SearchParameter')) return;
      this.current = createParameters(snapshot.definitions);
      late.changed(snapshot.definitions.searchParameters());
    });
  }

  /** @param shipped SearchParameters that were in force before uploads. */
  static async open(
    storage: Storage,
    definitions: ActiveDefinitions,
    shipped: readonly SearchParameter[],
  ): Promise<Indexing> {
    const inForce = definitions.current.definitions.searchParameters();
    const late = await LateParameters.open(storage.catalog, storage.blinder, shipped, inForce);
    return new Indexing(storage, late, definitions);
  }

  get parameters(): SearchParameters {
    return this.current;
  }

  readonly opens = ({ definition }: Parameter): boolean => this.late.isLate(definition);

  readonly isYoung = ({ definition }: Parameter): boolean => this.late.isYoung(definition);

  /** Goes on with a job that a stop interrupted. */
  async reindexer(
    search: SearchContext,
    committer: Committer,
    clock: Clock,
    onFailure: (error: unknown) => void,
  ): Promise<Reindexer> {
    const { catalog, records, blinder } = this.storage;
    const { late } = this;
    const extractorOf = (parameters: SearchParameters) =>
      rotatingExtractor({ ...search, parameters, words: 'none' }, blinder);
    const services = { catalog, committer, records, search, extractorOf, late, clock, onFailure };
    const reindexer = new Reindexer(services);
    await reindexer.resume();
    return reindexer;
  }
}
