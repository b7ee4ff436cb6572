/**
 * `npm run bench storage [RESOURCES]`: the store without HTTP and validation: seals, puts, appends, gets, searches, disk.
 *
 * Made-up Observations of about 1 KB with 40 terms each, 100 to a patient; everything durable as in the server. One table: what was done a
 * second, and the processor time of one, which a busy machine blurs less.
 */
import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'libsql';
import { systemClock } from '../src/base/clock.js';
import { LocalContentSealer } from '../src/commit/content-sealer.js';
import { Committer } from '../src/commit/committer.js';
import type { Draft } from '../src/commit/draft.js';
import { openFileAccessLog } from '../src/commit/file-access-log.js';
import { HeaderCodec } from '../src/commit/header.js';
import { Records } from '../src/commit/records.js';
import type { VersionRow } from '../src/commit/catalog.js';
import { openSqliteCatalog } from '../src/commit/sqlite/sqlite-catalog.js';
import type { Plan } from '../src/fhir/search/plan.js';
import { openLocalBlockStore } from '../src/ipfs/local-block-store.js';
import { Blinder, packTerms } from '../src/vault/blinder.js';
import { openKeyRing } from '../src/vault/file-key-ring.js';
import { Names } from '../src/vault/names.js';
import { Vault } from '../src/vault/vault.js';

const resources = Number(process.argv[3] ?? 20_000);
const perTransaction = 100;
const codes = 500;

const folder = await mkdtemp(path.join(tmpdir(), 'mooring-bench-'));
const rows: [string, string][] = [];
const say = (what: string, value: string) => rows.push([what, value]);

interface Start {
  readonly at: number;
  readonly cpu: NodeJS.CpuUsage;
}

const start = (): Start => ({ at: performance.now(), cpu: process.cpuUsage() });

function each(count: number, { at, cpu }: Start): string {
  const { user, system } = process.cpuUsage(cpu);
  const rate = Math.round((count / (performance.now() - at)) * 1000);
  return `${`${rate.toLocaleString('en')}/s`.padStart(10)} ${String(Math.round((user + system) / count)).padStart(6)} us`;
}

const keyRing = await openKeyRing(path.join(folder, 'keys.json'));
const blinder = new Blinder(keyRing.derive('index'));
const names = new Names(blinder);
const file = path.join(folder, 'catalog.sqlite');
let catalog = await openSqliteCatalog(file);
let blocks = await openLocalBlockStore(path.join(folder, 'blocks'));
const vault = new Vault({ keyRing, storedKey: (compartment) => catalog.compartmentKey(compartment) });
const headers = new HeaderCodec(keyRing.derive('header'));
const leafOf = ({ salt }: { salt: Uint8Array }) => ({ leaf: Buffer.alloc(32, salt), opening: salt });
const committer = new Committer({
  catalog,
  blocks,
  vault,
  names,
  headers,
  clock: systemClock,
  contents: new LocalContentSealer(leafOf),
});

try {
  await load();
  await creates();
  await searches();
  await reads();
  await accesses();
  await disk();
  await restart();
  yardstick();
  const width = Math.max(...rows.map(([what]) => what.length));
  for (const [what, value] of rows) console.log(`${what.padEnd(width)}  ${value}`);
} finally {
  await committer.close();
  await catalog.close();
  await blocks.close();
  await rm(folder, { recursive: true, force: true });
}

function patient(number: number): Draft {
  const id = `patient-${number}`;
  const body = {
    resourceType: 'Patient',
    id,
    name: [{ family: `Family${number % 997}`, given: ['A', 'B'] }],
    gender: 'female',
  };
  const terms = ['Patient', `Patient\u0000family ${number % 997}`, `Patient\u0000identifier ${number}`];
  for (let index = 0; index < 30; index += 1) terms.push(`Patient\u0000text ${(number * 31 + index) % 5_000}`);
  return draft('Patient', id, body, terms, [], [id]);
}

