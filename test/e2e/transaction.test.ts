import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestServer } from './server.js';

type Entry = Record<string, unknown>;

const uuid = (digit: number) => `urn:uuid:${String(digit).repeat(8)}-1111-4111-8111-111111111111`;
const post = (resource: object, more: object = {}, fullUrl?: string): Entry => ({
  ...(fullUrl === undefined ? {} : { fullUrl }),
  resource,
  request: { method: 'POST', url: (resource as { resourceType: string }).resourceType, ...more },
});
const observation = (reference: string, more: object = {}) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text: 'x' },
  subject: { reference },
  ...more,
});
const patient = (value?: string, more: object = {}) => ({
  resourceType: 'Patient',
  ...(value === undefined ? {} : { identifier: [{ system: 'http://example.org/ids', value }] }),
  ...more,
});

describe('transactions', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  const send = (type: string, entry: Entry[], headers: Record<string, string> = {}) =>
    server.post('', { resourceType: 'Bundle', type, entry }, { headers });
  const idAt = (body: { entry: { response: { location: string } }[] }, index: number) =>
    body.entry[index].response.location.split('/')[1];

  it('rewrite links between entries, whatever their order, in contained resources and narrative too', async () => {
    const { status, body } = await send('transaction', [
      post(
        observation(uuid(1), {
          text: {
            status: 'generated',
            div: `<div xmlns="http://www.w3.org/1999/xhtml"><a href="${uuid(1)}">him</a></div>`,
          },
          contained: [{ ...observation(uuid(1)), id: 'p' }],
          hasMember: [{ reference: '#p' }],
        }),
      ),
      post(patient(), {}, uuid(1)),
    ]);
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(
      body.entry.map((entry: { response: { status: string; etag: string } }) => [
        entry.response.status,
        entry.response.etag,
      ]),
      [
        ['201 Created', 'W/"1"'],
        ['201 Created', 'W/"1"'],
      ],
    );
    const reference = `Patient/${idAt(body, 1)}`;
    const stored = (await server.get(`Observation/${idAt(body, 0)}`)).body;
    assert.equal(stored.subject.reference, reference);
    assert.equal(stored.contained[0].subject.reference, reference);
    assert.equal(stored.hasMember[0].reference, '#p');
    assert.match(stored.text.div, new RegExp(`href="${reference}"`));
  });

  it('resolve relative references against the fullUrl of their entry', async () => {
    const { body } = await send('transaction', [
      post(patient(), {}, 'http://elsewhere.example/fhir/Patient/7'),
      post(observation('Patient/7'), {}, 'http://elsewhere.example/fhir/Observation/8'),
    ]);
    const stored = (await server.get(`Observation/${idAt(body, 1)}`)).body;
    assert.equal(stored.subject.reference, `Patient/${idAt(body, 0)}`);
  });

  it('resolve conditional references to what is stored and to what the same Bundle creates', async () => {
    const { body: stored } = await server.post('Patient', patient('t-stored'));
    const { status, body } = await send('transaction', [
      post(observation('Patient?identifier=http://example.org/ids|t-stored')),
      post(observation('Patient?identifier=http://example.org/ids|t-new')),
      post(patient('t-new')),
    ]);
    assert.equal(status, 200, JSON.stringify(body));
    const references = await Promise.all(
      [0, 1].map(async (index) => (await server.get(`Observation/${idAt(body, index)}`)).body.subject.reference),
    );
    assert.deepEqual(references, [`Patient/${stored.id}`, `Patient/${idAt(body, 2)}`]);
  });

  it('make one resource of two entries with the same ifNoneExist', async () => {
    const ifNoneExist = 'identifier=http://example.org/ids|t-twice';
    const { body } = await send('transaction', [
      post(patient('t-twice'), { ifNoneExist }, uuid(2)),
      post(patient('t-twice'), { ifNoneExist }, uuid(3)),
      post(observation(uuid(3))),
    ]);
    assert.deepEqual(
      body.entry.map((entry: { response: { status: string } }) => entry.response.status),
      ['201 Created', '200 OK', '201 Created'],
    );
    assert.equal(idAt(body, 0), idAt(body, 1));
    assert.equal((await server.get(`Observation/${idAt(body, 2)}`)).body.subject.reference, `Patient/${idAt(body, 0)}`);
    assert.equal((await server.get('Patient?identifier=http://example.org/ids|t-twice')).body.total, 1);
  });

  it('are refused whole, with every broken entry named', async () => {
    const before = (await server.get('Patient?_summary=count')).body.total;
    const { status, body } = await send('transaction', [
      post(patient('t-refused')),
      post(observation(uuid(9))),
      post(patient('t-bad', { gender: 'x' })),
      post(observation('Patient?identifier=http://example.org/ids|t-none')),
      { request: { method: 'POST', url: 'Patient' } },
    ]);
    assert.equal(status, 400);
    const missing = body.issue.map((issue: { expression: string[] }) => issue.expression[0]);
    assert.deepEqual(missing, ['Bundle.entry[4].resource']);
    const second = await send('transaction', [
      post(patient('t-refused')),
      post(observation(uuid(9))),
      post(patient('t-bad', { gender: 'x' })),
      post(observation('Patient?identifier=http://example.org/ids|t-none')),
    ]);
    assert.equal(second.status, 422);
    const places = second.body.issue.map((issue: { expression: string[] }) => issue.expression[0]);
    for (const place of [
      'Bundle.entry[1].resource.subject.reference',
      'Bundle.entry[2].resource.gender',
      'Bundle.entry[3].resource.subject.reference',
    ]) {
      assert.ok(places.includes(place), `${place} is named in ${places}`);
    }
    assert.equal((await server.get('Patient?_summary=count')).body.total, before);
  });

  it('write nothing when a read would fail; a read of what the transaction writes succeeds', async () => {
    const read = (url: string): Entry => ({ request: { method: 'GET', url } });
    const write = (id: string): Entry => ({ request: { method: 'PUT', url: `Patient/${id}` }, resource: patient() });
    for (const [url, status] of [
      ['Patient/t-nobody', 404],
      ['Patient?unknown=1', 400],
    ] as const) {
      const refused = await send('transaction', [write('t-rehearsed'), read(url)]);
      assert.equal(refused.status, status);
      assert.deepEqual(refused.body.issue[0].expression, ['Bundle.entry[1].request']);
      assert.equal((await server.get('Patient/t-rehearsed')).status, 404, 'nothing was written');
    }
    const { status } = await send('transaction', [write('t-rehearsed'), read('Patient/t-rehearsed')]);
    assert.equal(status, 200);
    const gone = [{ request: { method: 'DELETE', url: 'Patient/t-rehearsed' } }, read('Patient/t-rehearsed')];
    assert.equal((await send('transaction', gone)).status, 410);
    assert.equal((await server.get('Patient/t-rehearsed')).status, 200, 'nothing was deleted');
  });

  it('refuse what names one thing twice: a fullUrl, an id that is written and deleted', async () => {
    const twice = await send('transaction', [post(patient(), {}, uuid(3)), post(patient(), {}, uuid(3))]);
    assert.deepEqual([twice.status, twice.body.issue[0].expression], [400, ['Bundle.entry[1].fullUrl']]);
    assert.equal((await send('transaction', [post(patient(), {}, uuid(3)), post(patient(), {}, uuid(4))])).status, 200);
    const update = { request: { method: 'PUT', url: 'Patient/t-twice' }, resource: patient() };
    const remove = { request: { method: 'DELETE', url: 'Patient/t-twice' } };
    assert.equal((await send('transaction', [update, remove])).status, 400);
    assert.equal((await send('transaction', [update])).status, 200);
  });

  it('take _search among the entries, and the type before the criteria of ifNoneExist', async () => {
    const created = await send('transaction', [post(patient('t-typed'))]);
    const id = idAt(created.body, 0);
    const { status, body } = await send('batch', [
      { request: { method: 'POST', url: `Patient/_search?_id=${id}` } },
      post(patient('t-typed'), { ifNoneExist: 'Patient?identifier=http://example.org/ids|t-typed' }),
    ]);
    assert.equal(status, 200);
    assert.equal(body.entry[0].resource.entry[0].resource.id, id);
    assert.equal(body.entry[1].response.status, '200 OK');
  });

  it('delete first, then create, then update and patch, then read; answers stay in the order of the entries', async () => {
    const { body: doomed } = await server.post('Patient', patient('t-order'));
    const { body: updated } = await server.post('Patient', patient());
    const { status, body } = await send('transaction', [
      { request: { method: 'GET', url: 'Patient?identifier=http://example.org/ids|t-order' } },
      {
        request: { method: 'PUT', url: `Patient/${updated.id}` },
        resource: { ...patient(), id: updated.id, active: true },
      },
      post(patient('t-order'), { ifNoneExist: 'identifier=http://example.org/ids|t-fresh' }),
      { request: { method: 'DELETE', url: `Patient/${doomed.id}` } },
    ]);
    assert.equal(status, 200, JSON.stringify(body));
    assert.deepEqual(
      body.entry.map((entry: { response: { status: string } }) => entry.response.status),
      ['200 OK', '200 OK', '201 Created', '204 No Content'],
    );
    const found = body.entry[0].resource;
    assert.equal(found.total, 1);
    assert.equal(found.entry[0].resource.id, idAt(body, 2));
  });

  it('take patches and conditional updates and deletes', async () => {
    const { body: first } = await server.post('Patient', patient('t-patched'));
    await server.post('Patient', patient('t-gone'));
    const data = Buffer.from('[{"op":"add","path":"/active","value":true}]').toString('base64');
    const { status, body } = await send('transaction', [
      {
        request: { method: 'PATCH', url: `Patient/${first.id}` },
        resource: { resourceType: 'Binary', contentType: 'application/json-patch+json', data },
      },
      { request: { method: 'DELETE', url: 'Patient?identifier=http://example.org/ids|t-gone' } },
      {
        request: { method: 'PUT', url: 'Patient?identifier=http://example.org/ids|t-put' },
        resource: patient('t-put'),
      },
    ]);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal((await server.get(`Patient/${first.id}`)).body.active, true);
    assert.equal((await server.get('Patient?identifier=http://example.org/ids|t-gone')).body.total, 0);
    assert.equal(body.entry[2].response.status, '201 Created');
  });

  it('refuse two writes of one resource, and If-Match that no longer holds', async () => {
    const { body: one } = await server.post('Patient', patient());
    const put = { request: { method: 'PUT', url: `Patient/${one.id}` }, resource: { ...patient(), id: one.id } };
    assert.equal((await send('transaction', [put, put])).status, 400);
    const stale = { ...put, request: { ...put.request, ifMatch: 'W/"7"' } };
    const refused = await send('transaction', [stale, post(patient('t-ifmatch'))]);
    assert.equal(refused.status, 412);
    assert.equal(refused.body.issue[0].expression[0], 'Bundle.entry[0].request');
    assert.equal((await server.get('Patient?identifier=http://example.org/ids|t-ifmatch')).body.total, 0);
    const good = { ...put, request: { ...put.request, ifMatch: 'W/"1"' } };
    assert.equal((await send('transaction', [good])).status, 200);
  });

  it('answer with contents when that is preferred', async () => {
    const { body } = await send('transaction', [post(patient('t-prefer'))], { Prefer: 'return=representation' });
    assert.equal(body.entry[0].resource.identifier[0].value, 't-prefer');
    assert.equal(body.entry[0].fullUrl, `${server.baseUrl}/Patient/${body.entry[0].resource.id}`);
  });

  it('may be empty', async () => {
    const { status, body } = await server.post('', { resourceType: 'Bundle', type: 'transaction' });
    assert.equal(status, 200);
    assert.equal(body.type, 'transaction-response');
  });

  it('batches take each entry for itself', async () => {
    const { status, body } = await send('batch', [
      post(patient('b-1')),
      post(patient('b-2', { gender: 'x' })),
      { request: { method: 'GET', url: 'Patient/none' } },
      { request: { method: 'GET', url: 'Patient?identifier=http://example.org/ids|b-1' } },
    ]);
    assert.equal(status, 200);
    assert.equal(body.type, 'batch-response');
    const statuses = body.entry.map((entry: { response: { status: string } }) => entry.response.status.slice(0, 3));
    assert.deepEqual(statuses, ['201', '422', '404', '200']);
    assert.equal(body.entry[1].response.outcome.issue[0].code, 'code-invalid');
    assert.equal(body.entry[3].resource.total, 1);
  });
});
