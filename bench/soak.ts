/**
 * `npm run soak [-- --seconds N --rate N]` (or SOAK_SECONDS): a server of its own under the same mixed load for half an hour, and what changes meanwhile:
 * memory, handles, and the slowest hundredth of the answers at the beginning and at the end. Ends with status 1 when something grows beyond its bound.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { systemClock } from '../src/base/clock.js';
import { TokenIssuer } from '../src/smart/token-issuer.js';
import type { LoadRequest } from './lib/load.js';
import { ServerProcess } from './lib/process.js';
import { MixedLoad } from './lib/mixed-load.js';
import { number, printTable, type Row } from './lib/table.js';

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'soak'),
  options: {
    seconds: { type: 'string', default: process.env.SOAK_SECONDS ?? '1800' },
    rate: { type: 'string', default: '100' },
  },
});
const seconds = Number(options.seconds);
const perSecond = Number(options.rate);
/** The whole is cut into so many parts; the first is not counted: caches fill, code is compiled. */
const parts = 10;
const bounds = { p99: 1.2, memory: 1.15, handles: 16 };

interface Part {
  readonly times: number[];
  /** Resident MiB, and open files, as they were sampled. */
  readonly memory: number[];
  readonly handles: number[];
}

const dataDir = mkdtempSync(path.join(tmpdir(), 'mooring-soak-'));
const server = await ServerProcess.start(dataDir, { DEFAULT_CONSENT: 'permit' });
const issuer = await TokenIssuer.open(path.join(dataDir, 'keys'));
const token = await issuer.issue(
  { actor: 'Organization/self', scope: 'system/*.cruds', purpose: 'TREAT', expiresInSeconds: 86_400 },
  systemClock,
);
const pool = new Pool(server.origin, { connections: 16, pipelining: 1 });
const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/fhir+json' };
const failures = new Map<string, number>();

async function send({ method, path: target, body }: LoadRequest): Promise<string> {
  const answer = await pool.request({ method, path: target, headers, ...(body === undefined ? {} : { body }) });
  const text = await answer.body.text();
  if (answer.statusCode >= 300) {
    const kind = `${method} ${answer.statusCode}`;
    failures.set(kind, (failures.get(kind) ?? 0) + 1);
  }
  return text;
}

const mixed = new MixedLoad(send);
await mixed.fill(500);

const collected: Part[] = Array.from({ length: parts }, () => ({ times: [], memory: [], handles: [] }));
const startedAt = performance.now();
const partNow = () =>
  collected[Math.min(parts - 1, Math.floor(((performance.now() - startedAt) / 1000 / seconds) * parts))]!;
const sampler = setInterval(() => {
  const { memory, handles } = partNow();
  memory.push(server.memory().nowMiB);
  handles.push(readdirSync(`/proc/${server.pid}/fd`).length);
}, 1_000);

const underWay = new Set<Promise<void>>();
for (let sent = 0; performance.now() - startedAt < seconds * 1000; sent += 1) {
  const dueMs = startedAt + (sent / perSecond) * 1000 - performance.now();
  if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs));
  const { times } = partNow();
  const sentAt = performance.now();
  const task = mixed.next(sent).then(() => void times.push(performance.now() - sentAt));
  underWay.add(task);
  void task.finally(() => underWay.delete(task));
}
await Promise.all(underWay);
clearInterval(sampler);
await pool.close();
const status = await server.stop();
rmSync(dataDir, { recursive: true });

const [begin, end] = [collected[1]!, collected[parts - 1]!];
const rows: Row[] = [
  {
    name: 'requests',
    value: number(collected.reduce((sum, { times }) => sum + times.length, 0)),
    note: mixed.summary(),
  },
  compared('p50 of the second tenth, and of the last', at(begin.times, 0.5), at(end.times, 0.5), 'ms'),
  compared('p99 of the second tenth, and of the last', at(begin.times, 0.99), at(end.times, 0.99), 'ms', bounds.p99),
  compared(
    'memory: middle of the second tenth, and of the last',
    at(begin.memory, 0.5),
    at(end.memory, 0.5),
    'MiB',
    bounds.memory,
  ),
  { name: 'open files: second tenth, last', value: `${Math.max(...begin.handles)}, ${Math.max(...end.handles)}` },
];
printTable(`Soak: ${number(seconds)} s of mixed load, ${number(perSecond)} requests a second`, rows);
const problems = [
  ...[...failures].map(([kind, count]) => `${count} answers were ${kind}`),
  ...(status === 0 ? [] : [`the server ended with status ${status}`]),
  ...(at(end.times, 0.99) > bounds.p99 * at(begin.times, 0.99) ? ['the slowest hundredth became slower'] : []),
  ...(at(end.memory, 0.5) > bounds.memory * at(begin.memory, 0.5) ? ['memory grew'] : []),
  ...(Math.max(...end.handles) > Math.max(...begin.handles) + bounds.handles ? ['handles leaked'] : []),
];
for (const problem of problems) console.log(`FAILED  ${problem}`);
process.exitCode = problems.length > 0 ? 1 : 0;

function at(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function compared(name: string, first: number, last: number, unit: string, bound?: number): Row {
  const ratio = `${(last / first).toFixed(2)} times${bound === undefined ? '' : `; at most ${bound}`}`;
  return { name, value: `${number(first)}, ${number(last)} ${unit}`, note: ratio };
}
