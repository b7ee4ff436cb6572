/** The main thread's side of the writer's thread. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { CatalogUnavailable } from '../catalog.js';
import type { WriterReply, WriterRequest } from './writer.js';

type Unnumbered<T> = T extends unknown ? Omit<T, 'id'> : never;

interface Waiting {
  readonly resolve: (next: string | undefined) => void;
  readonly reject: (error: Error) => void;
}

export class WriterClient {
  private readonly waiting = new Map<number, Waiting>();
  private nextId = 1;
  private failure: Error | undefined;

  private constructor(private readonly worker: Worker) {
    worker.on('message', (reply: WriterReply) => this.settle(reply));
    worker.on('error', (error) => this.fail(error));
    worker.on('exit', () => this.fail(new Error('the writer has ended')));
  }

  /** True when the thread is gone: what was asked and not answered may have been done or not. Start another. */
  get hasEnded(): boolean {
    return this.failure !== undefined;
  }

  /** Starts the thread; its tables exist on resolve. @throws CatalogUnavailable when the file cannot be opened. */
  static async start(file: string): Promise<WriterClient> {
    const worker = new Worker(new URL('./writer.js', import.meta.url), { workerData: { file } });
    try {
      await once(worker, 'message');
    } catch (error) {
      throw new CatalogUnavailable(`SQLite catalog ${file} cannot be opened: ${(error as Error).message}`);
    }
    return new WriterClient(worker);
  }

  /**
   * Resolves when it is done, and (but for entries that need not be) durable; of a step of a sweep, with the beginning of the next.
   * @throws CatalogUnavailable, also when the thread ended before it answered: then it may have been done or not.
   */
  ask(request: Unnumbered<WriterRequest>): Promise<string | undefined> {
    if (this.failure !== undefined) return Promise.reject(new CatalogUnavailable(this.failure.message));
    const id = this.nextId;
    this.nextId += 1;
    return new Promise((resolve, reject) => {
      this.waiting.set(id, { resolve, reject });
      this.worker.postMessage({ ...request, id });
    });
  }

  async close(): Promise<void> {
    if (this.failure !== undefined) return;
    const exit = once(this.worker, 'exit');
    await this.ask({ kind: 'close' });
    await exit;
  }

  private settle({ id, next, failure }: WriterReply): void {
    const waiting = this.waiting.get(id);
    this.waiting.delete(id);
    if (failure === undefined) waiting?.resolve(next);
    else waiting?.reject(new CatalogUnavailable(failure));
  }

  private fail(error: Error): void {
    this.failure ??= error;
    for (const { reject } of this.waiting.values()) reject(new CatalogUnavailable(error.message));
    this.waiting.clear();
  }
}
