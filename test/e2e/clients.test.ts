import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Client } from 'fhir-kit-client';
import { TestServer } from './server.js';

describe('clients that others wrote', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  it('fhir-kit-client walks metadata, create, search, pages, patch, history, transaction and delete', async () => {
    const bearerToken = await server.tokenFor({});
    const client = new Client({ baseUrl: server.baseUrl, bearerToken });
    const { resourceType } = await client.capabilityStatement();
    assert.equal(resourceType, 'CapabilityStatement');
    for (let index = 0; index < 5; index += 1) {
      await client.create({ resourceType: 'Patient', body: { resourceType: 'Patient', name: [{ family: 'Kit' }] } });
    }
    const first = await client.search({ resourceType: 'Patient', searchParams: { family: 'kit', _count: 2 } });
    const second = await client.nextPage({ bundle: first as never });
    const third = await client.nextPage({ bundle: second as never });
    const ids = [first, second, third].flatMap((page) =>
      (page as unknown as { entry: { resource: { id: string } }[] }).entry.map(({ resource }) => resource.id),
    );
    assert.equal(new Set(ids).size, 5);
    const [id] = ids;
    const patched = await client.patch({
      resourceType: 'Patient',
      id,
      jsonPatch: [{ op: 'add', path: '/active', value: true }],
    });
    assert.equal(patched.active, true);
    const history = await client.history({ resourceType: 'Patient', id });
    assert.equal((history as unknown as { entry: unknown[] }).entry.length, 2);
    const body = {
      resourceType: 'Bundle' as const,
      type: 'transaction',
      entry: [{ request: { method: 'DELETE', url: `Patient/${id}` } }],
    };
    await client.transaction({ body: body as never });
    await assert.rejects(
      client.read({ resourceType: 'Patient', id }),
      (error: { response?: { status?: number } }) => error.response?.status === 410,
    );
  });
});

describe('fhirclient (SMART)', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  it('walks create, read, search, pages, references, update, patch, transaction and delete', async () => {
    const { default: FHIR } = (await import('fhirclient')) as unknown as { default: FhirClientEntry };
    const tokenResponse = { access_token: await server.tokenFor({}) };
    const client = FHIR(request, response).client({ serverUrl: server.baseUrl, tokenResponse });
    const created: Saved[] = [];
    for (let index = 0; index < 5; index += 1) {
      created.push(await client.create({ resourceType: 'Patient', name: [{ family: 'Smart', given: [`G${index}`] }] }));
    }
    const [{ id }] = created;
    const all = await client.request('Patient?family=smart&_count=2', { pageLimit: 0, flat: true });
    assert.deepEqual(new Set(all.map((one: Saved) => one.id)), new Set(created.map((one) => one.id)));
    const observation = { resourceType: 'Observation', status: 'final', code: { text: 'x' } };
    const { id: observed } = await client.create({ ...observation, subject: { reference: `Patient/${id}` } });
    const resolved = await client.request(`Observation/${observed}`, { resolveReferences: ['subject'] });
    assert.equal(resolved.subject.id, id);
    const updated = await client.update({ resourceType: 'Patient', id, name: [{ family: 'Smart' }], gender: 'female' });
    assert.equal(updated.meta.versionId, '2');
    const patched = await client.patch(`Patient/${id}`, [{ op: 'add', path: '/active', value: true }]);
    assert.equal(patched.active, true);
    const entry = [{ request: { method: 'DELETE', url: `Observation/${observed}` } }];
    const body = JSON.stringify({ resourceType: 'Bundle', type: 'transaction', entry });
    const headers = { 'Content-Type': 'application/fhir+json' };
    const done = await client.request({ url: '', method: 'POST', body, headers });
    assert.match(done.entry[0].response.status, /^204/);
    await client.delete(`Patient/${id}`);
    await assert.rejects(client.request(`Patient/${id}`), /410|deleted/);
  });
});

/** What of fhirclient the test uses; its own types are those of a browser. */
type FhirClientEntry = (request: object, response: object) => { client(state: object): SmartClient };
// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Saved = any;
interface SmartClient {
  create(resource: object): Promise<Saved>;
  update(resource: object): Promise<Saved>;
  patch(url: string, operations: object[]): Promise<Saved>;
  delete(url: string): Promise<unknown>;
  request(request: string | object, options?: object): Promise<Saved>;
}

/** fhirclient's door for Node takes a request and its answer, and keeps its state in a session. */
const request = { headers: { host: 'localhost' }, url: '/', session: {} };
const response = {};

describe('asynchronous answers', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
    await server.post('Patient', { resourceType: 'Patient' });
  });
  after(() => server.stop());

  const headers = { Prefer: 'respond-async' };

  it('a search is accepted, and its answer fetched from the status URL by who asked alone', async () => {
    const accepted = await server.get('Patient', { headers });
    assert.equal(accepted.status, 202);
    const place = accepted.headers.get('content-location') ?? '';
    const stranger = await server.tokenFor({ actor: 'Practitioner/other' });
    assert.equal((await server.get(place, { token: stranger })).status, 404);
    let answer = await server.get(place);
    while (answer.status === 202) answer = await server.get(place);
    assert.equal(answer.status, 200);
    assert.equal(answer.body.type, 'batch-response');
    assert.match(answer.body.entry[0].response.status, /^200/);
    assert.equal(answer.body.entry[0].resource.total, 1);
    assert.equal((await server.delete(place)).status, 202);
    assert.equal((await server.get(place)).status, 404);
  });

  it('a wrong search tells so in its answer; a read is answered at once', async () => {
    const accepted = await server.get('Patient?shoe-size=44', { headers });
    let answer = await server.get(accepted.headers.get('content-location') ?? '');
    while (answer.status === 202) answer = await server.get(accepted.headers.get('content-location') ?? '');
    assert.match(answer.body.entry[0].response.status, /^400/);
    assert.equal((await server.get('Patient/none', { headers })).status, 404);
  });
});
