/** `mooring validator` in a process of its own, which can be killed and started again. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Disagreement } from '../../../src/anchoring/validator-node/examine.js';

const mooring = fileURLToPath(new URL('../../../src/cli/mooring.js', import.meta.url));

export class ValidatorProcess {
  #child: ChildProcess | undefined;

  /** @param server address without /fhir. @param more arguments of the command. */
  constructor(
    private readonly folder: string,
    private readonly port: number,
    private readonly server: string,
    private readonly more: readonly string[] = [],
  ) {}

  #arguments(): string[] {
    return [mooring, 'validator', '--dir', this.folder, '--port', String(this.port)];
  }

  /** Its entry for the file that VALIDATORS names. */
  async describe(): Promise<object> {
    const child = spawn(process.execPath, [...this.#arguments(), '--describe'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    for await (const chunk of child.stdout) text += String(chunk);
    return JSON.parse(text) as object;
  }

  /** Resolves when it listens. */
  async start(): Promise<void> {
    const env = { ...process.env, LOG_LEVEL: 'error' };
    const child = spawn(process.execPath, [...this.#arguments(), '--server', this.server, ...this.more], {
      env,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    this.#child = child;
    await new Promise<void>((resolve, reject) => {
      child.stdout.once('data', () => resolve());
      child.once('exit', (code) => reject(new Error(`the validator ended with ${code}`)));
    });
  }

  /** Asks it to end, and waits until it did. */
  stop(): Promise<void> {
    return this.#end('SIGTERM');
  }

  /** Ends it without warning. */
  kill(): Promise<void> {
    return this.#end('SIGKILL');
  }

  /** What it wrote of judgements other than the server's. */
  disagreements(): Disagreement[] {
    try {
      const lines = readFileSync(path.join(this.folder, 'disagreements.jsonl'), 'utf8').trimEnd().split('\n');
      return lines.map((line) => JSON.parse(line) as Disagreement);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (child === undefined || child.exitCode !== null) return;
    const ended = new Promise((resolve) => child.once('exit', resolve));
    child.kill(signal);
    await ended;
  }
}
