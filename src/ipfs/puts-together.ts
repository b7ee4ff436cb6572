/** `put` calls that arrive while another write goes on share the next one. */
import { BlockStoreUnavailable, type SealedBlock } from './block-store.js';

interface Waiting {
  readonly blocks: readonly SealedBlock[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class PutsTogether {
  private waiting: Waiting[] = [];
  private isDraining = false;

  /**
   * @param exclusively runs a task when nothing else changes the store.
   * @param write makes blocks durable.
   */
  constructor(
    private readonly exclusively: (task: () => Promise<void>) => Promise<void>,
    private readonly write: (blocks: readonly SealedBlock[]) => Promise<void>,
  ) {}

  /** Durable when it resolves. @throws BlockStoreUnavailable; then so do the calls that shared the write. */
  put(blocks: readonly SealedBlock[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ blocks, resolve, reject });
      this.drain();
    });
  }

  private drain(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    void this.exclusively(async () => {
      this.isDraining = false;
      const group = this.waiting;
      this.waiting = [];
      try {
        await this.write(group.flatMap(({ blocks }) => blocks));
      } catch (error) {
        const failure = new BlockStoreUnavailable(`blocks could not be written: ${(error as Error).message}`);
        for (const { reject } of group) reject(failure);
        return;
      }
      for (const { resolve } of group) resolve();
    });
  }
}
