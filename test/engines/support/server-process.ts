/** A server in a process of its own, kept running as an orchestrator does: whenever it ends, it is started again. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freePort } from './engine-process.js';

const main = fileURLToPath(new URL('../../../src/main.js', import.meta.url));
/** Between the end of a process and the next start. */
const restartMs = 300;

/** Exit status that another start would not change. */
const wrongConfiguration = 2;

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class ServerProcess {
  /** How often it was started. */
  starts = 0;
  /** What it logged of defects. */
  readonly defects: string[] = [];
  private child: ChildProcess | undefined;
  private isStopping = false;
  private output = '';
  /** What it last said of its health. */
  private health = '';

  private constructor(
    readonly port: number,
    private readonly env: NodeJS.ProcessEnv,
  ) {}

  static async start(env: NodeJS.ProcessEnv): Promise<ServerProcess> {
    const server = new ServerProcess(await freePort(), env);
    server.spawn();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** What it wrote last, for messages. */
  get lastOutput(): string {
    return this.output.slice(-3_000);
  }

  /** SIGKILL, as when the machine fails; it comes back by itself. */
  kill(): void {
    this.child?.kill('SIGKILL');
  }

  async isReady(): Promise<boolean> {
    try {
      const answer = await fetch(`${this.url}/health/ready`, { signal: AbortSignal.timeout(5_000) });
      this.health = `${answer.status} ${await answer.text()}`;
      return answer.status === 200;
    } catch (error) {
      this.health = String(error);
      return false;
    }
  }

  /** @throws Error when it is not ready in time. */
  async ready(timeoutMs: number): Promise<void> {
    for (const until = performance.now() + timeoutMs; performance.now() < until;) {
      if (await this.isReady()) return;
      if (this.child?.exitCode === wrongConfiguration) throw new Error(this.lastOutput);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    throw new Error(`the server is not ready after ${timeoutMs} ms: ${this.health}\n${this.lastOutput}`);
  }

  async stop(): Promise<void> {
    this.isStopping = true;
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 30_000);
    await exit;
    clearTimeout(timer);
  }

  private spawn(): void {
    this.starts += 1;
    const env = { ...process.env, ...this.env, PORT: String(this.port) };
    const child = spawn(process.execPath, ['--enable-source-maps', main], { env, stdio: ['ignore', 'pipe', 'pipe'] });
    this.child = child;
    running.add(child);
    const keep = (chunk: Buffer) => {
      const text = chunk.toString();
      this.output = (this.output + text).slice(-12_000);
      for (const line of text.split('\n')) if (line.includes('"event":"defect"')) this.defects.push(line);
    };
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    child.on('exit', () => {
      running.delete(child);
      if (!this.isStopping) setTimeout(() => !this.isStopping && this.spawn(), restartMs);
    });
  }
}
