/** The main thread's side of the sealing thread. */
import { Worker } from 'node:worker_threads';
import { partsOf } from '../../base/parts.js';
import { Slices } from '../../base/pause.js';
import type { LeafContext } from '../../anchoring/leaf.js';
import type { ContentSealer, ContentToSeal, SealedContent } from '../../commit/content-sealer.js';
import { packContents, unpackSealed } from './messages.js';
import type { SealingReply, SealingRequest } from './sealing-worker.js';

interface Waiting {
  readonly resolve: (sealed: SealedContent[]) => void;
  readonly reject: (error: Error) => void;
}

/** What it makes is short-lived: a small nursery keeps the thread small. */
const resourceLimits = { maxYoungGenerationSizeMb: 16 };

export class SealingThread implements ContentSealer {
  private readonly waiting = new Map<number, Waiting>();
  private worker: Worker | undefined;
  private nextId = 1;

  /** @param context of the leaves from now on. */
  constructor(private readonly context: () => LeafContext) {
    this.worker = this.start();
  }

  /** Many go in parts, so that this thread never packs or unpacks for long. */
  async seal(contents: readonly ContentToSeal[]): Promise<SealedContent[]> {
    const context = this.context();
    const slices = new Slices();
    const parts: Promise<SealedContent[]>[] = [];
    for (const part of partsOf(contents, ({ json }) => json.byteLength, atOnce)) {
      const sealed = this.sealPart(context, part);
      // It is told below, with that of all parts.
      sealed.catch(() => undefined);
      parts.push(sealed);
      await slices.turn();
    }
    return (await Promise.all(parts)).flat();
  }

  private sealPart(context: LeafContext, contents: readonly ContentToSeal[]): Promise<SealedContent[]> {
    // A thread that died is started again; what it had under way was refused.
    const worker = (this.worker ??= this.start());
    const id = this.nextId;
    this.nextId += 1;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      const packed = packContents(context, contents);
      worker.postMessage({ id, contents: packed } satisfies SealingRequest, [packed]);
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
      if ('sealed' in reply) waiting?.resolve(unpackSealed(reply.sealed));
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

/** So much is packed and sent at once. */
const atOnce = { items: 250, sizeBytes: 1024 * 1024 };
