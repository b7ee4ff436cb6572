/** The file of what the embedded chain got since its last snapshot, one line of JSON each, on disk before anvil has it. */
import { type FileHandle, open } from 'node:fs/promises';
import type { Hex } from './chain.js';

/** A transaction with the time of its block (seconds since 1970), or accounts that were given funds. */
export type JournalLine =
  | { readonly kind: 'transaction'; readonly time: number; readonly raw: Hex }
  | { readonly kind: 'fund'; readonly addresses: readonly Hex[] };

/** Append-only; one writer. */
export class JournalFile {
  readonly #handle: FileHandle;
  #lineCount: number;

  private constructor(handle: FileHandle, lineCount: number) {
    this.#handle = handle;
    this.#lineCount = lineCount;
  }

  /** Opens or creates the file, and reads its lines; a last line that a crash cut is dropped, for it was never sent. */
  static async open(path: string): Promise<{ file: JournalFile; lines: JournalLine[] }> {
    const handle = await open(path, 'a+', 0o600);
    const text = await handle.readFile('utf8');
    const whole = text.slice(0, text.lastIndexOf('\n') + 1);
    if (whole.length < text.length) await handle.truncate(Buffer.byteLength(whole));
    const lines = whole.split('\n').filter((line) => line !== '');
    const file = new JournalFile(handle, lines.length);
    return { file, lines: lines.map((line) => JSON.parse(line) as JournalLine) };
  }

  get lineCount(): number {
    return this.#lineCount;
  }

  /** Durable when it resolves. */
  async append(line: JournalLine): Promise<void> {
    await this.#handle.appendFile(`${JSON.stringify(line)}\n`);
    await this.#handle.datasync();
    this.#lineCount += 1;
  }

  /** Forgets all lines: a snapshot has them. */
  async clear(): Promise<void> {
    await this.#handle.truncate(0);
    this.#lineCount = 0;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}
