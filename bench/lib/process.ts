/** The server under measurement, in a process of its own, on an empty folder. */
import { spawn, type ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

export class ServerProcess {
  private constructor(
    private readonly child: ChildProcess,
    readonly origin: string,
    /** Milliseconds from spawn to the first answer of /fhir/metadata. */
    readonly startMs: number,
  ) {}

  /** @param nodeOptions of its Node: `--cpu-prof` and the like. */
  static async start(
    dataDir: string,
    env: Record<string, string> = {},
    nodeOptions: readonly string[] = [],
  ): Promise<ServerProcess> {
    const port = await freePort();
    const main = fileURLToPath(new URL('../../src/main.js', import.meta.url));
    const startedAt = performance.now();
    const child = spawn(process.execPath, [...nodeOptions, main], {
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
      await pause(10);
    }
  }

  get pid(): number {
    return this.child.pid as number;
  }

  /** Resident memory now and at its highest, MiB (Linux). */
  memory(): { nowMiB: number; peakMiB: number } {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    const of = (field: string) => Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]) / 1024;
    return { nowMiB: of('VmRSS'), peakMiB: of('VmHWM') };
  }

  threadsMs(): ThreadTimes {
    return threadsMs(this.child.pid as number);
  }

  processorMs(): ProcessorTime {
    return processorMs(this.child.pid as number);
  }

  /** SIGKILL to the server, and with its embedded chain too if asked; returns when they are gone. */
  async kill({ withChain }: { withChain: boolean }): Promise<void> {
    const victims = [this.child.pid as number, ...(withChain ? childrenOf(this.child.pid as number) : [])];
    for (const pid of victims) process.kill(pid, 'SIGKILL');
    while (this.child.exitCode === null && this.child.signalCode === null) await pause(5);
    while (victims.slice(1).some(isAlive)) await pause(5);
  }

  /** SIGTERM, and the exit status. */
  async stop(): Promise<number | null> {
    const ended = new Promise<number | null>((resolve) => this.child.once('exit', resolve));
    this.child.kill('SIGTERM');
    return ended;
  }
}

/** Processor time in milliseconds: of the main thread, and of all threads. */
export interface ProcessorTime {
  readonly main: number;
  readonly all: number;
}

/** Processor time of a process so far (Linux). */
export function processorMs(pid: number): ProcessorTime {
  const of = (file: string) => {
    const fields = readFileSync(file, 'utf8').split(') ')[1].split(' ');
    return (Number(fields[11]) + Number(fields[12])) * 10;
  };
  return { main: of(`/proc/${pid}/task/${pid}/stat`), all: of(`/proc/${pid}/stat`) };
}

/** Processor time in milliseconds by what threads are for. */
export type ThreadTimes = Readonly<Record<'main' | 'V8' | 'pool' | 'writer' | 'sealing', number>>;

/** Processor time of the server's threads so far, told apart by the order in which they start (Linux, Node 20). */
export function threadsMs(pid: number): ThreadTimes {
  const times = readdirSync(`/proc/${pid}/task`)
    .map(Number)
    .sort((a, b) => a - b)
    .map((thread) => readFileSync(`/proc/${pid}/task/${thread}/stat`, 'utf8'))
    .filter((stat) => !stat.includes('(tokio'))
    .map((stat) => stat.split(') ')[1].split(' '))
    .map((fields) => (Number(fields[11]) + Number(fields[12])) * 10);
  const sum = (from: number, until: number) => times.slice(from, until).reduce((all, ms) => all + ms, 0);
  return { main: times[0], V8: sum(1, 6), pool: sum(6, -2), writer: sum(-2, -1), sealing: times.at(-1)! };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Direct children of a process (Linux). */
function childrenOf(pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean).map(Number);
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
