/** What a writer hands to the committer, and what it gets back. */
import type { Resource } from '../base/resource.js';
import type { BlockDigest, Term } from '../base/ids.js';
import type { RecordAttributes } from '../consent/gate.js';
import type { Plan } from '../fhir/search/plan.js';
import type { Link, VersionRow } from './catalog.js';
import type { ValidationLevel } from './header.js';

/** What a leaf says of the server, as it was when the verdict was made. */
export interface LeafContextFacts {
  /** SHA-256 of the ProfileSet's manifest. */
  readonly profileSetDigest: Uint8Array;
  /** Without a slash at the end. */
  readonly baseUrl: string;
}

/** One version to write. Everything that does not depend on time is made before it is submitted. */
export interface Draft {
  readonly resourceType: string;
  readonly id: string;
  /** One more than the current version's, 1 when there is none; a deletion counts. */
  readonly versionId: number;
  readonly isDeleted: boolean;
  /** The id was made for this very draft (a random UUID), so nothing can have it yet: the look at the state is left out. */
  readonly isNew?: boolean;
  /**
   * The final JSON bytes, with `meta.versionId` and `meta.lastUpdated`. Not called for a deletion; called again when the commit is tried again.
   * @param lastUpdated milliseconds since 1970.
   */
  render(lastUpdated: number): Uint8Array;
  /** The parsed form of what `render` gave, after it ran; for the leaf's element tree. */
  readonly resource?: Resource;
  /** Sorted, distinct, packed (packTerms); the type's term is added if missing. */
  readonly terms: Uint8Array | ((lastUpdated: number) => Uint8Array);
  readonly links: readonly Link[];
  /** Ids of the patients in whose compartments it is; none: the server's compartment. */
  readonly patients: readonly string[];
  readonly attributes: RecordAttributes;
  readonly level: ValidationLevel;
  readonly receiptDigest?: Uint8Array;
  /** The ProfileSet that the receipt names; without it, the one in force at the commit. */
  readonly leafContext?: LeafContextFacts;
  readonly sortKeys?: unknown;
}

/** What is told of a version after its commit, by whichever server. */
export type CommittedDraft = Pick<Draft, 'resourceType' | 'id' | 'versionId' | 'isDeleted' | 'resource' | 'patients'>;

/** The state that a procedure's entry will extend. Valid until the procedure returns. */
export interface CommitState {
  /** The newest entry of which `current` and `search` know. */
  readonly asOf: number;
  /** The current version of a resource (blind name), also when it is a deletion. */
  current(resource: Term): VersionRow | undefined | Promise<VersionRow | undefined>;
  /** Current versions that match, newest first. @throws SearchTooCostly */
  search(plan: Plan, limit: number): Promise<VersionRow[]>;
}

export interface Decision<R> {
  /** At most one for each resource. None: nothing is committed. */
  readonly drafts: readonly Draft[];
  /** Makes the answer, once the drafts are durable. */
  readonly result: (committed: Committed) => R;
}

/**
 * Looks at the state and decides what to write; runs alone, so that no other write comes between look and commit. Runs again from its start
 * when the state that it saw did not come to be (another process wrote, or a write before it failed). What it throws refuses it alone.
 * All other writers wait for it meanwhile: it asks the state and computes, and waits for nothing else.
 */
export type Procedure<R> = (state: CommitState) => Decision<R> | Promise<Decision<R>>;

export interface Committed {
  /** Sequence number of the entry; when nothing was committed, of the newest entry that the procedure saw. */
  readonly seq: number;
  /** `lastUpdated` of all versions, milliseconds since 1970; 0 when nothing was committed. */
  readonly time: number;
  /** In the order of the drafts. */
  readonly versions: readonly CommittedVersion[];
}

export interface CommittedVersion {
  readonly resourceType: string;
  readonly id: string;
  readonly versionId: number;
  readonly lastUpdated: number;
  readonly isDeleted: boolean;
  readonly leafIndex: number;
  readonly row: VersionRow;
}

/** Makes the leaf of a version for the anchored log. Pure and synchronous. */
export type LeafOf = (input: LeafInput) => {
  /** 32 bytes. */
  readonly leaf: Uint8Array;
  /** What opens the leaf; kept in the sealed header. */
  readonly opening: Uint8Array;
};

export interface LeafInput {
  /** `Type/id/_history/versionId`. */
  readonly reference: string;
  readonly resourceType: string;
  readonly id: string;
  readonly versionId: number;
  /** Milliseconds since 1970. */
  readonly lastUpdated: number;
  readonly isDeleted: boolean;
  readonly level: ValidationLevel;
  /** 16 random bytes, for this leaf alone. */
  readonly salt: Uint8Array;
  readonly receiptDigest?: Uint8Array;
  readonly leafContext?: LeafContextFacts;
  /** As sealed; empty for a deletion. */
  readonly json: Uint8Array;
  readonly resource?: Resource;
  readonly block?: BlockDigest;
}
