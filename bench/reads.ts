/**
 * `npm run bench -- reads --data DIR [--seconds N] [--only TEXT] [--profile FOLDER]`: reads and searches on a folder that `npm run bench -- --keep DIR`
 * left, with the processor time that the server spends on each: that says more than the rate on a machine with other work.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { systemClock } from '../src/base/clock.js';
import { TokenIssuer } from '../src/smart/token-issuer.js';
import { during, load, type LoadResult } from './lib/load.js';
import { ServerProcess, type ProcessorTime } from './lib/process.js';
import { codesOf, questions, type Subjects } from './lib/questions.js';
import { number, printTable, type Row } from './lib/table.js';
import { expressYardstick } from './lib/yardstick.js';

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'reads'),
  options: {
    data: { type: 'string' },
    seconds: { type: 'string', default: '3' },
    only: { type: 'string', default: '' },
    profile: { type: 'string' },
  },
});
if (options.data === undefined)
  throw new Error('--data DIR is missing: a folder that `npm run bench -- --keep DIR` left');
const dataDir = options.data;
const seconds = Number(options.seconds);
const connections = 8;
const issuer = await TokenIssuer.open(path.join(dataDir, 'keys'));
const token = await issuer.issue(
  { actor: 'Organization/self', scope: 'system/*.cruds', purpose: 'TREAT', expiresInSeconds: 86_400 },
  systemClock,
);

interface Resource {
  readonly resourceType: string;
  readonly id: string;
  readonly name?: readonly { readonly family: string }[];
  readonly birthDate?: string;
  readonly code?: { readonly coding: readonly { readonly system: string; readonly code: string }[] };
}

/** Every resource that a search finds, page by page, as far as `limit`. */
async function all(origin: string, query: string, limit: number): Promise<Resource[]> {
  const found: Resource[] = [];
  let url: string | undefined = `${origin}/fhir/${query}`;
  while (url !== undefined && found.length < limit) {
    const answer = await fetch(url, { headers: { authorization: `Bearer ${token}` } });
    const bundle = (await answer.json()) as {
      entry?: { resource: Resource }[];
      link: { relation: string; url: string }[];
    };
    found.push(...(bundle.entry ?? []).map(({ resource }) => resource));
    url = bundle.link.find(({ relation }) => relation === 'next')?.url;
  }
  return found;
}

async function subjects(): Promise<Subjects> {
  const server = await ServerProcess.start(dataDir);
  const people = await all(server.origin, 'Patient?_elements=id,name,birthDate&_count=500', 5_000);
  const records = await all(server.origin, '?_elements=id&_count=500', 60_000);
  const observations = await all(server.origin, 'Observation?_elements=id,code&_count=500', 2_000);
  const conditions = await all(server.origin, 'Condition?_elements=id,code&_count=500', 2_000);
  await server.stop();
  return {
    locations: records.map(({ resourceType, id }) => `${resourceType}/${id}`),
    patients: people.map(({ id }) => `Patient/${id}`),
    people: people.map(({ name, birthDate }) => ({
      family: name?.[0]?.family ?? 'A',
      year: Number(birthDate?.slice(0, 4)),
    })),
    codes: codesOf(observations),
    conditionCodes: codesOf(conditions),
  };
}

const rows: Row[] = [];
function row(name: string, { perSecond, p50, p99, requests }: LoadResult, { main, all }: ProcessorTime): void {
  const each = (ms: number) => `${Math.round((1000 * ms) / requests)} us`;
  const note = `p50 ${number(p50)} ms, p99 ${number(p99)} ms; processor: main thread ${each(main)}, all ${each(all)}`;
  rows.push({ name, value: `${number(perSecond)}/s`, note });
}
const asked = questions(await subjects());
const profiling =
  options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${path.resolve(options.profile)}`];
const server = await ServerProcess.start(dataDir, {}, profiling);
const bareExpress = await expressYardstick(connections, Math.min(seconds, 3));
row('yardstick: bare Express, 2 KB JSON', bareExpress, bareExpress.processorMs);
let isFailed = false;
for (const [name, next] of Object.entries(asked)) {
  if (!name.includes(options.only)) continue;
  const before = server.processorMs();
  const result = await load(server.origin, token, connections, during(seconds, next));
  const after = server.processorMs();
  row(name, result, { main: after.main - before.main, all: after.all - before.all });
  if (result.failures === 0) continue;
  isFailed = true;
  console.log(`FAILED  ${name}: ${result.failures} of ${result.requests}; ${result.firstFailure}`);
}
const { nowMiB, peakMiB } = server.memory();
rows.push({ name: 'memory of the server', value: `${number(nowMiB)} MiB`, note: `peak ${number(peakMiB)} MiB` });
await server.stop();
printTable(`Reads and searches, ${connections} connections`, rows);
process.exitCode = isFailed ? 1 : 0;
