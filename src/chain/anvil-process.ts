/** Runs anvil's own binary (not its npm wrapper, which would stand between us and its signals). */
import { type ChildProcess, spawn } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import { ChainUnavailable } from './chain.js';

export interface AnvilProcess {
  readonly port: number;
  /** Resolves when anvil is gone, for whatever reason. */
  readonly exited: Promise<void>;
  /** Ends it at once: its memory is of no value, for snapshot and journal have everything. */
  kill(): Promise<void>;
}

/** Path of the binary in the platform's package. @throws Error when the platform has none. */
function anvilBinary(): string {
  const architecture = process.arch === 'x64' ? 'amd64' : process.arch;
  const require = createRequire(import.meta.url);
  const manifest = require.resolve(`@foundry-rs/anvil-${process.platform}-${architecture}/package.json`);
  return path.join(path.dirname(manifest), 'bin', process.platform === 'win32' ? 'anvil.exe' : 'anvil');
}

/**
 * A shell stands beside anvil and ends it when this process ends in any way, `kill -9` included: it waits for the end of a pipe that only we
 * hold. It exits when anvil does.
 */
const WATCH = `exec 3<&0
"$@" 3<&- </dev/null &
anvil=$!
{ cat <&3; kill -9 $anvil; } >/dev/null 2>&1 &
exec 3<&-
wait $anvil
kill $! 2>/dev/null`;

/**
 * Starts anvil on a loopback port; 0 takes a free one.
 *
 * @throws ChainUnavailable when it does not listen within `timeoutMs`.
 */
export async function startAnvil(port: number, args: readonly string[], timeoutMs: number): Promise<AnvilProcess> {
  const command = [anvilBinary(), '--host', '127.0.0.1', '--port', String(port), ...args];
  const child =
    process.platform === 'win32'
      ? spawn(command[0] as string, command.slice(1))
      : spawn('/bin/sh', ['-c', WATCH, 'sh', ...command]);
  const exited = new Promise<void>((resolve) => {
    child.once('error', () => resolve());
    child.once('exit', () => {
      child.stdin.destroy();
      resolve();
    });
  });
  child.stdin.on('error', () => undefined);
  const kill = async () => {
    child.stdin.destroy();
    if (process.platform === 'win32') child.kill();
    await exited;
  };
  try {
    return { port: await listeningPort(child, timeoutMs), exited, kill };
  } catch (problem) {
    await kill();
    throw problem;
  }
}

function listeningPort(child: ChildProcess, timeoutMs: number): Promise<number> {
  return new Promise((resolve, reject) => {
    let output = '';
    const fail = (why: string) => {
      clearTimeout(timer);
      reject(new ChainUnavailable(`anvil ${why}: ${output.slice(-500).trim()}`));
    };
    const timer = setTimeout(() => fail(`does not listen within ${timeoutMs} ms`), timeoutMs);
    const read = (chunk: Buffer) => {
      // Later output is read, for a full pipe would stop anvil, and dropped.
      if (output.length > 20_000) return;
      output += chunk.toString('utf8');
      const match = /Listening on 127\.0\.0\.1:(\d+)/.exec(output);
      if (match === null) return;
      clearTimeout(timer);
      resolve(Number(match[1]));
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('error', (problem) => fail(`does not start (${problem.message})`));
    child.once('exit', () => fail('ended'));
  });
}
