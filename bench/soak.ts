/**
 * `npm run soak [-- --seconds N --rate N --warm N]` (or SOAK_SECONDS): a server of its own under the same mixed load for half an hour, and what changes
 * meanwhile: memory, handles, processor time of a request, and the slowest hundredth of the answers at the beginning and at the end. Ends with status 1
 * when something grows beyond its bound. Before it, so many requests (`--warm`) as fast as they are answered fill the caches, which are bounded.
 *
 * A bare Express server is asked beside it: where its slowest hundredth became slower too, so much is the machine's.
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
import { startExpress } from './lib/yardstick.js';

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'soak'),
  options: {
    seconds: { type: 'string', default: process.env.SOAK_SECONDS ?? '1800' },
    rate: { type: 'string', default: '100' },
    warm: { type: 'string', default: '60000' },
  },
});
const seconds = Number(options.seconds);
const perSecond = Number(options.rate);
const warm = Number(options.warm);
/** The whole is cut into so many parts; the first is not counted: caches fill, code is compiled. */
const parts = 10;
const bounds = { p99: 1.2, memory: 1.15, handles: 16, processor: 1.2 };
/** A server that cannot keep up gets less, instead of a queue that measures itself. */
const mostUnderWay = 32;
const yardstickEveryMs = 100;

