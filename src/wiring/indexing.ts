/** The search parameters in force, which of them the index knows for every version, and the job that makes up for those that came late. */
import type { Clock } from '../base/clock.js';
import type { Committer } from '../commit/committer.js';
import type { SearchParameter } from '../fhir/definitions/types.js';
import type { ActiveDefinitions } from '../fhir/packages/active-definitions.js';
import { LateParameters } from '../fhir/reindex/late-parameters.js';
import { Reindexer } from '../fhir/reindex/reindexer.js';
import type { SearchContext } from '../fhir/search/context.js';
import type { WordIndex } from '../fhir/search/extract.js';
import { createParameters, type Parameter, type SearchParameters } from '../fhir/search/parameters.js';
import { rotatingExtractor } from '../fhir/search/rotating-extractor.js';
import type { Storage } from './storage.js';

export class Indexing {
  private current: SearchParameters;

  private constructor(
    private readonly storage: Storage,
    readonly late: LateParameters,
    private readonly definitions: ActiveDefinitions,
    private readonly shipped: readonly SearchParameter[],
  ) {
    this.current = createParameters(definitions.current.definitions);
    definitions.onChange((snapshot, changed) => {
      if (!changed.has('SearchParameter')) return;
      this.current = createParameters(snapshot.definitions);
      late.changed(snapshot.definitions.searchParameters());
    });
  }

  /**
   * @param shipped SearchParameters that were in force before uploads.
   * @param words which words the index shall hold.
   * @throws Error when it was made to hold others.
   */
  static async open(
    storage: Storage,
    definitions: ActiveDefinitions,
    shipped: readonly SearchParameter[],
    words: WordIndex,
  ): Promise<Indexing> {
    await fixWords(storage, words);
    const inForce = definitions.current.definitions.searchParameters();
    const late = await LateParameters.open(storage.catalog, storage.blinder, shipped, inForce);
    return new Indexing(storage, late, definitions, shipped);
  }

  get parameters(): SearchParameters {
    return this.current;
  }

  readonly opens = ({ definition }: Parameter): boolean => this.late.isLate(definition);

  readonly isYoung = ({ definition }: Parameter): boolean => this.late.isYoung(definition);

  /**
   * Goes on with a job that a stop interrupted.
   * @param mode `auto`: what comes late is indexed at once. Of several servers, each may have got other packages until the last of them was started
   *   anew, so parameters of packages wait for the operator there.
   */
  async reindexer(
    mode: 'auto' | 'manual',
    search: SearchContext,
    committer: Committer,
    clock: Clock,
    onFailure: (error: unknown) => void,
  ): Promise<Reindexer> {
    const { catalog, records, blinder } = this.storage;
    const { late, definitions, shipped } = this;
    const extractorOf = (parameters: SearchParameters) =>
      rotatingExtractor({ ...search, parameters, words: 'none' }, blinder);
    const packaged = new Set(catalog.locks === undefined ? [] : shipped.map((one) => late.nameOf(one)));
    const startsFor = (one: SearchParameter) => mode === 'auto' && !packaged.has(late.nameOf(one));
    const services = { catalog, committer, records, search, extractorOf, late, startsFor, clock, onFailure };
    const reindexer = new Reindexer(services);
    await reindexer.resume();
    definitions.onChange(() => reindexer.notice());
    return reindexer;
  }
}

const wordsKey = 'index/words';

/** Words that were not indexed from the start would not be found: what the first start said holds. */
async function fixWords({ catalog }: Storage, words: WordIndex): Promise<void> {
  const state = await catalog.getState(wordsKey);
  const fixed = state === undefined ? undefined : Buffer.from(state).toString();
  const present = fixed ?? (catalog.head().seq > 0 ? 'narrative' : undefined);
  if (present === undefined) await catalog.putState(wordsKey, Buffer.from(words));
  else if (present !== words) {
    throw new Error(
      `INDEX_WORDS is ${words}, but the index was made with ${present}: set it so, or begin with an empty store`,
    );
  }
}
