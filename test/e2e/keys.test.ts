/** Rotation of keys while the server serves: every answer stays right, before, during and after, restarts in the middle included. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { openStorage } from '../../src/wiring/storage.js';
import { firstIssue, TestServer, testConfig } from './server.js';

const patients = 60;

interface Part {
  readonly name: string;
  readonly valueString?: string;
  readonly valueInteger?: number;
}

async function status(server: TestServer): Promise<Record<string, string | number | undefined>> {
  const { body } = await server.get('$rotate-keys');
  return Object.fromEntries(
    (body.parameter as Part[]).map(({ name, valueString, valueInteger }) => [name, valueString ?? valueInteger]),
  );
}

/** Searches, reads and writes until the rotation is over; every answer has to be right. */
async function serveUntilDone(server: TestServer, key: string): Promise<number> {
  let written = 0;
  for (let turn = 0; ; turn += 1) {
    const family = `Rotation${turn % patients}x`;
    const made = await server.post('Observation', {
      resourceType: 'Observation',
      status: 'final',
      code: { text: `during ${key}` },
      subject: { reference: `Patient/r${turn % patients}` },
    });
    assert.equal(made.status, 201, made.text);
    written += 1;
    const found = await server.get(`Patient?family=${family}`);
    assert.equal(found.body.entry?.length, 1, `${key}, turn ${turn}: ${found.text}`);
    const chained = await server.get(`Observation?subject:Patient.family=${family}&_id=${made.body.id}`);
    assert.equal(chained.body.entry?.length, 1, `${key}, turn ${turn}, chain`);
    const count = () => server.get(`Observation?code:text=during ${key}&_summary=count`);
    for (const { body } of await Promise.all([count(), count(), count()])) assert.equal(body.total, written);
    assert.equal((await server.get(`Patient/r${turn % patients}`)).status, 200);
    const { state, failure } = await status(server);
    assert.equal(failure, undefined);
    if (state === 'none') return written;
  }
}

async function everythingReads(server: TestServer): Promise<void> {
  for (let index = 0; index < patients; index += 1) {
    const { status: code, body } = await server.get(`Patient/r${index}`);
    assert.deepEqual([code, body.name?.[0].family], [200, `Rotation${index}x`]);
  }
}

/** The terms of the oldest version, as the stopped server's index holds them. */
async function termsOfFirst(server: TestServer): Promise<string[]> {
  await server.halt();
  const storage = await openStorage(testConfig(server.folder));
  try {
    for await (const { versions } of storage.catalog.entries(1, 2)) {
      const { terms } = versions[0]!;
      return Array.from({ length: terms.byteLength / 16 }, (_, at) =>
        Buffer.from(terms.subarray(at * 16, at * 16 + 10)).toString('hex'),
      );
    }
    return [];
  } finally {
    await storage.close();
    await server.resume();
  }
}

describe('rotation of keys', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
    const entry = Array.from({ length: patients }, (_, index) => ({
      resource: { resourceType: 'Patient', id: `r${index}`, name: [{ family: `Rotation${index}x` }] },
      request: { method: 'PUT', url: `Patient/r${index}` },
    }));
    assert.equal((await server.post('', { resourceType: 'Bundle', type: 'transaction', entry })).status, 200);
  });
  after(() => server.stop());

  it('is for operators, of a key that there is', async () => {
    const token = await server.tokenFor({ actor: 'Practitioner/1', scope: 'system/*.cruds' });
    for (const method of ['GET', 'POST']) {
      const refused = await server.send(method, '$rotate-keys?key=master', { token });
      assert.deepEqual([refused.status, firstIssue(refused).code], [403, 'forbidden']);
    }
    const odd = await server.post('$rotate-keys?key=house', undefined);
    assert.deepEqual([odd.status, firstIssue(odd).code], [400, 'invalid']);
    assert.equal((await status(server)).state, 'none');
  });

  for (const key of ['master', 'compartments', 'index']) {
    it(`${key}: requests that come meanwhile are answered as ever, and everything opens after a restart`, async () => {
      const ringFile = path.join(server.folder, 'keys', 'key-ring.json');
      const ringBefore = JSON.parse(await readFile(ringFile, 'utf8')) as { keys: { id: number }[] };
      assert.equal((await server.post(`$rotate-keys?key=${key}`, undefined)).status, 202);
      await serveUntilDone(server, key);
      await everythingReads(server);
      const ring = JSON.parse(await readFile(ringFile, 'utf8')) as { keys: { id: number }[] };
      const expected = key === 'master' ? ringBefore.keys.at(-1)!.id + 1 : ringBefore.keys.at(-1)!.id;
      assert.deepEqual(
        ring.keys.map(({ id }) => id),
        [expected],
      );
      await server.restart();
      await everythingReads(server);
      assert.equal((await server.get('Patient?family=Rotation7x')).body.entry.length, 1);
    });
  }

  it('goes on after a stop in the middle, and in the end nothing carries terms of the key before', async () => {
    const first = await termsOfFirst(server);
    assert.equal((await server.post('$rotate-keys?key=index', undefined)).status, 202);
    const other = await server.post('$rotate-keys?key=master', undefined);
    assert.ok(other.status === 409 || other.status === 202, other.text);
    await server.restart();
    await everythingReads(server);
    await serveUntilDone(server, 'again');
    const renewed = await termsOfFirst(server);
    assert.equal(renewed.length, first.length);
    // The type of the resource alone has the same term for ever.
    assert.equal(renewed.filter((term) => first.includes(term)).length, 1);
  });
});