interface Part {
  readonly times: number[];
  /** Of the bare server. */
  readonly bareTimes: number[];
  /** Milliseconds of the server's processor time in the part. */
  processorMs: number;
  /** Resident MiB, and open files, as they were sampled. */
  readonly memory: number[];
  readonly handles: number[];
  /** MiB of JavaScript's heap, and outside of it, as the server's own metrics tell. */
  readonly heap: number[];
  readonly external: number[];
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

const collected: Part[] = Array.from({ length: parts }, () => ({
  times: [],
  bareTimes: [],
  processorMs: 0,
  memory: [],
  handles: [],
  heap: [],
  external: [],
}));
let startedAt = Infinity;
const partNow = () =>
  collected[Math.min(parts - 1, Math.floor(((performance.now() - startedAt) / 1000 / seconds) * parts))]!;

async function send({ method, path: target, body }: LoadRequest): Promise<string> {
  const sentAt = performance.now();
  const answer = await pool.request({ method, path: target, headers, ...(body === undefined ? {} : { body }) });
  const text = await answer.body.text();
  // Filling is not measured.
  if (sentAt >= startedAt) partNow().times.push(performance.now() - sentAt);
  if (answer.statusCode >= 300) {
    const kind = `${method} ${answer.statusCode}`;
    failures.set(kind, (failures.get(kind) ?? 0) + 1);
  }
  return text;
}

/** Resolves when the request of this number is on its way. */
async function launch(index: number): Promise<void> {
  while (underWay.size >= mostUnderWay) await Promise.race(underWay);
  const task = mixed.next(index);
  underWay.add(task);
  void task.finally(() => underWay.delete(task));
}

const mixed = new MixedLoad(send);
await mixed.fill(500);
const underWay = new Set<Promise<void>>();
const coldMiB = server.memory().nowMiB;
for (let sent = 0; sent < warm; sent += 1) await launch(sent);
await Promise.all(underWay);
mixed.countAnew();

const yardstick = await startExpress();
startedAt = performance.now();
let processorSoFar = server.processorMs().all;
const sampler = setInterval(() => {
  const part = partNow();
  part.memory.push(server.memory().nowMiB);
  part.handles.push(readdirSync(`/proc/${server.pid}/fd`).length);
  const all = server.processorMs().all;
  part.processorMs += all - processorSoFar;
  processorSoFar = all;
}, 1_000);
const scraper = setInterval(() => {
  const { heap, external } = partNow();
  void fetch(`${server.origin}/metrics`, { headers: { authorization: headers.authorization } })
    .then((answer) => answer.text())
    .then((text) => {
      const of = (name: string) => Number(new RegExp(`^${name} (\\d+)`, 'm').exec(text)?.[1]) / 2 ** 20;
      heap.push(of('nodejs_heap_size_used_bytes'));
      external.push(of('nodejs_external_memory_bytes'));
    });
}, 5_000);
const asker = setInterval(() => {
  const { bareTimes } = partNow();
  const askedAt = performance.now();
  void fetch(`${yardstick.origin}/json`)
    .then((answer) => answer.arrayBuffer())
    .then(() => bareTimes.push(performance.now() - askedAt));
}, yardstickEveryMs);

for (let sent = 0; performance.now() - startedAt < seconds * 1000; sent += 1) {
  const dueMs = startedAt + (sent / perSecond) * 1000 - performance.now();
  if (dueMs > 0) await new Promise((resolve) => setTimeout(resolve, dueMs));
  await launch(warm + sent);
}
await Promise.all(underWay);
clearInterval(sampler);
clearInterval(scraper);
clearInterval(asker);
yardstick.child.kill();
await pool.close();
const status = await server.stop();
rmSync(dataDir, { recursive: true });

const [begin, end] = [collected[1]!, collected[parts - 1]!];
const p99 = { begin: at(begin.times, 0.99), end: at(end.times, 0.99) };
const bare = { begin: at(begin.bareTimes, 0.99), end: at(end.bareTimes, 0.99) };
const memory = { begin: at(begin.memory, 0.5), end: at(end.memory, 0.5) };
const handles = { begin: Math.max(...begin.handles), end: Math.max(...end.handles) };
const processor = { begin: begin.processorMs / begin.times.length, end: end.processorMs / end.times.length };
const answered = collected.reduce((sum, { times }) => sum + times.length, 0);
const rows: Row[] = [
  { name: 'requests', value: number(answered), note: mixed.summary() },
  { name: 'rate', value: `${number(answered / seconds)}/s`, note: `asked for: ${number(perSecond)}/s` },
  compared('p50', { begin: at(begin.times, 0.5), end: at(end.times, 0.5) }, 'ms'),
  compared('p99', p99, 'ms', bounds.p99),
  compared('p99 of a bare Express server beside it', bare, 'ms'),
  compared('processor time a request', processor, 'ms', bounds.processor),
  { name: 'memory before the caches are filled', value: `${number(coldMiB)} MiB` },
  compared('memory, middle', memory, 'MiB', bounds.memory),
  {
    name: '  of each tenth',
    value: '',
    note: collected.map((part) => number(at(part.memory, 0.5))).join(', '),
  },
  {
    name: '  heap, least of each tenth',
    value: '',
    note: collected.map((part) => number(at(part.heap, 0))).join(', '),
  },
  {
    name: '  outside of the heap, middle',
    value: '',
    note: collected.map((part) => number(at(part.external, 0.5))).join(', '),
  },
  { name: 'open files, most', value: `${handles.begin}, ${handles.end}` },
];
printTable(`Soak: ${number(seconds)} s of mixed load; second tenth and last tenth`, rows);
const grew = ({ begin: first, end: last }: Change, bound: number) => last > bound * first;
const machine = Math.max(1, bare.end / bare.begin);
const problems = [
  ...[...failures].map(([kind, count]) => `${count} answers were ${kind}`),
  ...(status === 0 ? [] : [`the server ended with status ${status}`]),
  ...(grew(p99, bounds.p99 * machine) ? ['the slowest hundredth became slower'] : []),
  ...(grew(processor, bounds.processor) ? ['a request takes more processor time'] : []),
  ...(grew(memory, bounds.memory) ? ['memory grew'] : []),
  ...(handles.end > handles.begin + bounds.handles ? ['handles leaked'] : []),
];
for (const problem of problems) console.log(`FAILED  ${problem}`);
process.exitCode = problems.length > 0 ? 1 : 0;

interface Change {
  readonly begin: number;
  readonly end: number;
}

function at(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

function compared(name: string, { begin: first, end: last }: Change, unit: string, bound?: number): Row {
  const ratio = `${(last / first).toFixed(2)} times${bound === undefined ? '' : `; at most ${bound}`}`;
  return { name, value: `${number(first)}, ${number(last)} ${unit}`, note: ratio };
}
