/** Reading: rows of the catalog to headers and contents. */
import type { BlockStore } from '../ipfs/block-store.js';
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

  /** As `open`, at once, where block and key are at hand; undefined: ask `open`. @throws as `open` */
  openNow(row: VersionRow): Uint8Array | undefined {
    const { blocks, vault } = this.services;
    const block = row.block === undefined ? undefined : blocks.getNow?.(row.block);
    return block === undefined ? undefined : vault.openNow(sealedReference(this.header(row)), row.keyWraps, block);
  }

  /** The data key of a version, for those who may open it. @throws KeyUnavailable (erased). */
  dataKey(row: VersionRow): Promise<Uint8Array> {
    return this.services.vault.dataKey(row.keyWraps);
  }
}
