/**
 * `npm run bench -- migrate [--resources N | --data FOLDER]`: `mooring migrate` of a stopped server to a MongoDB wire server and Kubo, and back into
 * another folder. Loads its own resources, or takes a copy of the DATA_DIR of a stopped server. Needs Go, once, to build the engines (tools/engines).
 */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startWireServer } from '../test/engines/support/ferretdb.js';
import { startKubo } from '../test/engines/support/kubo.js';
import { processorMs, ServerProcess } from './lib/process.js';
import { number, printTable, type Row } from './lib/table.js';
import { loadTransactions } from './lib/transactions.js';

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'migrate'),
  options: { resources: { type: 'string', default: '20000' }, data: { type: 'string' } },
});
const main = fileURLToPath(new URL('../src/cli/mooring.js', import.meta.url));
const aim = 1_500;

interface Move {
  readonly versions: number;
  /** Wall clock, and the processor time of the command itself. */
  readonly movedSeconds: number;
  readonly allSeconds: number;
  readonly processorSeconds: number;
}

/** Runs the command. @throws Error with what it said when it fails. */
async function migrate(env: NodeJS.ProcessEnv): Promise<Move> {
  const startedAt = performance.now();
  const child = spawn(process.execPath, [main, 'migrate'], { env, stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  let used = 0;
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (text += chunk.toString()));
  const watch = setInterval(() => {
    if (child.exitCode === null) used = processorMs(child.pid as number).all;
  }, 100);
  const code = await new Promise<number | null>((resolve) => child.once('exit', resolve));
  clearInterval(watch);
  const [, versions, seconds] = /(\d+) versions up to entry \d+, moved in ([\d.]+) s/.exec(text) ?? [];
  if (code !== 0 || versions === undefined) throw new Error(`mooring migrate ended with ${code}:\n${text}`);
  const allSeconds = (performance.now() - startedAt) / 1000;
  return { versions: Number(versions), movedSeconds: Number(seconds), allSeconds, processorSeconds: used / 1000 };
}

async function loaded(dataDir: string): Promise<void> {
  const server = await ServerProcess.start(dataDir);
  try {
    await loadTransactions(server, dataDir, Number(options.resources));
  } finally {
    await server.stop();
  }
}

const dataDir = mkdtempSync(path.join(tmpdir(), 'mooring-migrate-'));
if (options.data === undefined) await loaded(dataDir);
else cpSync(options.data, dataDir, { recursive: true });
const back = mkdtempSync(path.join(tmpdir(), 'mooring-migrate-back-'));
const [wire, kubo] = await Promise.all([startWireServer(), startKubo()]);
try {
  const env = { ...process.env, DATA_DIR: dataDir };
  const out = await migrate({ ...env, TARGET_MONGODB_URL: wire.url, TARGET_KUBO_URLS: kubo.url });
  const home = await migrate({ ...env, MONGODB_URL: wire.url, KUBO_URLS: kubo.url, TARGET_DATA_DIR: back });
  const described = (name: string, { versions, movedSeconds, allSeconds, processorSeconds }: Move): Row[] => [
    { name, value: `${number(versions / movedSeconds)}/s`, note: `${number(versions)} versions; aim ${aim}/s` },
    {
      name: '  each compared, start and end',
      value: `${number(versions / allSeconds)}/s`,
      note: `${number(allSeconds)} s in all; ${number((processorSeconds * 1e3) / versions)} ms of its processor time each`,
    },
  ];
  printTable('mooring migrate', [
    ...described('embedded -> MongoDB wire server and Kubo', out),
    ...described('MongoDB wire server and Kubo -> embedded', home),
  ]);
} finally {
  await Promise.all([wire.stop(), kubo.stop()]);
  rmSync(dataDir, { recursive: true, force: true });
  rmSync(back, { recursive: true, force: true });
}
