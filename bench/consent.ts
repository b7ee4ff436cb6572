/**
 * `npm run bench -- consent`: what consent costs.
 *
 * Reads and searches with the implicit permit policy beside the same with a consent for every patient; a decision that is not in memory, asked of the
 * contract; the time from a revocation's answer to the first refusal on this server, and to that of another node, which hears of it by the chain alone.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { systemClock } from '../src/base/clock.js';
import { createLog } from '../src/base/log.js';
import type { Contracts } from '../src/chain/deploy.js';
import { createEthersChain } from '../src/chain/ethers-chain.js';
import { chainKeys } from '../src/chain/keys.js';
import { readConfig } from '../src/config.js';
import { createBlinder } from '../src/consent/blinder.js';
import { compileToBytes } from '../src/consent/compile.js';
import { startConsentGate } from '../src/consent/consent-gate.js';
import { createServer, type Server } from '../src/server.js';
import { refusalGridMs } from '../src/fhir/refusals.js';
import { openKeyRing } from '../src/vault/file-key-ring.js';
import { printTable, type Row } from './lib/table.js';

const patients = 200;
const connections = 8;
const seconds = 5;

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Json = any;

class Client {
  constructor(
    private readonly baseUrl: string,
    private readonly token: string,
  ) {}

  async send(method: string, url: string, body?: Json): Promise<{ status: number; body: Json }> {
    const response = await fetch(`${this.baseUrl}/${url}`, {
      method,
      headers: { Authorization: `Bearer ${this.token}`, 'Content-Type': 'application/fhir+json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await response.text();
    return { status: response.status, body: text === '' ? undefined : (JSON.parse(text) as Json) };
  }
}

const consentOf = (id: string) => ({
  resourceType: 'Consent',
  id: `c${id}`,
  status: 'active',
  scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
  category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
  patient: { reference: `Patient/${id}` },
  policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] },
  provision: {
    type: 'deny',
    provision: [
      {
        type: 'permit',
        actor: [
          {
            role: {
              coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }],
            },
            reference: { reference: 'Practitioner/dr' },
          },
        ],
      },
    ],
  },
});

interface Rates {
  readonly read: number;
  readonly search: number;
}

async function withServer<T>(
  implicit: 'permit' | 'deny',
  run: (server: Server, folder: string, admin: Client, doctor: Client) => Promise<T>,
): Promise<T> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mooring-bench-'));
  const config = readConfig({ DATA_DIR: folder, PORT: '0', DEFAULT_CONSENT: implicit });
  const server = await createServer(
    config,
    createLog('silent', () => undefined),
  );
  try {
    const admin = new Client(server.baseUrl, await server.token());
    const doctor = new Client(server.baseUrl, await server.token({ actor: 'Practitioner/dr' }));
    const put = (resource: Json) => ({
      resource,
      request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
    });
    const ids = Array.from({ length: patients }, (_, at) => String(at));
    const code = { coding: [{ system: 'http://loinc.org', code: '8302-2' }] };
    const entry = ids.flatMap((id) => [
      put({ resourceType: 'Patient', id, name: [{ family: `F${id}` }] }),
      put({ resourceType: 'Observation', id, status: 'final', code, subject: { reference: `Patient/${id}` } }),
    ]);
    expectStatus(await admin.send('POST', '', { resourceType: 'Bundle', type: 'transaction', entry }), 200);
    return await run(server, folder, admin, doctor);
  } finally {
    await server.close();
    await rm(folder, { recursive: true, force: true });
  }
}

function expectStatus({ status, body }: { status: number; body: Json }, expected: number): void {
  if (status !== expected) throw new Error(`answered ${status}: ${JSON.stringify(body).slice(0, 500)}`);
}

async function rateOf(ask: (at: number) => Promise<{ status: number; body: Json }>): Promise<number> {
  for (let at = 0; at < patients; at += 1) expectStatus(await ask(at), 200);
  const until = performance.now() + seconds * 1000;
  let done = 0;
  const worker = async (from: number) => {
    for (let at = from; performance.now() < until; at += connections) {
      expectStatus(await ask(at % patients), 200);
      done += 1;
    }
  };
  await Promise.all(Array.from({ length: connections }, (_, from) => worker(from)));
  return done / seconds;
}

const ratesOf = async (doctor: Client): Promise<Rates> => ({
  read: await rateOf((at) => doctor.send('GET', `Observation/${at}`)),
  search: await rateOf((at) => doctor.send('GET', `Observation?patient=${at}&code=http://loinc.org|8302-2`)),
});

const sorted = (times: number[]) => [...times].sort((a, b) => a - b);
const quantile = (times: number[], q: number) => (sorted(times)[Math.floor(q * (times.length - 1))] ?? 0).toFixed(2);

/** Milliseconds from the answer to a revocation to the first denial of a gate that has no log in common with the server. */
async function refusalsElsewhere(server: Server, folder: string, admin: Client, first: number): Promise<number[]> {
  const contracts = JSON.parse(await readFile(path.join(folder, 'chain', 'contracts.json'), 'utf8')) as Contracts;
  const ring = await openKeyRing(path.join(folder, 'keys', 'key-ring.json'));
  const chain = createEthersChain({
    url: server.chainUrl,
    chainId: contracts.chainId,
    // It only looks.
    payer: chainKeys(ring).validator,
  });
  const blinder = createBlinder(ring.derive('consent'));
  const stored = async (patientId: string) => (await admin.send('GET', `Consent/c${patientId}`)).body;
  const gate = await startConsentGate({
    chain,
    registry: contracts.consentRegistry,
    fromBlock: contracts.fromBlock,
    blinder,
    clock: systemClock,
    implicitPolicy: 'deny',
    changes: { pendingOf: () => undefined, settled: () => Promise.resolve(true), listen: () => undefined },
    contents: { contentsOf: async (id) => compileToBytes(await stored(id), blinder)?.bytes },
  });
  const doctor = { actor: 'Practitioner/dr', memberships: [], purposeOfUse: 'TREAT', scopes: [] };
  const isPermitted = async (id: string) => {
    const record = { resourceType: 'Patient', id, patients: [id], securityLabels: [], codes: [] };
    return (await gate.decide(doctor, 'access', record)).permit;
  };
  try {
    const times: number[] = [];
    for (let at = first; at < first + 20; at += 1) {
      const id = String(at);
      if (!(await isPermitted(id))) throw new Error(`Patient/${id} is denied before the revocation`);
      expectStatus(await admin.send('POST', `Consent/c${id}/$revoke`), 200);
      const startedAt = performance.now();
      while (await isPermitted(id)) await new Promise((resolve) => setTimeout(resolve, 1));
      times.push(performance.now() - startedAt);
    }
    return times;
  } finally {
    gate.close();
    await chain.close();
  }
}

