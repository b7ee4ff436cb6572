/** Port: opens many contents at once, beside the thread that asks. */
import type { KeyObject } from 'node:crypto';
import type { WrappedFor } from './vault.js';

/** One sealed content, and what opens it. */
export interface ContentToOpen {
  /** Key of a compartment. */
  readonly key: KeyObject;
  /** The data key under `key`. */
  readonly wrapped: WrappedFor['wrapped'];
  /** `type/id/versionId`, to which the sealed bytes are bound. */
  readonly reference: string;
  /** Bytes of the block, checked against its digest. */
  readonly block: Uint8Array;
}

export interface ContentOpener {
  /**
   * One for each, in their order; undefined for what does not open that way (a key that was rotated, a content in chunks): whoever asked opens that
   * one itself, and hears why it does not open.
   */
  open(contents: readonly ContentToOpen[]): Promise<(Uint8Array | undefined)[]>;
}
