/**
 * Copies SQLite's write-ahead log into the database beside the writer, so that no commit waits for it.
 *
 * First what can be copied while the writer goes on (PASSIVE), then the little that came meanwhile, after which the log begins anew (RESTART).
 * When this fails the log grows until the next attempt; at ten times the size the writer does it by itself. Spec: https://sqlite.org/wal.html#ckpt
 */
import Database from 'libsql/promise';

/** Pages in the log that are worth a checkpoint. */
export const checkpointPages = 16_000;

export class Checkpointer {
  private readonly database: Database;
  private pages = 0;
  private isUnderWay = false;
  private work: Promise<unknown> = Promise.resolve();

  constructor(
    file: string,
    private readonly enoughPages = checkpointPages,
  ) {
    this.database = new Database(file, { timeout: 5_000 });
  }

  /** Told of about how many pages a commit wrote; begins a checkpoint when there are enough. */
  wrote(pages: number): void {
    this.pages += pages;
    if (this.pages < this.enoughPages || this.isUnderWay) return;
    this.pages = 0;
    this.isUnderWay = true;
    void this.without(() => this.checkpoint())
      .catch(() => undefined)
      .finally(() => {
        this.isUnderWay = false;
      });
  }

  /** Runs `task` while no checkpoint is under way: for what makes one of its own. */
  without<T>(task: () => Promise<T>): Promise<T> {
    const run = this.work.then(task);
    this.work = run.catch(() => undefined);
    return run;
  }

  async close(): Promise<void> {
    await this.work;
    this.database.close();
  }

  private async checkpoint(): Promise<void> {
    await this.database.exec('PRAGMA wal_checkpoint(PASSIVE)');
    await this.database.exec('PRAGMA wal_checkpoint(RESTART)');
  }
}