function observation(number: number): Draft {
  const id = `observation-${number}`;
  const subject = `patient-${Math.floor(number / 100)}`;
  const day = number % 3_650;
  const body = {
    resourceType: 'Observation',
    id,
    status: 'final',
    category: [
      { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code: 'vital-signs' }] },
    ],
    code: {
      coding: [{ system: 'http://loinc.org', code: `${number % codes}-1`, display: 'Something that was measured' }],
    },
    subject: { reference: `Patient/${subject}` },
    encounter: { reference: `Encounter/${subject}-${number % 10}` },
    effectiveDateTime: new Date(1.5e12 + day * 86_400_000 + number).toISOString(),
    valueQuantity: { value: number / 7, unit: 'mm[Hg]', system: 'http://unitsofmeasure.org', code: 'mm[Hg]' },
    note: [{ text: `A note of the nurse, ${number.toString(36).repeat(20)}` }],
  };
  const terms = [
    'Observation',
    `code ${number % codes}`,
    `category ${number % 4}`,
    'status final',
    `subject ${subject}`,
    `encounter ${subject}-${number % 10}`,
  ];
  for (const [level, size] of [
    ['year', 365],
    ['month', 30],
    ['day', 1],
  ] as const)
    terms.push(`date ${level} ${Math.floor(day / size)}`);
  for (let level = 0; level < 12; level += 1) terms.push(`value ${level} ${Math.floor(number / 4 ** level)}`);
  for (let index = terms.length; index < 40; index += 1) terms.push(`other ${index} ${number % (index * 50)}`);
  const links = [{ param: blinder.term('Observation.subject'), target: names.resource('Patient', subject) }];
  return draft('Observation', id, body, terms, links, [subject]);
}

function draft(
  resourceType: string,
  id: string,
  body: object,
  terms: string[],
  links: Draft['links'],
  patients: string[],
): Draft {
  const codesOfIt = [{ system: 'http://loinc.org', code: '1-1' }];
  return {
    resourceType,
    id,
    versionId: 1,
    isDeleted: false,
    render: (time) =>
      Buffer.from(JSON.stringify({ ...body, meta: { versionId: '1', lastUpdated: new Date(time).toISOString() } })),
    terms: packTerms(terms.map((text) => blinder.term(text))),
    links,
    patients,
    attributes: { resourceType, id, patients, securityLabels: [], codes: codesOfIt },
    level: 1,
  };
}

async function load(): Promise<void> {
  const transactions: Promise<unknown>[] = [];
  let drafting = 0;
  const started = start();
  for (let from = 0; from < resources; from += perTransaction) {
    const draftingAt = performance.now();
    const drafts = [patient(from / 100)];
    for (let number = from; number < from + perTransaction - 1; number += 1) drafts.push(observation(number));
    drafting += performance.now() - draftingAt;
    transactions.push(committer.submit(() => ({ drafts, result: () => 0 })));
    if (transactions.length >= 8) await transactions.shift();
  }
  await Promise.all(transactions);
  say(`resources in transactions of ${perTransaction}, 8 at a time`, each(resources, started));
  say(
    '  of which making terms and drafts',
    `${Math.round((drafting / (performance.now() - started.at)) * 100)} % of the time`,
  );
  say('memory after it', `${Math.round(process.memoryUsage().rss / 2 ** 20)} MB`);
}

async function creates(): Promise<void> {
  const count = Math.min(5_000, resources);
  for (const writers of [1, 8]) {
    const started = start();
    let next = 0;
    await Promise.all(
      Array.from({ length: writers }, async () => {
        while (next < count / 5) {
          const single = observation(10_000_000 * writers + next);
          next += 1;
          await committer.submit(() => ({ drafts: [single], result: () => 0 }));
        }
      }),
    );
    say(`creates, one resource each, ${writers} at a time`, each(next, started));
  }
}

async function searches(): Promise<void> {
  const term = (text: string): Plan => ({ kind: 'term', term: blinder.term(text) });
  const and = (...of: Plan[]): Plan => ({ kind: 'and', of });
  const subject = [blinder.term('Observation.subject')];
  const patients = Math.floor(resources / 100);
  const plans: Record<string, (turn: number) => Plan> = {
    'type and code, LIMIT 10': (turn) => and(term('Observation'), term(`code ${turn % codes}`)),
    'code and category, LIMIT 10': (turn) =>
      and(term('Observation'), term(`code ${turn % codes}`), term(`category ${turn % 4}`)),
    'two frequent terms that rarely meet': (turn) => and(term('category 1'), term(`code ${4 * (turn % 100)}`)),
    'chain to one patient': (turn) =>
      and(term('Observation'), {
        kind: 'link-to',
        params: subject,
        target: and(term('Patient'), term(`Patient\u0000identifier ${turn % patients}`)),
      }),
    'chain to patients of a family, and a code': (turn) =>
      and(term('Observation'), term(`code ${turn % codes}`), {
        kind: 'link-to',
        params: subject,
        target: term(`Patient\u0000family ${turn % 997}`),
      }),
    'chain to every patient': () =>
      and(term('Observation'), { kind: 'link-to', params: subject, target: term('Patient') }),
    'patients with a code (_has)': (turn) =>
      and(term('Patient'), { kind: 'linked-from', params: subject, source: term(`code ${turn % codes}`) }),
    'patient and a date range': (turn) =>
      and(term('Observation'), term(`subject patient-${turn % patients}`), {
        kind: 'or',
        of: [1, 2, 3, 4, 5].map((year) => term(`date year ${year}`)),
      }),
    'date range of 20 days': (turn) =>
      and(term('Observation'), {
        kind: 'or',
        of: Array.from({ length: 20 }, (_, day) => term(`date day ${((turn * 37) % 3_600) + day}`)),
      }),
    'type alone, newest 10': () => term('Observation'),
  };
  const { seq: asOf } = catalog.head();
  for (const [what, plan] of Object.entries(plans)) {
    for (let turn = 0; turn < 20; turn += 1) {
      await catalog.search({ plan: plan(turn), asOf, order: 'newest', limit: 10 });
    }
    const started = start();
    let turn = 0;
    let found = 0;
    for (; turn < 20_000 && performance.now() - started.at < 700; turn += 1) {
      found += (await catalog.search({ plan: plan(turn), asOf, order: 'newest', limit: 10 })).length;
    }
    say(`search: ${what}`, `${each(turn, started)}  (${(found / turn).toFixed(1)} found)`);
  }
  const started = start();
  const total = await catalog.count(term('Observation'), asOf);
  say('count of all Observations', `${total.toLocaleString('en')} in ${Math.round(performance.now() - started.at)} ms`);
}

