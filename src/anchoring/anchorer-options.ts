/** What an anchorer is given, and what it tells. */
import type { Hex } from '../chain/chain.js';
import type { Attestor } from './attestation.js';
import type { BatchFacts } from './batch-facts.js';
import type { AnchorChain } from './batch-sender.js';
import type { StateStore } from './outbox.js';
import type { TileStore } from './tile-store.js';

export interface AnchorerOptions {
  readonly chain: AnchorChain;
  /** Address of the AnchorLog. */
  readonly contract: Hex;
  /** Block of its creation: where looking for its events begins. */
  readonly fromBlock: number;
  readonly tiles: TileStore;
  readonly state: StateStore;
  /** How many leaves the log has. */
  leafCount(): number;
  /** Facts of the leaves [from, until), `refused` left out. */
  facts(from: number, until: number, refused: ReadonlySet<number>): Promise<BatchFacts>;
  readonly attestors: readonly Attestor[];
  /** Called before a batch is sent: sees to it that the contract knows the ProfileSet. */
  ratified?(profileSet: Hex): Promise<void>;
  /** Of several servers on one log, whether this one makes the batches; the others follow, and prove. Absent: it does. */
  leads?(): Promise<boolean>;
  /** A batch is made when its oldest leaf has waited so long, ... Default 1,000. */
  readonly maxAgeMs?: number;
  /** ... or when there are so many leaves. Default 10,000. */
  readonly maxLeaves?: number;
  /** No batch has more leaves. Default 20,000. */
  readonly greatestBatch?: number;
  /** Blocks until a batch counts, its own included. Default 1. */
  readonly confirmations?: number;
  /** A transaction that is not mined after so long is sent again with a higher fee. Default 60,000. */
  readonly bumpAfterMs?: number;
  /** Default 30,000. */
  readonly attestationTimeoutMs?: number;
  /** Told about every change: metrics and the log of events. */
  readonly onEvent?: (event: AnchorEvent) => void;
}

export type AnchorEvent =
  | {
      readonly kind: 'anchored';
      readonly batch: number;
      readonly size: number;
      readonly leaves: number;
      readonly gasUsed: bigint;
      readonly txHash: Hex;
    }
  /** A leaf is anchored without being attested. */
  | { readonly kind: 'refused'; readonly leaf: number; readonly reasons: readonly string[] }
  | { readonly kind: 'problem'; readonly message: string; readonly isChainAway: boolean };

/** What the anchorer is doing, for metrics and health. */
export interface AnchorStatus {
  /** Leaves under a head with enough confirmations. */
  readonly anchoredSize: number;
  readonly logSize: number;
  /** Newest batch with enough confirmations. */
  readonly batch: number;
  /** Why the last step failed; absent when it did not. */
  readonly problem?: string;
}
