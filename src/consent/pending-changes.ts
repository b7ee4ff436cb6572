/** What the gate asks of whoever files: changes under way, and the contents behind hashes. */
import type { Hex } from '../chain/chain.js';

/** What is on its way to the chain about one patient. */
export interface Pending {
  /** Indexes of policies that are withdrawn. */
  readonly withdrawn: readonly number[];
  readonly filed: readonly Uint8Array[];
  /** What it waits for: blocks, or a signature of the patient's own key. */
  readonly awaits: 'chain' | 'signature';
}

/** What this server knows of changes that are not mined yet. */
export interface PendingChanges {
  /** Undefined when nothing of the patient is pending. */
  pendingOf(patient: Hex): Pending | undefined;
  /** Resolves when nothing of the patient is pending (true), or it waits for her signature, or the time is over (false). */
  settled(patient: Hex, timeoutMs: number): Promise<boolean>;
  /** `changed`: called at once when what is pending changes. `mined`: awaited before a mined change stops to be pending. */
  listen(listener: { changed(patient: Hex): void; mined(): Promise<void> }): void;
}

/** The bytes behind policy hashes. */
export interface PolicyContents {
  /** Undefined when this server does not have them: the contract then denies. */
  contentsOf(patientId: string, hash: Hex): Promise<Uint8Array | undefined>;
}