const implicit = await withServer('permit', (_server, _folder, _admin, doctor) => ratesOf(doctor));

const rows = await withServer('deny', async (server, folder, admin, doctor): Promise<Row[]> => {
  const entry = Array.from({ length: patients }, (_, at) => ({
    resource: consentOf(String(at)),
    request: { method: 'PUT', url: `Consent/c${at}` },
  }));
  expectStatus(await admin.send('POST', '', { resourceType: 'Bundle', type: 'transaction', entry }), 200);
  for (let at = 0; at < patients; at += 1) {
    while ((await admin.send('GET', `Consent/c${at}/$status`)).body.parameter[0].valueCode !== 'active') {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
  // Nobody has asked yet: each of these is a call of the contract.
  const first: number[] = [];
  const again: number[] = [];
  for (let at = 0; at < patients; at += 1) {
    for (const times of [first, again]) {
      const startedAt = performance.now();
      expectStatus(await doctor.send('GET', `Patient/${at}`), 200);
      times.push(performance.now() - startedAt);
    }
  }
  const rates = await ratesOf(doctor);
  const refusals: number[] = [];
  for (let at = 0; at < 20; at += 1) {
    expectStatus(await admin.send('POST', `Consent/c${at}/$revoke`), 200);
    const startedAt = performance.now();
    while ((await doctor.send('GET', `Patient/${at}`)).status !== 404);
    refusals.push(performance.now() - startedAt);
  }
  const elsewhere = await refusalsElsewhere(server, folder, admin, 20);
  const row = (name: string, value: string, note: string): Row => ({ name, value, note });
  const share = (consent: number, plain: number) =>
    `${((100 * consent) / plain).toFixed(0)} % of the implicit permit policy`;
  return [
    row('read, implicit permit', `${Math.round(implicit.read)}/s`, `${connections} connections`),
    row('read, a consent for each patient', `${Math.round(rates.read)}/s`, share(rates.read, implicit.read)),
    row('search, implicit permit', `${Math.round(implicit.search)}/s`, `${connections} connections`),
    row('search, a consent for each patient', `${Math.round(rates.search)}/s`, share(rates.search, implicit.search)),
    row('read, decision not in memory', `${quantile(first, 0.5)} ms`, `p95 ${quantile(first, 0.95)} ms, whole request`),
    row('read, decision in memory', `${quantile(again, 0.5)} ms`, `the difference is the call of the contract`),
    row(
      'revocation answered to first refusal',
      `${quantile(refusals, 0.5)} ms`,
      `p95 ${quantile(refusals, 0.95)} ms, this server, on its grid of ${refusalGridMs} ms`,
    ),
    row(
      'the same on another node',
      `${quantile(elsewhere, 0.5)} ms`,
      `p95 ${quantile(elsewhere, 0.95)} ms; it knows the chain alone, and asks it every 250 ms`,
    ),
  ];
});
printTable(`Consent, embedded defaults, ${patients} patients: npm run bench -- consent`, rows);
