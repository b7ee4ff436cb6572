import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { TestServer } from './server.js';

/** A unique text that no compression or blinding makes by chance. */
let count = 0;
const planted: string[] = [];
function plant(): string {
  count += 1;
  const text = `Zq${String(count).padStart(2, '0')}XvPlanted${Math.random().toString(36).slice(2, 12)}`;
  planted.push(text);
  return text;
}

/** The ways in which a text could lie in bytes: plain, in the other case, UTF-16, hexadecimal, base64 at each of three offsets. */
function spellings(text: string): Buffer[] {
  const bytes = Buffer.from(text);
  const base64 = [0, 1, 2].map((offset) => {
    const shifted = Buffer.concat([Buffer.alloc(offset), bytes, Buffer.alloc(2)]).toString('base64');
    return shifted.slice(offset === 0 ? 0 : 4, -6);
  });
  const hex = bytes.toString('hex');
  return [
    bytes,
    Buffer.from(text.toLowerCase()),
    Buffer.from(text.toUpperCase()),
    Buffer.from(text, 'utf16le'),
    Buffer.from(hex),
    Buffer.from(hex.toUpperCase()),
    ...base64.map((part) => Buffer.from(part)),
    ...base64.map((part) => Buffer.from(part.replaceAll('+', '-').replaceAll('/', '_'))),
  ];
}

function found(bytes: Buffer, where: string): string[] {
  return planted
    .filter((text) => spellings(text).some((spelling) => bytes.includes(spelling)))
    .map((text) => `${text} in ${where}`);
}

describe('values of resources', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start({ DEFAULT_CONSENT: 'deny' });
  });
  after(() => server.stop());

  it('stand nowhere on disk, in the log or on the chain, in no spelling', async () => {
    const patient = {
      resourceType: 'Patient',
      text: { status: 'generated', div: `<div xmlns="http://www.w3.org/1999/xhtml">${plant()}</div>` },
      extension: [{ url: `http://example.org/${plant()}`, valueString: plant() }],
      identifier: [{ system: `http://example.org/${plant()}`, value: plant() }],
      name: [{ family: plant(), given: [plant()], text: plant() }],
      telecom: [{ system: 'email', value: `${plant()}@example.org` }],
      address: [{ line: [plant()], city: plant(), postalCode: plant() }],
      contact: [{ name: { family: plant() } }],
    };
    const created = await server.post('Patient', patient);
    assert.equal(created.status, 201, created.text);
    const subject = { reference: `Patient/${created.body.id}` };
    const observation = {
      resourceType: 'Observation',
      meta: { tag: [{ system: `http://example.org/${plant()}`, code: plant() }] },
      status: 'final',
      code: { coding: [{ system: 'http://example.org/codes', code: plant(), display: plant() }], text: plant() },
      subject,
      valueString: plant(),
      note: [{ text: plant() }],
    };
    const bundle = {
      resourceType: 'Bundle',
      type: 'transaction',
      entry: [{ resource: observation, request: { method: 'POST', url: 'Observation' } }],
    };
    assert.equal((await server.post('', bundle)).status, 200);
    const consent = {
      resourceType: 'Consent',
      status: 'active',
      scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
      category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
      patient: { ...subject, display: plant() },
      dateTime: new Date().toISOString(),
      policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] },
      provision: { type: 'permit', code: [{ coding: [{ system: 'http://example.org/codes', code: plant() }] }] },
    };
    assert.equal((await server.post('Consent', consent)).status, 201);
    const binary = { resourceType: 'Binary', contentType: 'text/plain', data: Buffer.from(plant()).toString('base64') };
    assert.equal((await server.post('Binary', binary)).status, 201);

    // What is asked for, refused and read leaves no trace either.
    const { family } = patient.name[0];
    assert.equal((await server.get(`Patient?family=${family}`)).body.total, 1);
    assert.equal((await server.get(`Patient?${plant()}=${plant()}`)).status, 400);
    assert.equal((await server.post('Patient', { resourceType: 'Patient', gender: plant() })).status, 422);
    assert.equal((await server.post('Patient', `{"resourceType":"${plant()}"`)).status, 400);
    assert.equal((await server.get(`Patient/${created.body.id}`)).status, 200);
    const anchored = await server.put(
      `Patient/${created.body.id}`,
      { ...patient, id: created.body.id, active: true },
      { headers: { Prefer: 'wait=20' } },
    );
    assert.equal(anchored.status, 200);
    assert.equal((await server.get(`Patient/${created.body.id}/$proof`)).status, 200);

    const chain = await chainData(server.chainUrl);
    assert.ok(chain.length > 1000, 'the chain was read');
    const leaks = [
      ...filesOf(server.folder).flatMap((file) => found(readFileSync(file), path.relative(server.folder, file))),
      ...found(Buffer.from(server.logLines.join('\n')), 'the log'),
      ...found(chain, 'the chain'),
    ];
    assert.deepEqual(leaks, []);
    assert.ok(planted.length > 25);
  });

  it('would be found if they lay there: the search itself works', () => {
    const [text] = planted;
    for (const spelling of spellings(text))
      assert.equal(found(Buffer.concat([Buffer.from('ab'), spelling, Buffer.from('yz')]), 'x').length, 1);
    assert.equal(found(Buffer.from(`x${Buffer.from(`ab${text}c`).toString('base64')}`), 'x').length, 1);
    assert.equal(found(Buffer.from('nothing of that'), 'x').length, 0);
  });
});

function filesOf(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => path.join(entry.parentPath ?? entry.path, entry.name));
}

/** Every block with its transactions, and every event. */
async function chainData(url: string): Promise<Buffer> {
  const rpc = async (method: string, params: unknown[]) => {
    const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
    const response = await fetch(url, { method: 'POST', headers: { 'Content-Type': 'application/json' }, body });
    return ((await response.json()) as { result: unknown }).result;
  };
  const head = Number(await rpc('eth_blockNumber', []));
  const parts: string[] = [JSON.stringify(await rpc('eth_getLogs', [{ fromBlock: '0x0', toBlock: 'latest' }]))];
  for (let block = 0; block <= head; block += 1) {
    parts.push(JSON.stringify(await rpc('eth_getBlockByNumber', [`0x${block.toString(16)}`, true])));
  }
  return Buffer.from(parts.join('\n'));
}
