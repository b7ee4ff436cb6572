/** Entries that are committed together: one block-store write, one append. */
import type { Term } from '../base/ids.js';
import { FreshKeys } from '../vault/vault.js';
import type { Entry, Head } from './catalog.js';
import type { Committed, CommittedVersion, Decision, Draft, Procedure } from './draft.js';
import { nameOf, type PreparedEntry } from './entry-sealer.js';
import { rowOf } from './version-row.js';

/** A writer whose procedure has not been committed or refused yet. */
export interface Waiting {
  readonly procedure: Procedure<unknown>;
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
  attempts: number;
  /** Nothing else is committed while it runs. */
  readonly isAlone: boolean;
}

/** A writer whose drafts are in the group. */
interface Member {
  readonly waiting: Waiting;
  readonly decision: Decision<unknown>;
  readonly prepared: PreparedEntry;
}

/** A writer's answer, once its group is committed. */
export interface Answered {
  readonly waiting: Waiting;
  readonly decision: Decision<unknown>;
  readonly committed: Committed;
}

const fullVersions = 1_000;
const fullBytes = 16 * 1024 * 1024;

export class CommitGroup {
  readonly fresh: FreshKeys;
  readonly members: Member[] = [];
  private readonly drafted = new Set<string>();
  private versionCount = 0;
  private sizeBytes = 0;

  /** Its blocks and leaves are made. */
  isSealed = false;
  /** Set when it is on its way: resolves to whether it came to be. */
  done: Promise<boolean> = Promise.resolve(false);

  /**
   * @param head the state that the group extends.
   * @param earlier keys of the groups that lead to that state and are not committed yet.
   * @param committedSeq the newest entry below it that is committed: what was looked up before that entry says nothing about this group's state.
   */
  constructor(
    readonly head: Head,
    earlier?: FreshKeys,
    readonly committedSeq = head.seq,
  ) {
    this.fresh = new FreshKeys(earlier);
  }

  /** An empty group upon one that is on its way. */
  static after(group: CommitGroup): CommitGroup {
    const head = { ...group.head, seq: group.nextSeq - 1, leafCount: group.leafCount, time: group.time };
    return new CommitGroup(head, group.fresh, group.committedSeq);
  }

  /** All groups before this one are committed, and the vault has adopted their keys. */
  becomesFirst(): void {
    this.fresh.forgetEarlier();
  }

  get isEmpty(): boolean {
    return this.members.length === 0;
  }

  get isFull(): boolean {
    return this.versionCount >= fullVersions || this.sizeBytes >= fullBytes;
  }

  get nextSeq(): number {
    return this.head.seq + this.members.length + 1;
  }

  /** `lastUpdated` of the newest entry, committed or in this group. */
  get time(): number {
    return this.members.at(-1)?.prepared.time ?? this.head.time;
  }

  private get leafCount(): number {
    return this.head.leafCount + this.versionCount;
  }

  hasDraftOf(resource: Term): boolean {
    return this.drafted.has(nameOf(resource));
  }

  add(member: Member): void {
    this.members.push(member);
    for (const { name, content } of member.prepared.versions) {
      this.drafted.add(name);
      this.sizeBytes += content.json.byteLength;
      this.versionCount += 1;
    }
  }

  /** @param entries of the members, as they were committed. */
  *answers(entries: readonly Entry[]): Generator<void, Answered[]> {
    let leafIndex = this.head.leafCount;
    const answers: Answered[] = [];
    for (const [index, { waiting, decision }] of this.members.entries()) {
      const committed = yield* committedBy(entries[index]!, decision.drafts, leafIndex);
      leafIndex += committed.versions.length;
      answers.push({ waiting, decision, committed });
    }
    return answers;
  }
}

function* committedBy(entry: Entry, drafts: readonly Draft[], firstLeaf: number): Generator<void, Committed> {
  const versions: CommittedVersion[] = [];
  for (const [index, version] of entry.versions.entries()) {
    yield;
    const { resourceType, id } = drafts[index]!;
    const { versionId, isDeleted, lastUpdated } = version;
    const leafIndex = firstLeaf + index;
    const row = rowOf(version, entry.seq, leafIndex);
    versions.push({ resourceType, id, versionId, lastUpdated, isDeleted, leafIndex, row });
  }
  return { seq: entry.seq, time: entry.time, versions };
}
