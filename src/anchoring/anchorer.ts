/**
 * The anchorer: brings the log's head to the contract, batch by batch, in a loop of its own beside the requests.
 *
 * Every step starts from the contract's head, which alone decides what is anchored:
 *
 *     head = contract.head()                       the log must lead to it, or anchoring stops (LogDiverged)
 *     record = outbox[head.batch + 1]              a batch that a crash, or a chain that lost blocks, left behind: sent again
 *     no record, enough leaves -> facts, root, attestations, signed transaction -> outbox (durable) -> send
 *
 * A crash before the record is stored leaves nothing; after it, the same bytes are sent again. Sending twice cannot anchor twice: the contract takes
 * only an extension of its head, and each batch extends exactly one.
 */
import { toHex } from '../base/bytes.js';
import { decodeHead, encodeHeadCall, type HeadStatement, type StoredHead } from '../chain/anchor-log.js';
import { ChainUnavailable, type Hex } from '../chain/chain.js';
import type { AnchorerOptions, AnchorStatus } from './anchorer-options.js';
import { AnchorTracker } from './anchor-tracker.js';
import { attestBatch } from './attested-batch.js';
import { BatchSender } from './batch-sender.js';
import { Outbox, type BatchRecord } from './outbox.js';

export type { AnchorerOptions, AnchorEvent, AnchorStatus } from './anchorer-options.js';

/** The contract holds a head that this log does not lead to: a restored backup, or another log's contract. Needs a person. */
export class LogDiverged extends Error {
  override readonly name = 'LogDiverged';
}

interface Waiter {
  readonly leafIndex: number;
  readonly done: (isAnchored: boolean) => void;
}

export class Anchorer {
  readonly chainId: number;
  readonly contract: Hex;
  readonly #options: Required<Omit<AnchorerOptions, 'onEvent' | 'ratified'>> &
    Pick<AnchorerOptions, 'onEvent' | 'ratified'>;
  readonly #outbox: Outbox;
  readonly #tracker: AnchorTracker;
  readonly #sender: BatchSender;
  readonly #waiters = new Set<Waiter>();
  #oldestPendingMs: number | undefined;
  #problem: string | undefined;
  #loop: Promise<void> | undefined;
  #isStopping = false;
  #hasRebuilt = false;
  #isWoken = false;
  /** The last step found nothing to do. */
  #isIdle = false;
  #endSleep: () => void = () => undefined;

