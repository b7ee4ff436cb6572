/**
 * The only writer of a server: runs procedures one after the other and commits what they decide, in groups.
 *
 * Writers that arrive while a group is being made durable are decided meanwhile, and form the next group; a lone writer does not wait
 * for company. Each procedure's drafts are one entry. Preconditions are evaluated against the very state that the entry extends, so that
 * conditional writes cannot race: who asks for what a group under way changes waits for it, and a group that fails takes the next one with it.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Clock } from '../base/clock.js';
import type { Term } from '../base/ids.js';
import { inSlices, Slices } from '../base/pause.js';
import type { Plan } from '../fhir/search/plan.js';
import type { BlockStore } from '../ipfs/block-store.js';
import { FreshKeys } from '../vault/vault.js';
import { AppendConflict, CatalogUnavailable, type Catalog, type Entry, type VersionRow } from './catalog.js';
import { CommitGroup, type Answered, type Waiting } from './commit-group.js';
import type { Committed, CommitState, CommittedVersion, Decision, Draft, Procedure } from './draft.js';
import { EntrySealer, type SealerServices } from './entry-sealer.js';

export interface CommitterServices extends SealerServices {
  readonly catalog: Catalog;
  readonly blocks: BlockStore;
  readonly clock: Clock;
  /** Told of each entry after it is durable, in log order. Must not throw. */
  readonly onCommit?: (entry: CommittedEntry) => void;
}

export interface CommittedEntry {
  readonly seq: number;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly versions: readonly CommittedVersion[];
}

/**
 * Groups on their way at once. Two (one is sealed while the one before it is stored) make the groups smaller, and cost 9 % more processor time
 * a create; they would pay where storing takes much longer than sealing.
 */
const mostUnderWay = 1;
const leafBytes = 32;
/** Another process may win a race so many times in a row before the writer is told. */
const mostAttempts = 20;

export class Committer {
  private readonly queue: Waiting[] = [];
  private readonly sealer: EntrySealer;
  /** Takes what is decided now. */
  private group: CommitGroup;
  /** The groups before it, on their way to the stores, the oldest first; each is built upon the one before. */
  private underWay: CommitGroup[] = [];
  private running: Promise<void> | undefined;
  /** Wakes the loop: a writer has come, a group is sealed, or has arrived. */
  private wake: () => void = () => undefined;

  constructor(private readonly services: CommitterServices) {
    this.sealer = new EntrySealer(services);
    this.group = new CommitGroup(services.catalog.head());
  }

  /** Procedures that wait for their turn. */
  get queued(): number {
    return this.queue.length;
  }

  /**
   * Resolves when what `procedure` decided is durable.
   * @throws what the procedure throws; BlockStoreUnavailable, CatalogUnavailable when it could not be made durable (a lost reply may mean that
   *   it was); AppendConflict when another process kept winning.
   */
  submit<R>(procedure: Procedure<R>): Promise<R> {
    return this.enqueue(procedure, false);
  }

  /**
   * Runs `task` when everything submitted before is settled, and lets nothing be committed meanwhile: for what appends to the log by itself (erasure)
   * or has to know that no writer holds an old key (rotation).
   */
  alone<R>(task: () => Promise<R>): Promise<R> {
    return this.enqueue(() => task().then((value) => ({ drafts: [], result: () => value })), true);
  }

  /** Resolves when everything submitted is settled. */
  async close(): Promise<void> {
    while (this.running !== undefined) await this.running;
  }

  private enqueue<R>(procedure: Procedure<R>, isAlone: boolean): Promise<R> {
    return new Promise((resolve, reject) => {
      this.queue.push({ procedure, resolve: resolve as (result: unknown) => void, reject, attempts: 0, isAlone });
      this.wake();
      this.running ??= this.run();
    });
  }

  private async run(): Promise<void> {
    for (;;) {
      // What is submitted in this turn of the event loop goes together.
      await nextTurn();
      while (this.queue.length > 0 && !this.group.isFull) await this.admit(this.queue.shift()!);
      const woken = new Promise<void>((resolve) => {
        this.wake = resolve;
      });
      if (!this.group.isEmpty && this.mayLaunch) this.launch();
      else if (this.underWay.length > 0) await woken;
      else if (this.queue.length === 0) break;
    }
    this.running = undefined;
  }

  /** One group is sealed at a time, while the ones before it are stored. */
  private get mayLaunch(): boolean {
    return this.underWay.length < mostUnderWay && (this.underWay.at(-1)?.isSealed ?? true);
  }

