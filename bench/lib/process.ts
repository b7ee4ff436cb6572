/** The server under measurement, in a process of its own, on an empty folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

export class ServerProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly origin: string,
    /** Milliseconds from spawn to the first answer of /fhir/metadata. */
    readonly startMs: number,
  ) {}

  static async start(dataDir: string, env: Record<string, string> = {}): Promise<ServerProcess> {
    const port = await freePort();
    const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));
    const startedAt = performance.now();
    const child = spawn(process.execPath, [main], {
      env: { ...process.env, PORT: String(port), DATA_DIR: dataDir, LOG_LEVEL: 'error', ...env },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    const origin = `http://127.0.0.1:${port}`;
    for (;;) {
      if (child.exitCode !== null) throw new Error(`the server ended with status ${child.exitCode}`);
      const isReady = await fetch(`${origin}/fhir/metadata`).then(
        (answer) => answer.arrayBuffer().then(() => answer.ok),
        () => false,
      );
      if (isReady) return new ServerProcess(child, origin, performance.now() - startedAt);
      if (performance.now() - startedAt > 60_000) throw new Error('the server was not ready within 60 s');
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** Resident memory now and at its highest, MiB (Linux). */
  memory(): { nowMiB: number; peakMiB: number } {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    const of = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
    return { nowMiB: of('VmRSS'), peakMiB: of('VmHWM') };
  }

  /** SIGTERM, and the exit status. */
  async stop(): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    return ended;
  }
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as { port: number };
      probe.close(() => resolve(port));
    });
  });
}