  constructor(given: AnchorerOptions) {
    const defaults = {
      leads: () => Promise.resolve(true),
      maxAgeMs: 1_000,
      maxLeaves: 10_000,
      greatestBatch: 20_000,
      confirmations: 1,
      bumpAfterMs: 60_000,
      attestationTimeoutMs: 30_000,
    };
    const options = { ...defaults, ...given };
    this.#options = options;
    this.contract = options.contract.toLowerCase() as Hex;
    this.chainId = options.chain.chainId;
    this.#outbox = new Outbox(options.state, this.chainId, this.contract);
    this.#tracker = new AnchorTracker(
      options.chain,
      this.contract,
      options.fromBlock,
      options.confirmations,
      this.#outbox,
    );
    this.#sender = new BatchSender(options.chain, this.contract, options.bumpAfterMs, this.#outbox);
  }

  start(): void {
    this.#loop ??= this.#run();
  }

  /** Ends the loop; what is under way is durable or not begun. */
  async close(): Promise<void> {
    this.#isStopping = true;
    this.#wake();
    await this.#loop;
    for (const waiter of [...this.#waiters]) waiter.done(false);
  }

  /** Tells that the log has grown. */
  notify(): void {
    const isNews = this.#oldestPendingMs === undefined || this.#pending() >= this.#options.maxLeaves;
    this.#oldestPendingMs ??= performance.now();
    // A loop that waits for the chain keeps its own pace, however fast the log grows.
    if (isNews && this.#isIdle) this.#wake();
  }

  /** The chain has a new block: what waits for one looks at once. */
  onHead(): void {
    if (!this.#isIdle) this.#wake();
  }

  status(): AnchorStatus {
    const { batch, size } = this.#tracker.anchored;
    const problem = this.#problem === undefined ? {} : { problem: this.#problem };
    return { anchoredSize: size, batch, logSize: this.#options.leafCount(), ...problem };
  }

  /** True as soon as the leaf is anchored with enough confirmations, false after `timeoutMs`. Waiting makes its batch due at once. */
  waitForAnchor(leafIndex: number, timeoutMs: number): Promise<boolean> {
    if (this.#tracker.anchored.size > leafIndex) return Promise.resolve(true);
    return new Promise((resolve) => {
      const waiter: Waiter = {
        leafIndex,
        done: (isAnchored) => {
          clearTimeout(timer);
          this.#waiters.delete(waiter);
          resolve(isAnchored);
        },
      };
      const timer = setTimeout(() => waiter.done(false), timeoutMs);
      this.#waiters.add(waiter);
      this.#wake();
    });
  }

  /**
   * The batch that took in a leaf, where the chain holds it now; undefined while it has not enough confirmations.
   * @throws ChainUnavailable
   */
  async batchOf(leafIndex: number): Promise<BatchRecord | undefined> {
    const { batch, size } = this.#tracker.anchored;
    if (leafIndex >= size) return undefined;
    const record = await this.#outbox.covering(leafIndex, batch);
    return record && this.#tracker.recheck(record);
  }

  /**
   * One step, for the loop and for tests: `moved` when something was done and the next step may follow at once, `waiting` for the chain, `idle`
   * when there is nothing to do. @throws LogDiverged, ChainUnavailable, QuorumMissing, CallReverted: the loop tries again later.
   */
  async step(): Promise<'idle' | 'waiting' | 'moved'> {
    const { chain, tiles, leafCount } = this.#options;
    const total = leafCount();
    await tiles.advance(total);
    const head = decodeHead(await chain.call(this.contract, encodeHeadCall()));
    await this.#assertLeadsTo(head);
    await this.#follow(head);
    if (total <= head.size) {
      this.#oldestPendingMs = leafCount() > total ? performance.now() : undefined;
      return this.#tracker.anchored.batch === head.batch ? 'idle' : 'waiting';
    }
    this.#oldestPendingMs ??= performance.now();
    const stored = await this.#outbox.get(head.batch + 1);
    if (stored !== undefined && extendsHead(stored.statement, head)) return this.#sender.drive(stored);
    if (!this.#isDue(total - head.size, head.size)) return 'idle';
    if (!(await this.#options.leads())) return 'waiting';
    // What is not in this batch came later than now.
    this.#oldestPendingMs = performance.now();
    return this.#sender.drive(await this.#prepare(head, total));
  }

  async #run(): Promise<void> {
    let [pollMs, failures] = [0, 0];
    while (!this.#isStopping) {
      try {
        const outcome = await this.step();
        this.#isIdle = outcome === 'idle';
        this.#problem = undefined;
        failures = 0;
        pollMs =
          outcome === 'moved' ? 0 : outcome === 'idle' ? this.#idleMs() : Math.min(Math.max(5, pollMs * 2), 1_000);
      } catch (error) {
        failures += 1;
        this.#isIdle = false;
        this.#report(error as Error);
        pollMs = Math.min(100 * 2 ** failures, 5_000);
      }
      if (pollMs > 0) await this.#sleep(pollMs);
    }
  }

  #report(error: Error): void {
    if (error.message !== this.#problem)
      this.#options.onEvent?.({
        kind: 'problem',
        message: error.message,
        isChainAway: error instanceof ChainUnavailable,
      });
    this.#problem = error.message;
  }

  /** Until the oldest leaf is due; an idle chain is looked at now and then, for re-organisations. */
  #idleMs(): number {
    if (this.#oldestPendingMs === undefined) return 5_000;
    return Math.max(1, this.#oldestPendingMs + this.#options.maxAgeMs - performance.now());
  }

  /** Ends early when woken, also by a wake that came while nobody slept. */
  async #sleep(ms: number): Promise<void> {
    if (!this.#isWoken && !this.#isStopping)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, ms);
        this.#endSleep = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    this.#isWoken = false;
    this.#endSleep = () => undefined;
  }

  #wake(): void {
    this.#isWoken = true;
    this.#endSleep();
  }

  #pending(): number {
    return this.#options.leafCount() - this.#tracker.anchored.size;
  }

  #isDue(pending: number, headSize: number): boolean {
    const age = performance.now() - (this.#oldestPendingMs ?? performance.now());
    const isWaitedFor = [...this.#waiters].some(({ leafIndex }) => leafIndex >= headSize);
    return isWaitedFor || pending >= this.#options.maxLeaves || age >= this.#options.maxAgeMs;
  }

  async #assertLeadsTo({ size, root }: StoredHead): Promise<void> {
    const { tiles } = this.#options;
    if (size > tiles.size) throw new LogDiverged(`the chain anchors ${size} leaves, the log has ${tiles.size}`);
    const isOurs = async () => `0x${toHex(await tiles.root(size))}` === root;
    if (await isOurs()) return;
    // Perhaps only a tile is damaged; the catalog's leaves decide. Once, because it takes long.
    if (!this.#hasRebuilt) await tiles.rebuild();
    this.#hasRebuilt = true;
    if (await isOurs()) return;
    throw new LogDiverged(
      `the chain anchors the root ${root} at ${size} leaves, the log has 0x${toHex(await tiles.root(size))}`,
    );
  }

  async #follow(head: StoredHead): Promise<void> {
    for (const { record, gasUsed, txHash } of await this.#tracker.follow(head)) {
      const { size, prevSize } = record.statement;
      this.#options.onEvent?.({
        kind: 'anchored',
        batch: record.batch,
        size,
        leaves: size - prevSize,
        gasUsed,
        txHash,
      });
    }
    for (const waiter of [...this.#waiters]) if (waiter.leafIndex < this.#tracker.anchored.size) waiter.done(true);
  }

  /** A new batch: attested, its transaction signed, durable in the outbox; not yet sent. */
  async #prepare(head: StoredHead, total: number): Promise<BatchRecord> {
    const domain = { chainId: this.chainId, contract: this.contract };
    const limit = Math.min(total, head.size + this.#options.greatestBatch);
    const attested = await attestBatch(this.#options, domain, head, limit);
    const { statement, signatures, refused, receipts } = attested;
    await this.#options.ratified?.(statement.profileSet);
    await this.#outbox.putReceipts(head.batch + 1, receipts);
    const transaction = await this.#sender.firstTransaction(statement, signatures);
    const record = { batch: head.batch + 1, statement, signatures, refused, transactions: [transaction] };
    // Attesting may have taken longer than another server waits for this one.
    if (!(await this.#options.leads())) throw new Error('another server makes the batches now');
    await this.#outbox.put(record);
    for (const { leaf, reasons } of refused) this.#options.onEvent?.({ kind: 'refused', leaf, reasons });
    return record;
  }

  /** The newest `count` batches, the one that is not anchored yet too, newest first. */
  async newest(count: number): Promise<BatchRecord[]> {
    const found: BatchRecord[] = [];
    const { batch } = this.#tracker.anchored;
    for (let number = batch + 1; number > Math.max(0, batch + 1 - count); number -= 1) {
      const record = await this.#outbox.get(number);
      if (record !== undefined) found.push(record);
    }
    return found;
  }

  /** The receipt entries that a batch's `receiptsRoot` is the root of: 32 bytes a leaf, packed. */
  async receiptsOf({ batch, statement, refused = [] }: BatchRecord): Promise<Uint8Array> {
    const kept = await this.#outbox.receipts(batch);
    if (kept !== undefined) return kept;
    const { prevSize, size } = statement;
    return (await this.#options.facts(prevSize, size, new Set(refused.map(({ leaf }) => leaf)))).receipts;
  }
}

function extendsHead(statement: HeadStatement, head: StoredHead): boolean {
  return statement.prevSize === head.size && statement.prevRoot === head.root && statement.epoch === head.epoch;
}
