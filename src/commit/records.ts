/** Reading: rows of the catalog to headers and contents. */
import type { BlockStore } from '../ipfs/block-store.js';
import type { ContentOpener, ContentToOpen } from '../vault/content-opener.js';
import type { Vault } from '../vault/vault.js';
import type { VersionRow } from './catalog.js';
import type { Header, HeaderCodec } from './header.js';

export interface RecordsServices {
  readonly blocks: BlockStore;
  readonly vault: Vault;
  readonly headers: HeaderCodec;
}

/** `type/id/versionId`: what a content is sealed for. */
export function sealedReference(header: { resourceType: string; id: string; versionId: number }): string {
  return `${header.resourceType}/${header.id}/${header.versionId}`;
}

/** Where a row keeps its opened header: for as long as the row is kept. */
const openedHeader = Symbol('header');
type Row = VersionRow & { [openedHeader]?: Header };

export class Records {
  constructor(private readonly services: RecordsServices) {}

  /** Type, id, consent attributes and so on of a row, without its block. Remembered with the row. @throws SealBroken */
  header(row: Row): Header {
    return (row[openedHeader] ??= this.services.headers.open(row.resource, row.versionId, row.header));
  }

  /**
   * The JSON bytes of a version, as they were committed. Ask consent before: this fetches and opens.
   * @throws RangeError for a deletion; BlockMissing, BlockCorrupt, BlockStoreUnavailable, KeyUnavailable (erased), SealBroken.
   */
  async open(row: VersionRow): Promise<Uint8Array> {
    if (row.block === undefined) throw new RangeError('a deletion has no content');
    const { blocks, vault } = this.services;
    const reference = sealedReference(this.header(row));
    const block = await blocks.get(row.block);
    return vault.open(reference, row.keyWraps, block, (digest) => blocks.get(digest));
  }

  /** `open` of several versions, beside this thread as far as their keys are at hand. @throws as `open`. */
  async openSeveral(rows: readonly VersionRow[], opener: ContentOpener): Promise<Uint8Array[]> {
    const { blocks, vault } = this.services;
    const sealed = await Promise.all(rows.map(({ block }) => blocks.get(block!)));
    const contents = new Map<number, ContentToOpen>();
    rows.forEach((row, index) => {
      const way = vault.wayInto(row.keyWraps);
      if (way === undefined) return;
      contents.set(index, { ...way, reference: sealedReference(this.header(row)), block: sealed[index]! });
    });
    const opened = await opener.open([...contents.values()]);
    const found = new Map([...contents.keys()].map((index, at) => [index, opened[at]]));
    const all: Uint8Array[] = [];
    for (const [index, row] of rows.entries()) all.push(found.get(index) ?? (await this.open(row)));
    return all;
  }

  /** The data key of a version, for those who may open it. @throws KeyUnavailable (erased). */
  dataKey(row: VersionRow): Promise<Uint8Array> {
    return this.services.vault.dataKey(row.keyWraps);
  }
}
