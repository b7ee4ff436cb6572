/** The main thread's side of the sealing thread. */
import { Worker } from 'node:worker_threads';
import type { LeafContext } from '../../anchoring/leaf.js';
import type { ContentSealer, ContentToSeal, SealedContent } from '../../commit/content-sealer.js';
import type { ContentOpener, ContentToOpen } from '../../vault/content-opener.js';
import { packContents, packSealedToOpen, unpackOpened, unpackSealed } from './messages.js';
import type { SealingReply, SealingRequest } from './sealing-worker.js';

interface Waiting {
  readonly resolve: (done: ArrayBuffer) => void;
  readonly reject: (error: Error) => void;
}

/** What it makes is short-lived: a small nursery keeps the thread small. */
const resourceLimits = { maxYoungGenerationSizeMb: 16 };

export class SealingThread implements ContentSealer, ContentOpener {
  private readonly waiting = new Map<number, Waiting>();
  private worker: Worker | undefined;
  private nextId = 1;

  /** @param context of the leaves from now on. */
  constructor(private readonly context: () => LeafContext) {
    this.worker = this.start();
  }

  async seal(contents: readonly ContentToSeal[]): Promise<SealedContent[]> {
    const packed = packContents(this.context(), contents);
    return unpackSealed(await this.ask((id) => ({ id, contents: packed }), packed));
  }

  async open(contents: readonly ContentToOpen[]): Promise<(Uint8Array | undefined)[]> {
    if (contents.length === 0) return [];
    const keys = [...new Set(contents.map(({ key }) => key))];
    const packed = packSealedToOpen(contents.map((content) => ({ ...content, keyAt: keys.indexOf(content.key) })));
    return unpackOpened(await this.ask((id) => ({ id, toOpen: packed, keys }), packed));
  }

  /** @param packed goes over to the thread. */
  private ask(request: (id: number) => SealingRequest, packed: ArrayBuffer): Promise<ArrayBuffer> {
    // A thread that died is started again; what it had under way was refused.
    const worker = (this.worker ??= this.start());
    const id = this.nextId;
    this.nextId += 1;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      worker.postMessage(request(id), [packed]);
    });
  }

  async close(): Promise<void> {
    await this.worker?.terminate();
  }

  private start(): Worker {
    const worker = new Worker(new URL('./sealing-worker.js', import.meta.url), { resourceLimits });
    worker.on('message', (reply: SealingReply) => {
      const waiting = this.waiting.get(reply.id);
      this.waiting.delete(reply.id);
      if ('done' in reply) waiting?.resolve(reply.done);
      else waiting?.reject(new Error(reply.failure));
    });
    worker.on('error', (error) => this.fail(error));
    worker.on('exit', () => this.fail(new Error('the sealing thread has ended')));
    return worker;
  }

  private fail(error: Error): void {
    this.worker = undefined;
    for (const { reject } of this.waiting.values()) reject(error);
    this.waiting.clear();
  }
}