  /** Lets one procedure decide, and adds what it decided to the group. */
  private async admit(waiting: Waiting): Promise<void> {
    if (waiting.isAlone) while (!(await this.settle()));
    const state = new GroupState(
      this.services.catalog,
      (resource) => this.changes(resource),
      () => this.settle(),
    );
    try {
      const decision = await waiting.procedure(state);
      if (decision.drafts.length > 0) await this.draft(waiting, decision, state);
      else if (!state.isLost) waiting.resolve(decision.result(nothingCommitted(state.asOf)));
    } catch (error) {
      if (!state.isLost) waiting.reject(error);
    }
    if (state.isLost) this.again([waiting]);
    // The task may have appended entries of its own.
    if (waiting.isAlone) this.group = new CommitGroup(this.services.catalog.head());
  }

  private async draft(waiting: Waiting, decision: Decision<unknown>, state: GroupState): Promise<void> {
    await this.checkVersions(decision.drafts, state);
    if (state.isLost) return;
    const { group } = this;
    // The group that was there when it looked lost a race meanwhile: others have written what it did not see.
    if (state.lookedAt < group.committedSeq) {
      this.again([waiting]);
      return;
    }
    const fresh = new FreshKeys(group.fresh);
    const time = Math.max(this.services.clock.now(), group.time);
    const prepared = await this.sealer.prepare(group.nextSeq, time, decision.drafts, fresh);
    // The group before this one failed meanwhile, and this one was given up with it.
    if (group !== this.group) {
      this.again([waiting]);
      return;
    }
    fresh.join();
    group.add({ waiting, decision, prepared });
  }

  /** A wrong version number, or one resource twice, would break the log: it is a defect of the procedure. */
  private async checkVersions(drafts: readonly Draft[], state: GroupState): Promise<void> {
    const seen = new Set<string>();
    const slices = new Slices();
    for (const { resourceType, id, versionId, isNew } of drafts) {
      const reference = `${resourceType}/${id}`;
      if (seen.has(reference)) throw new Error(`${reference} is drafted twice in one entry`);
      seen.add(reference);
      const current = isNew ? undefined : await state.current(this.services.names.resource(resourceType, id));
      const expected = (current?.versionId ?? 0) + 1;
      if (versionId !== expected)
        throw new Error(`${reference} is drafted as version ${versionId}, expected ${expected}`);
      await slices.turn();
    }
  }

  /** Does a group that is not committed yet change the resource? */
  private changes(resource: Term): boolean {
    return this.group.hasDraftOf(resource) || this.underWay.some((group) => group.hasDraftOf(resource));
  }

  /** Waits until everything decided so far is committed. @returns false when something of it did not come to be. */
  private async settle(): Promise<boolean> {
    if (!this.group.isEmpty) this.launch();
    const groups = await Promise.all(this.underWay.map(({ done }) => done));
    return groups.every((isCommitted) => isCommitted);
  }

  /** Sends the group on its way; the next one is built upon it. */
  private launch(): void {
    const { group } = this;
    const before = this.underWay.at(-1)?.done;
    this.underWay.push(group);
    this.group = CommitGroup.after(group);
    group.done = this.commit(group, before).finally(() => this.wake());
  }

  /**
   * Makes a group durable and answers its writers.
   * @param before resolves when the group that it is built upon is committed, or was given up.
   * @returns false when it did not come to be; its writers were refused or wait again.
   */
  private async commit(group: CommitGroup, before: Promise<boolean> | undefined): Promise<boolean> {
    const { blocks, vault, onCommit } = this.services;
    let answers: Answered[];
    try {
      const slices = new Slices();
      const sealed = await this.sealer.finish(
        group.members.map(({ prepared }) => prepared),
        slices,
      );
      answers = await inSlices(group.answers(sealed.entries), slices);
      group.isSealed = true;
      this.wake();
      // Contents first: a crash between the two leaves sealed blocks that no entry names.
      await blocks.put(sealed.blocks);
      // Given up together with it.
      if (before !== undefined && !(await before)) return false;
      // The commit point. After it the entries are there, whatever happens; before it nothing of them is visible.
      await this.append(sealed.entries);
    } catch (error) {
      this.giveUp(group, error);
      return false;
    }
    vault.adopt(group.fresh);
    this.underWay.shift();
    (this.underWay[0] ?? this.group).becomesFirst();
    for (const { waiting, decision, committed } of answers) answer(waiting, decision, committed);
    for (const { committed } of answers) tell(onCommit, committed);
    return true;
  }

