/**
 * `npm run bench -- large-transaction [--entries N]`: how long other requests wait while one transaction of many megabytes is committed.
 *
 * One connection reads, two search, one creates, each with a pause of 5 ms, from before the transaction is sent until after it is answered.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as waited } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Pool } from 'undici';
import { systemClock } from '../src/base/clock.js';
import { TokenIssuer } from '../src/smart/token-issuer.js';
import { ServerProcess } from './lib/process.js';
import { number, printTable, type Row } from './lib/table.js';

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'large-transaction'),
  options: { entries: { type: 'string', default: '30000' } },
});
const entries = Number(options.entries);
const pauseMs = 5;

/** A patient and 99 observations of her, again and again; about 1 KB each. */
function transaction(count: number): string {
  const uuid = (index: number) => `urn:uuid:00000001-0000-4000-8000-${String(index).padStart(12, '0')}`;
  const entry = Array.from({ length: count }, (_, index) => {
    const isPatient = index % 100 === 0;
    const resource = isPatient ? patient(`Large${index}`) : observation(uuid(index - (index % 100)), 50 + (index % 60));
    return { fullUrl: uuid(index), resource, request: { method: 'POST', url: resource.resourceType } };
  });
  return JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry });
}

const patient = (family: string) => ({ resourceType: 'Patient', name: [{ family }], birthDate: '1980-02-03' });

const observation = (reference: string, value: number) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { coding: [{ system: 'http://loinc.org', code: '29463-7', display: 'Body weight' }], text: 'Body weight' },
  subject: { reference },
  effectiveDateTime: '2020-01-02T03:04:05Z',
  valueQuantity: { value, unit: 'kg', system: 'http://unitsofmeasure.org', code: 'kg' },
  note: [{ text: 'x'.repeat(450) }],
});

const dataDir = mkdtempSync(path.join(tmpdir(), 'mooring-bench-'));
const stepsFile = path.join(dataDir, 'steps.json');
const monitor = fileURLToPath(new URL('./lib/steps.js', import.meta.url));
const server = await ServerProcess.start(dataDir, { STEPS_FILE: stepsFile }, ['--import', monitor]);
const issuer = await TokenIssuer.open(path.join(dataDir, 'keys'));
const claims = { actor: 'Organization/self', scope: 'system/*.cruds', purpose: 'TREAT', expiresInSeconds: 86_400 };
const token = await issuer.issue(claims, systemClock);
const pool = new Pool(server.origin, { connections: 8, pipelining: 1, headersTimeout: 600_000, bodyTimeout: 600_000 });

async function send(method: 'GET' | 'POST', url: string, body?: string): Promise<string> {
  const headers = { 'content-type': 'application/fhir+json', authorization: `Bearer ${token}` };
  const answer = await pool.request({ method, path: `/fhir${url}`, body, headers });
  const text = await answer.body.text();
  if (answer.statusCode >= 300) throw new Error(`${method} ${url}: ${answer.statusCode} ${text.slice(0, 300)}`);
  return text;
}

const { id } = JSON.parse(await send('POST', '/Patient', JSON.stringify(patient('Small')))) as { id: string };
const beside: Record<string, () => Promise<unknown>> = {
  read: () => send('GET', `/Patient/${id}`),
  'search by patient': () => send('GET', `/Observation?patient=${id}&code=29463-7&_count=10`),
  'search by birthdate': () => send('GET', '/Patient?birthdate=1980&_count=5'),
  create: () => send('POST', '/Patient', JSON.stringify(patient('Beside'))),
};
// The first requests of each kind cost what compiling costs.
await send('POST', '', transaction(2_000));
for (const ask of Object.values(beside)) for (let turn = 0; turn < 100; turn += 1) await ask();

async function snapshotSteps(): Promise<number[]> {
  process.kill(server.pid, 'SIGUSR2');
  await waited(500);
  return JSON.parse(readFileSync(stepsFile, 'utf8')) as number[];
}

const body = transaction(entries);
await snapshotSteps();
let isAnswered = false;
const times = new Map<string, number[]>();
const asking = Object.entries(beside).map(async ([name, ask]) => {
  const taken: number[] = [];
  times.set(name, taken);
  while (!isAnswered) {
    const startedAt = performance.now();
    await ask();
    taken.push(performance.now() - startedAt);
    await waited(pauseMs);
  }
});
const startedAt = performance.now();
await send('POST', '', body);
const seconds = (performance.now() - startedAt) / 1000;
isAnswered = true;
await Promise.all(asking);
const steps = await snapshotSteps();

const rows: Row[] = [
  { name: 'transaction', value: `${number(seconds)} s`, note: `${number(body.length / 1e6)} MB` },
  {
    name: 'longest step of the main thread',
    value: `${number(steps[0]!)} ms`,
    note: `of processor time; the next ones ${steps.slice(1, 4).map(number).join(', ')} ms`,
  },
];
for (const [name, taken] of times) {
  taken.sort((a, b) => a - b);
  const at = (share: number) => number(taken[Math.min(taken.length - 1, Math.floor(taken.length * share))]!);
  const note = `p99 ${at(0.99)} ms, slowest ${at(1)} ms, of ${number(taken.length)}`;
  rows.push({ name: `${name}, beside it`, value: `${at(0.5)} ms`, note });
}
rows.push({ name: 'memory of the server', value: `${number(server.memory().peakMiB)} MiB`, note: 'at its highest' });
await pool.close();
const status = await server.stop();
rmSync(dataDir, { recursive: true });
printTable(`One transaction of ${number(entries)} entries`, rows);
process.exitCode = status === 0 ? 0 : 1;