async function reads(): Promise<void> {
  const records = new Records({ blocks, vault, headers });
  const { seq } = catalog.head();
  const count = 20_000;
  const id = (turn: number) => `observation-${Math.floor(((turn * 7919) % resources) / 100) * 100 + (turn % 99)}`;
  let started = start();
  const digests: VersionRow[] = [];
  for (let turn = 0; turn < count; turn += 1)
    digests.push(catalog.current(names.resource('Observation', id(turn)), seq)!);
  say('current version by name', each(count, started));
  started = start();
  for (const row of digests) records.header(row);
  say('headers opened', each(count, started));
  for (const readers of [1, 8]) {
    started = start();
    let next = 0;
    await Promise.all(
      Array.from({ length: readers }, async () => {
        while (next < count) await blocks.get(digests[next++]!.block!);
      }),
    );
    say(`blocks got and checked, ${readers} at a time`, each(count, started));
  }
  started = start();
  let next = 0;
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      while (next < count) await records.open(catalog.current(names.resource('Observation', id(next++)), seq)!);
    }),
  );
  say('resources looked up, got and opened, 8 at a time', each(count, started));
}

async function accesses(): Promise<void> {
  const log = await openFileAccessLog(path.join(folder, 'access'), keyRing.derive('access'));
  for (const writers of [1, 8, 64]) {
    const started = start();
    let next = 0;
    await Promise.all(
      Array.from({ length: writers }, async () => {
        while (performance.now() - started.at < 500) {
          next += 1;
          await log.append({
            time: 0,
            requestId: `r${next}`,
            actor: 'Practitioner/1',
            purpose: 'TREAT',
            interaction: 'read',
            outcome: 'permit',
            entities: ['Observation/1/_history/1'],
            patients: ['p'],
          });
        }
      }),
    );
    say(`accesses recorded durably, ${writers} at a time`, each(next, started));
  }
  await log.close();
}

async function disk(): Promise<void> {
  const { versions, terms } = await catalog.size();
  const perResource = (bytes: number) => `${Math.round(bytes / versions).toLocaleString('en')} bytes`;
  say('terms a resource', (terms / versions).toFixed(1));
  say('catalog a resource', perResource((await stat(file)).size));
  say('blocks a resource', perResource((await blocks.size()).sizeBytes));
}

async function restart(): Promise<void> {
  await committer.close();
  await catalog.close();
  await blocks.close();
  const started = start();
  catalog = await openSqliteCatalog(file);
  const opened = performance.now();
  blocks = await openLocalBlockStore(path.join(folder, 'blocks'));
  say('catalog opened again', `${Math.round(opened - started.at)} ms`);
  say('blocks opened again', `${Math.round(performance.now() - opened)} ms`);
}

/** What bare SQLite does with the same disk: one row of 1 KB a transaction, and 100 rows a transaction. */
function yardstick(): void {
  const db = new Database(path.join(folder, 'bare.sqlite'));
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE bare(id INTEGER PRIMARY KEY, body BLOB)');
  const insert = db.prepare('INSERT INTO bare(body) VALUES(?)');
  const body = Buffer.alloc(1024, 1);
  for (const size of [1, 100]) {
    const started = start();
    let count = 0;
    for (; performance.now() - started.at < 500; count += size) {
      db.exec('BEGIN');
      for (let row = 0; row < size; row += 1) insert.run([body]);
      db.exec('COMMIT');
    }
    say(`yardstick: bare SQLite, ${size} durable row(s) of 1 KB a transaction`, each(count, started));
  }
  db.close();
}