  /** A reply that was lost on its way is found out: whether these very leaves are in their places. */
  private async append(entries: readonly Entry[]): Promise<void> {
    const { catalog } = this.services;
    const first = catalog.head().leafCount;
    try {
      await catalog.append(entries);
    } catch (error) {
      if (!(error instanceof CatalogUnavailable) || !(await this.areThere(entries, first))) throw error;
    }
  }

  private async areThere(entries: readonly Entry[], first: number): Promise<boolean> {
    const { catalog } = this.services;
    const leaves = Buffer.concat(entries.flatMap(({ versions }) => versions.map(({ leaf }) => leaf)));
    try {
      const found = await catalog.leaves(first, first + leaves.byteLength / leafBytes);
      return catalog.head().seq >= entries.at(-1)!.seq && leaves.equals(found);
    } catch {
      return false;
    }
  }

  /** A group failed: what was decided upon it cannot stand without it. */
  private giveUp(group: CommitGroup, error: unknown): void {
    const at = this.underWay.indexOf(group);
    // Given up already, with one before it.
    if (at < 0) return;
    const later = [...this.underWay.slice(at + 1), this.group].flatMap(({ members }) => members);
    this.underWay = this.underWay.slice(0, at);
    const last = this.underWay.at(-1);
    this.group = last === undefined ? new CommitGroup(this.services.catalog.head()) : CommitGroup.after(last);
    const isRace = error instanceof AppendConflict;
    if (!isRace) for (const { waiting } of group.members) waiting.reject(error);
    this.again([...(isRace ? group.members : []), ...later].map(({ waiting }) => waiting));
  }

  /** Puts writers back to the head of the queue, in their order. */
  private again(writers: readonly Waiting[]): void {
    const patient = writers.filter((waiting) => {
      waiting.attempts += 1;
      if (waiting.attempts < mostAttempts) return true;
      waiting.reject(new CatalogUnavailable('the state kept changing under this write'));
      return false;
    });
    this.queue.unshift(...patient);
  }
}

/** The catalog plus what is not committed yet: whoever asks for what that is about to change waits until it is committed. */
class GroupState implements CommitState {
  /** The group whose writes this procedure relied on did not come to be. */
  isLost = false;
  /** The head when it was first asked for; Infinity when it was not. */
  lookedAt = Infinity;
  private readonly known = new Map<string, VersionRow | undefined>();

  constructor(
    private readonly catalog: Catalog,
    private readonly isChanging: (resource: Term) => boolean,
    private readonly committed: () => Promise<boolean>,
  ) {}

  get asOf(): number {
    const { seq } = this.catalog.head();
    this.lookedAt = Math.min(this.lookedAt, seq);
    return seq;
  }

  current(resource: Term): VersionRow | undefined | Promise<VersionRow | undefined> {
    const name = Buffer.from(resource.buffer, resource.byteOffset, resource.byteLength).toString('latin1');
    if (this.known.has(name)) return this.known.get(name);
    if (this.isChanging(resource)) return this.settle().then(() => this.current(resource));
    const found = this.catalog.current(resource, this.asOf);
    if (found instanceof Promise) return found.then((row) => this.remember(name, row));
    return this.remember(name, found);
  }

  async search(plan: Plan, limit: number): Promise<VersionRow[]> {
    await this.settle();
    return this.catalog.search({ plan, asOf: this.asOf, order: 'newest', limit });
  }

  private remember(name: string, row: VersionRow | undefined): VersionRow | undefined {
    this.known.set(name, row);
    return row;
  }

  private async settle(): Promise<void> {
    if (await this.committed()) return;
    this.isLost = true;
    throw new StateLost('a write that this one was to follow failed');
  }
}

/** Ends a procedure that has to run again; never reaches a writer. */
class StateLost extends Error {
  override readonly name = 'StateLost';
}

function nothingCommitted(seq: number): Committed {
  return { seq, time: 0, versions: [] };
}

/** A listener that throws is a defect: it ends the process, as any uncaught error does, but not in the middle of a group. */
function tell(listener: CommitterServices['onCommit'], entry: CommittedEntry): void {
  try {
    listener?.(entry);
  } catch (error) {
    setImmediate(() => {
      throw error;
    });
  }
}

function answer(waiting: Waiting, decision: Decision<unknown>, committed: Committed): void {
  try {
    waiting.resolve(decision.result(committed));
  } catch (error) {
    waiting.reject(error);
  }
}
