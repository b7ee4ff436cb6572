/** Gives stored versions the entries of search parameters that came late: one walk through the log, a batch at a time. */
import { Slices } from '../../base/pause.js';
import type { Catalog, StateValue, VersionAmendment, VersionRow } from '../../commit/catalog.js';
import type { Records } from '../../commit/records.js';
import type { SearchParameter } from '../definitions/types.js';
import { JsonText } from '../json-text.js';
import type { Extractor } from '../search/extract.js';
import type { SearchParameters } from '../search/parameters.js';
import { onlyParameters } from './only-parameters.js';

export interface IndexVersionsServices {
  readonly catalog: Pick<Catalog, 'versionsByLeaf' | 'amend'>;
  readonly records: Pick<Records, 'header' | 'open'>;
  readonly search: { readonly parameters: SearchParameters };
  /** Makes the entries of these parameters alone, under every generation of the index key in use; no words. */
  readonly extractorOf: (parameters: SearchParameters) => Extractor;
}

const batchSize = 200;
/** A job that nobody waits for hands over more often than a request does. */
const sliceMs = 5;

export class VersionIndexer {
  private readonly parameters: SearchParameters;
  private readonly extractor: Extractor;

  constructor(
    private readonly services: IndexVersionsServices,
    wanted: readonly SearchParameter[],
  ) {
    this.parameters = onlyParameters(services.search.parameters, wanted);
    this.extractor = services.extractorOf(this.parameters);
  }

  /**
   * Indexes the versions at [from, until) of the log, a batch of them.
   * @param state what is to be durable with them, once it is known where the batch ends and how many versions it changed.
   * @returns where it ended.
   * @throws CatalogUnavailable, BlockStoreUnavailable
   */
  async batch(from: number, until: number, state: (end: number, changed: number) => StateValue): Promise<number> {
    const { catalog } = this.services;
    const end = Math.min(until, from + batchSize);
    const slices = new Slices(sliceMs);
    const versions: VersionAmendment[] = [];
    for (const row of await catalog.versionsByLeaf(from, end)) {
      const amendment = await this.amendment(row);
      if (amendment !== undefined) versions.push(amendment);
      await slices.turn();
    }
    await catalog.amend({ versions, state: state(end, versions.length) });
    return end;
  }

  private async amendment(row: VersionRow): Promise<VersionAmendment | undefined> {
    if (row.isErased === true || row.isDeleted || row.block === undefined) return undefined;
    const { records, catalog } = this.services;
    const { resourceType } = records.header(row);
    if (this.parameters.parametersOf(resourceType).size === 0) return undefined;
    let text: Uint8Array;
    try {
      text = await records.open(row);
    } catch (error) {
      // Erased since the batch was read.
      const [again] = await catalog.versionsByLeaf(row.leafIndex, row.leafIndex + 1);
      if (again?.isErased === true) return undefined;
      throw error;
    }
    const { terms, links } = this.extractor.entries(new JsonText(text).value());
    if (terms.length === 0 && links.length === 0) return undefined;
    return { leafIndex: row.leafIndex, addTerms: terms, addLinks: links };
  }
}
