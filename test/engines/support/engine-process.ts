/** A process of another engine: started on loopback, stopped by its id, gone with the test process. */
import { spawn, type ChildProcess } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';

const running = new Set<ChildProcess>();

// However the tests end: nothing is left behind.
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

/** Path of an engine's binary. @throws Error when the tests were not started by `npm run test:engines`. */
export function engineBinary(name: 'ferretdb' | 'geth' | 'ipfs'): string {
  const binaries = JSON.parse(process.env.MOORING_ENGINES ?? '{}') as Record<string, string>;
  const binary = binaries[name];
  if (binary === undefined)
    throw new Error(`where ${name} is, is not known: run these tests with npm run test:engines`);
  return binary;
}

/** Below the ports that the system gives to whoever asks for any, so that nobody takes the port of an engine or a server while that is killed. */
const firstPort = 10_000;
const lastPort = 30_000;

/** A TCP port of 127.0.0.1 that nobody listens on now. */
export async function freePort(): Promise<number> {
  for (let tries = 1; ; tries += 1) {
    const port = randomInt(firstPort, lastPort);
    const server = createServer().listen(port, '127.0.0.1');
    try {
      await once(server, 'listening');
    } catch (error) {
      if (tries === 100) throw error;
      continue;
    }
    server.close();
    await once(server, 'close');
    return port;
  }
}

export class EngineProcess {
  private child: ChildProcess | undefined;
  private output = '';

  /** @param isReady asked again and again after the start; throws or answers false while the engine does not serve yet. */
  constructor(
    private readonly command: string,
    private readonly args: readonly string[],
    private readonly env: NodeJS.ProcessEnv,
    private readonly isReady: () => Promise<boolean>,
  ) {}

  get pid(): number | undefined {
    return this.child?.pid;
  }

  /** What it wrote last, for messages. */
  get lastOutput(): string {
    return this.output.slice(-2_000);
  }

  /** Resolves when it serves. @throws Error with its output when it ended, or does not serve within a minute. */
  async start(): Promise<void> {
    const child = spawn(this.command, this.args, {
      env: { ...process.env, ...this.env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    this.child = child;
    running.add(child);
    child.on('exit', () => running.delete(child));
    const keep = (chunk: Buffer) => (this.output = (this.output + chunk.toString()).slice(-8_000));
    child.stdout.on('data', keep);
    child.stderr.on('data', keep);
    const until = performance.now() + 60_000;
    while (!(await this.isReady().catch(() => false))) {
      if (child.exitCode !== null) throw new Error(`${this.command} ended at its start:\n${this.lastOutput}`);
      if (performance.now() > until) {
        await this.kill();
        throw new Error(`${this.command} does not serve:\n${this.lastOutput}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Asks it to stop, and ends it after ten seconds. */
  async stop(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGTERM');
    const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await exit;
    clearTimeout(timer);
  }

  /** SIGKILL, as when the machine fails. */
  async kill(): Promise<void> {
    const { child } = this;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, 'exit');
    child.kill('SIGKILL');
    await exit;
  }
}
