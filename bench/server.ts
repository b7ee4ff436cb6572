/**
 * `npm run bench [-- --resources N]`: a fresh server on embedded defaults with everything on, loaded with Synthea's patients of the corpus
 * (again and again until N resources, default 20,000), measured over HTTP from 8 connections, beside a yardstick of the same run.
 */
import { mkdtempSync, rmSync, statfsSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/base/clock.js';
import { TokenIssuer } from '../src/smart/token-issuer.js';
import { anchoringFigures } from './lib/anchored.js';
import { during, load, type LoadRequest, type LoadResult } from './lib/load.js';
import { ServerProcess } from './lib/process.js';
import { codesOf, questions } from './lib/questions.js';
import { number, printTable, type Row } from './lib/table.js';
import { Written } from './lib/written.js';
import { expressYardstick, sqliteYardstick } from './lib/yardstick.js';

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'server'),
  options: {
    resources: { type: 'string', default: '20000' },
    seconds: { type: 'string', default: '5' },
    keep: { type: 'string' },
    /** Loading ends after so many seconds, however many resources are there by then. */
    'most-seconds': { type: 'string', default: '3600' },
  },
});
const wanted = Number(options.resources);
const seconds = Number(options.seconds);
const connections = 8;
/** Bytes on disk a resource takes while it is loaded, with room to spare. */
const roomPerResource = 8_000;
const { bavail, bsize } = statfsSync(tmpdir());
if (options.keep === undefined && bavail * bsize < wanted * roomPerResource) {
  console.error(
    `${number(wanted)} resources need ${number((wanted * roomPerResource) / 1e9)} GB below ${tmpdir()}; there are ${number((bavail * bsize) / 1e9)} GB`,
  );
  process.exit(2);
}

const dataDir = options.keep ?? mkdtempSync(path.join(tmpdir(), 'mooring-bench-'));
const rows: Row[] = [];
const failures: string[] = [];

function rate(name: string, result: LoadResult, note = ''): void {
  const spread = `p50 ${number(result.p50)} ms, p99 ${number(result.p99)} ms${note === '' ? '' : `; ${note}`}`;
  rows.push({ name, value: `${number(result.perSecond)}/s`, note: spread });
  if (result.failures > 0)
    failures.push(`${name}: ${result.failures} of ${result.requests} failed; ${result.firstFailure}`);
}

const bareExpress = await expressYardstick(connections, Math.min(seconds, 3));
rate('yardstick: bare Express, 2 KB JSON', bareExpress);
rows.push({
  name: 'yardstick: bare SQLite, durable 2 KB inserts',
  value: `${number(sqliteYardstick(2))}/s`,
  note: 'one a transaction',
});

const first = await ServerProcess.start(dataDir);
rows.push({
  name: 'first start, empty folder',
  value: `${number(first.startMs)} ms`,
  note: 'chain started, contracts deployed',
});
await first.stop();
let server = await ServerProcess.start(dataDir);
rows.push({ name: 'second start', value: `${number(server.startMs)} ms` });

const issuer = await TokenIssuer.open(path.join(dataDir, 'keys'));
const token = await issuer.issue(
  { actor: 'Organization/self', scope: 'system/*.cruds', purpose: 'TREAT', expiresInSeconds: 86_400 },
  systemClock,
);
const run = (next: () => LoadRequest | undefined, seen?: (body: string) => void) =>
  load(server.origin, token, connections, next, seen);

// Transactions
const written = new Written();
for (const request of written.prerequisites) {
  let isSent = false;
  const once = () => {
    if (isSent) return undefined;
    isSent = true;
    return request;
  };
  rate('practitioners and hospitals (batch)', await run(once));
  rows.pop();
}
let loaded = 0;
const locations: string[] = [];
const mostLocations = 200_000;
let newest: string | undefined;
const nextBundle = (): LoadRequest | undefined => {
  const isLate = performance.now() - loadStartedAt > Number(options['most-seconds']) * 1000;
  if (loaded >= wanted || isLate) return undefined;
  if (process.stderr.isTTY) process.stderr.write(`\r${loaded} resources`);
  const { request, resources } = written.transaction();
  loaded += resources;
  return request;
};
const loadStartedAt = performance.now();
const transactions = await run(nextBundle, (body) => {
  // Of a million, a part is asked for later.
  if (locations.length > mostLocations) {
    newest = /"location":"(?:[^"]*\/)?([A-Z][A-Za-z]+\/[^/"]+)\/_history\/1"/.exec(body)?.[1] ?? newest;
    return;
  }
  for (const match of body.matchAll(/"location":"(?:[^"]*\/)?([A-Z][A-Za-z]+\/[^/"]+)\/_history\/1"/g))
    locations.push(match[1]);
});
rate('transactions', transactions);
rows.push({
  name: 'transaction load',
  value: `${number(loaded / transactions.seconds)}/s`,
  note: `${number(loaded)} resources in ${number(transactions.seconds)} s`,
});
rows.push({
  name: 'anchored',
  ...(await anchoringFigures(
    dataDir,
    { origin: server.origin, token, location: newest ?? (locations.at(-1) as string) },
    loadStartedAt,
  )),
});

// Creates
const patientIds = locations.filter((location) => location.startsWith('Patient/'));
rate('create (Observation)', await run(during(seconds, (index) => written.creation(patientIds, index))));

// Reads and searches
const asked = questions({
  locations,
  patients: patientIds,
  people: written.ofType('Patient').map(({ name, birthDate }) => ({
    family: name?.[0].family ?? 'A',
    year: Number(birthDate?.slice(0, 4)),
  })),
  codes: codesOf(written.samples),
  conditionCodes: codesOf(written.ofType('Condition')),
});
for (const [name, next] of Object.entries(asked)) {
  const result = await run(during(seconds, next));
  const share = name === 'read' ? `${(result.perSecond / bareExpress.perSecond).toFixed(2)} of bare Express` : '';
  rate(name, result, share);
}

// Memory, disk, start with data
const { nowMiB, peakMiB } = server.memory();
rows.push({ name: 'memory of the server', value: `${number(nowMiB)} MiB`, note: `peak ${number(peakMiB)} MiB` });
const stopped = await server.stop();
if (stopped !== 0) failures.push(`the server ended with status ${stopped}`);
const { catalogFigures } = await import('./lib/disk.js');
rows.push(...(await catalogFigures(dataDir)));
server = await ServerProcess.start(dataDir);
rows.push({ name: 'start with this data', value: `${number(server.startMs)} ms` });
await server.stop();

printTable(`Server, embedded defaults, ${connections} connections, ${number(loaded)} resources`, rows);
for (const failure of failures) console.log(`FAILED  ${failure}`);
if (options.keep === undefined) rmSync(dataDir, { recursive: true });
else console.log(`data kept in ${dataDir} (${statSync(dataDir).ino})`);
process.exitCode = failures.length > 0 ? 1 : 0;
