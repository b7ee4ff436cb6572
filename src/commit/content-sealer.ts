/**
 * Contents of versions to sealed blocks and leaves: the part of a commit that only computes, so that it can be done in another thread.
 */
import type { BlockDigest } from '../base/ids.js';
import { Slices } from '../base/pause.js';
import type { SealedBlock } from '../ipfs/block-store.js';
import { sealContent } from '../vault/sealing.js';
import type { LeafInput, LeafOf } from './draft.js';

/** One version: what is sealed, and what its leaf says of it. */
export interface ContentToSeal extends Omit<LeafInput, 'block'> {
  /** `type/id/versionId`, bound to the sealed bytes. */
  readonly sealedReference: string;
  /** 32 bytes, used for this content alone; absent for a deletion, which has no block. */
  readonly dataKey?: Uint8Array;
}

export interface SealedContent {
  /** Digest of the block that stands for the content; absent for a deletion. */
  readonly block?: BlockDigest;
  /** Every block to store, in the order to store them. */
  readonly blocks: readonly SealedBlock[];
  /** 32 bytes. */
  readonly leaf: Uint8Array;
  /** What opens the leaf; kept in the sealed header. */
  readonly opening: Uint8Array;
}

export interface ContentSealer {
  /** @returns one for each, in their order. */
  seal(contents: readonly ContentToSeal[]): Promise<SealedContent[]>;
}

/** Seals in the calling thread, with pauses. */
export class LocalContentSealer implements ContentSealer {
  constructor(private readonly leafOf: LeafOf) {}

  async seal(contents: readonly ContentToSeal[]): Promise<SealedContent[]> {
    const sealed: SealedContent[] = [];
    const slices = new Slices();
    for (const content of contents) {
      await slices.turn();
      sealed.push(await this.sealOne(content));
    }
    return sealed;
  }

  private async sealOne(content: ContentToSeal): Promise<SealedContent> {
    const { dataKey, sealedReference, json } = content;
    if (dataKey === undefined) return { blocks: [], ...this.leafOf(content) };
    const { block, blocks } = await sealContent(dataKey, sealedReference, json);
    return { block, blocks, ...this.leafOf({ ...content, block }) };
  }
}
