/**
 * How far this process has come in the log: the head, what others appended behind it, and what they left unapplied.
 *
 * `head` is the newest append that is applied to the index. Nobody appends before what is there is applied; what a server that died has not applied,
 * the next writer does, and after a while any reader.
 */
import type { Entry, Head, LoggedErasure, News, VersionRow } from '../catalog.js';
import { AppendConflict } from '../catalog.js';
import { applyAppend } from './applier.js';
import { rowOf, type LogDocument } from './documents.js';
import { loggedErasures } from './erasing.js';
import { emptyHead, headAfter, MongoLog } from './log.js';
import { rowFields } from './search.js';
import { guarded, type MongoStore } from './store.js';

/** How long another server may take to apply what it appended, before this one does. */
const patienceMs = 300;
/** Another server may win the race for an announcement so many times. */
const mostAttempts = 100;

type Listener = (news: News) => Promise<void>;

export class LogFollower {
  private readonly log: MongoLog;
  private newest: Head = emptyHead;
  private look: Promise<void> = Promise.resolve();
  private nextLook: Promise<void> | undefined;
  private changes: Promise<unknown> = Promise.resolve();
  private lastCheck = 0;
  private readonly timer: NodeJS.Timeout;
  private readonly listeners: Listener[] = [];
  /** `by` of the append that this process is applying, and tells of by itself when it is done. */
  private inHand = '';
  private readonly seenAt = { id: '', at: 0 };

  /**
   * @param pollMs how often a server without requests looks for what others appended.
   * @param onOthers told when others have changed what may be remembered.
   */
  constructor(
    private readonly store: MongoStore,
    pollMs: number,
    private readonly onOthers: () => void,
  ) {
    this.log = new MongoLog(store);
    this.timer = setInterval(() => {
      if (performance.now() - this.lastCheck > pollMs) void this.refresh().catch(() => undefined);
    }, pollMs).unref();
  }

  get head(): Head {
    return this.newest;
  }

  /** Finds the head, and finishes what a server that died had not. Called once. */
  async start(): Promise<void> {
    const newest = await this.log.newest();
    if (newest === undefined) return;
    if (newest.applied) this.newest = headAfter(newest);
    else {
      this.newest = { seq: Number(newest._id) - 1, leafCount: newest.leafFrom, time: 0 };
      await this.finish(newest);
    }
    await this.catchUp(true);
  }

  /**
   * Learns what other servers have appended, so that `head` covers everything that anyone was told of before this call.
   * Calls at the same time share one look.
   */
  refresh(): Promise<void> {
    // A look that began before this call may have missed what was appended since: one more waits behind it, for all who come meanwhile.
    this.nextLook ??= this.look.then(() => {
      this.nextLook = undefined;
      const look = this.catchUp(false);
      this.look = look.catch(() => undefined);
      return look;
    });
    return this.nextLook;
  }

  follow(listener: Listener): void {
    this.listeners.push(listener);
  }

  /**
   * The commit point.
   * @param beforeVisible called when the entries are applied, before `head` covers them.
   * @throws AppendConflict, CatalogUnavailable
   */
  async append(entries: readonly Entry[], beforeVisible: () => void = () => undefined): Promise<void> {
    const head = this.newest;
    if (entries.some(({ seq }, index) => seq !== head.seq + 1 + index)) {
      throw new AppendConflict(`entry ${entries[0]!.seq} cannot follow entry ${head.seq}`);
    }
    let document: LogDocument;
    try {
      document = await this.log.append(entries, head);
    } catch (error) {
      await this.catchUp(true).catch(() => undefined);
      throw error;
    }
    this.inHand = document.by;
    try {
      await this.inTurn(() => applyAppend(this.store, this.log, document, entries));
      beforeVisible();
      // Others may have gone on already.
      if (this.newest.seq < head.seq + entries.length) this.newest = headAfter(document);
    } finally {
      // One that failed here is in the log all the same: whoever applies it, it is told of as what others append.
      this.inHand = '';
    }
  }

  /** Appends an entry without versions, whoever else appends. @throws CatalogUnavailable */
  async announce(): Promise<void> {
    for (let attempt = 1; ; attempt += 1) {
      const { seq, time } = this.newest;
      try {
        return await this.append([{ seq: seq + 1, time, versions: [], newKeys: [] }]);
      } catch (error) {
        if (!(error instanceof AppendConflict) || attempt === mostAttempts) throw error;
      }
    }
  }

  /**
   * What changes versions that are there goes one after the other: MongoDB changes fields of a document, but some servers of its protocol read and
   * write whole documents, and would lose one of two changes at once.
   */
  inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.changes.then(task);
    this.changes = result.catch(() => undefined);
    return result;
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    await this.look;
  }

  /** Goes on in the log as far as it is applied. @param isWriter waits for, or does, what is not applied yet. */
  private async catchUp(isWriter: boolean): Promise<void> {
    const startedAt = performance.now();
    for (;;) {
      this.lastCheck = performance.now();
      const head = this.newest;
      const next = await this.log.next(head);
      if (next === undefined) return;
      if (next.applied) {
        await this.tell(next);
        // Meanwhile this server itself may have appended it.
        if (this.newest === head) {
          this.newest = headAfter(next);
          this.onOthers();
        }
      } else if (performance.now() - startedAt > patienceMs) {
        await this.finish(next);
      } else if (isWriter || this.isLate(next)) {
        await new Promise((resolve) => setTimeout(resolve, 5));
      } else return;
    }
  }

  /** True when what a reader found unapplied has been so for a while: its server may have died. */
  private isLate({ _id }: LogDocument): boolean {
    if (this.seenAt.id !== _id) Object.assign(this.seenAt, { id: _id, at: performance.now() });
    return performance.now() - this.seenAt.at > 10 * patienceMs;
  }

  /** Applies what another server appended. */
  private async finish(document: LogDocument): Promise<void> {
    const entries = await this.log.entries(document);
    if (entries !== undefined) await this.inTurn(() => applyAppend(this.store, this.log, document, entries));
  }

  /** Listeners know of an append before `head` covers it. */
  private async tell(document: LogDocument): Promise<void> {
    if (this.listeners.length === 0 || document.by === this.inHand) return;
    const news = { rows: await this.rowsOf(document), erasures: await this.erasuresOf(document) };
    for (const listener of this.listeners) await listener(news);
  }

  private rowsOf({ leafFrom, leafUntil }: LogDocument): Promise<VersionRow[]> {
    if (leafFrom === leafUntil) return Promise.resolve([]);
    const filter = { l: { $gte: leafFrom, $lt: leafUntil }, r: { $exists: true } };
    return guarded(async () => {
      const found = this.store.version.find(filter, { projection: rowFields }).sort({ l: 1 });
      return (await found.toArray()).map(rowOf);
    });
  }

  private async erasuresOf({ _id, n, leafFrom, leafUntil }: LogDocument): Promise<LoggedErasure[]> {
    if (leafFrom === leafUntil) return [];
    const from = Number(_id);
    return (await loggedErasures(this.store, from)).filter(({ seq }) => seq < from + n);
  }
}
