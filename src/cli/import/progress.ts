/** Progress of an import on a terminal (a bar that is redrawn) or in a log (a line every ten seconds), and its summary. */
import type { WriteStream } from 'node:tty';

export class Progress {
  readonly refusals: { name: string; reason: string }[] = [];
  private takenCount = 0;
  private filesDone = 0;
  private fileCount = 0;
  private readonly startedAt = performance.now();
  private shownAt = 0;

  constructor(private readonly stream: WriteStream | NodeJS.WritableStream) {}

  expect(files: number): void {
    this.fileCount = files;
  }

  taken(resources: number): void {
    this.takenCount += resources;
    this.show();
  }

  refused(name: string, reason: string): void {
    this.refusals.push({ name, reason });
    this.show();
  }

  fileDone(): void {
    this.filesDone += 1;
    this.show();
  }

  /** Prints the summary: counts, rate, and each refusal with its reason (the first hundred). */
  end(): void {
    const seconds = (performance.now() - this.startedAt) / 1000;
    const rate = Math.round(this.takenCount / Math.max(seconds, 0.001));
    const lines = [
      `${this.clearLine()}${this.takenCount} resources taken, ${this.refusals.length} refused, ${this.filesDone} of ${this.fileCount} files, ${seconds.toFixed(1)} s, ${rate} resources/s`,
      ...this.refusals.slice(0, 100).map(({ name, reason }) => `  refused ${name}: ${reason}`),
      ...(this.refusals.length > 100 ? [`  and ${this.refusals.length - 100} more`] : []),
    ];
    this.stream.write(`${lines.join('\n')}\n`);
  }

  private show(): void {
    const now = performance.now();
    const isTerminal = 'isTTY' in this.stream && this.stream.isTTY;
    if (now - this.shownAt < (isTerminal ? 100 : 10_000)) return;
    this.shownAt = now;
    const share = this.fileCount === 0 ? 0 : this.filesDone / this.fileCount;
    const bar = '#'.repeat(Math.round(share * 30)).padEnd(30, '.');
    const rate = Math.round(this.takenCount / ((now - this.startedAt) / 1000));
    const line = `[${bar}] ${this.filesDone}/${this.fileCount} files, ${this.takenCount} resources, ${rate}/s, ${this.refusals.length} refused`;
    this.stream.write(isTerminal ? `\r${line}\x1b[K` : `${line}\n`);
  }

  private clearLine(): string {
    return 'isTTY' in this.stream && this.stream.isTTY ? '\r\x1b[K' : '';
  }
}
