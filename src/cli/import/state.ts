/** Which part of which file was already imported into which server: a small append-only file, so that an import can be resumed. */
import { createHash } from 'node:crypto';
import { appendFileSync, existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';

export class ImportState {
  private readonly consumed = new Map<string, number>();

  /** @param file where the state is kept; @param server base URL that it is about. */
  constructor(
    private readonly file: string,
    private readonly server: string,
  ) {
    if (!existsSync(file)) return;
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const [key, count] = line.split(' ');
      if (count !== undefined && /^[0-9]+$/.test(count)) this.consumed.set(key, Number(count));
    }
  }

  /** How much of `source` (entries or lines) was acknowledged. A changed file starts anew. */
  consumedOf(source: string): number {
    return this.consumed.get(this.keyOf(source)) ?? 0;
  }

  /** To be called after the server acknowledged. */
  note(source: string, consumed: number): void {
    const key = this.keyOf(source);
    this.consumed.set(key, consumed);
    mkdirSync(path.dirname(this.file), { recursive: true });
    appendFileSync(this.file, `${key} ${consumed}\n`);
  }

  private keyOf(source: string): string {
    const { size, mtimeMs } = statSync(source);
    const identity = [this.server, path.resolve(source), size, mtimeMs].join('\n');
    return createHash('sha256').update(identity).digest('hex').slice(0, 32);
  }
}
