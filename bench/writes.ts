/**
 * `npm run bench -- writes --data DIR [--resources N] [--creates N] [--profile FOLDER]`: transactions and creates on a copy of a folder that
 * `npm run bench -- --keep DIR` left, with the processor time that each thread of the server spends on a resource: that says more than the rate on
 * a machine with other work.
 */
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/base/clock.js';
import { TokenIssuer } from '../src/smart/token-issuer.js';
import { load, type LoadRequest } from './lib/load.js';
import { ServerProcess, type ThreadTimes } from './lib/process.js';
import { number, printTable, type Row } from './lib/table.js';
import { Written } from './lib/written.js';

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'writes'),
  options: {
    data: { type: 'string' },
    resources: { type: 'string', default: '10000' },
    creates: { type: 'string', default: '2000' },
    /** Takes a profile of each thread; the profiler's own threads make what each costs unreliable. */
    profile: { type: 'string' },
  },
});
if (options.data === undefined)
  throw new Error('--data DIR is missing: a folder that `npm run bench -- --keep DIR` left');
const dataDir = mkdtempSync(`${path.resolve(options.data)}-copy-`);
cpSync(options.data, dataDir, { recursive: true });
const connections = 8;
const rows: Row[] = [];
const failures: string[] = [];
const issuer = await TokenIssuer.open(path.join(dataDir, 'keys'));
const token = await issuer.issue(
  { actor: 'Organization/self', scope: 'system/*.cruds', purpose: 'TREAT', expiresInSeconds: 86_400 },
  systemClock,
);
const written = new Written();
const patients: string[] = [];

async function transactions(server: ServerProcess, resources: number): Promise<number> {
  let loaded = 0;
  const next = (): LoadRequest | undefined => {
    if (loaded >= resources) return undefined;
    const { request, resources: more } = written.transaction();
    loaded += more;
    return request;
  };
  await answered(server, next, (body) => {
    for (const [, id] of body.matchAll(/"location":"(?:[^"]*\/)?(Patient\/[^/"]+)\/_history\/1"/g)) patients.push(id);
  });
  return loaded;
}

async function creates(server: ServerProcess, count: number): Promise<number> {
  let index = 0;
  await answered(server, () => (index < count ? written.creation(patients, index++) : undefined));
  return index;
}

async function answered(server: ServerProcess, next: () => LoadRequest | undefined, seen?: (body: string) => void) {
  const result = await load(server.origin, token, connections, next, seen);
  if (result.failures > 0) failures.push(result.firstFailure!);
}

/** Does the work once, and says what it cost from then on. */
async function measured(name: string, server: ServerProcess, work: () => Promise<number>): Promise<void> {
  const startedAt = performance.now();
  const before = server.threadsMs();
  const count = await work();
  // What was written goes on costing until it is in the tables.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const after = server.threadsMs();
  const names = Object.keys(before) as (keyof ThreadTimes)[];
  const each = (ms: number) => `${Math.round((1000 * ms) / count)}`;
  const spent = names.map((thread) => `${thread} ${each(after[thread] - before[thread])}`).join(', ');
  const all = names.reduce((sum, thread) => sum + after[thread] - before[thread], 0);
  const perSecond = count / ((performance.now() - startedAt - 1000) / 1000);
  rows.push({ name, value: `${each(all)} us`, note: `${number(perSecond)}/s; ${spent}` });
}

try {
  const profiling =
    options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${path.resolve(options.profile)}`];
  const server = await ServerProcess.start(dataDir, {}, profiling);
  // What is compiled meanwhile is not counted.
  await transactions(server, 3000);
  await measured('a resource in a transaction', server, () => transactions(server, Number(options.resources)));
  await creates(server, 300);
  await measured('a create', server, () => creates(server, Number(options.creates)));
  const { nowMiB, peakMiB } = server.memory();
  rows.push({ name: 'memory', value: `${number(nowMiB)} MiB`, note: `peak ${number(peakMiB)} MiB` });
  await server.stop();
} finally {
  rmSync(dataDir, { recursive: true });
}
printTable(`Writes, ${connections} connections: processor time a resource, of which each thread`, rows);
for (const failure of failures) console.log(`FAILED  ${failure}`);
process.exitCode = failures.length > 0 ? 1 : 0;
