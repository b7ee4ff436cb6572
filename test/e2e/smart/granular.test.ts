import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestServer } from '../server.js';
import { observation } from './world.js';

const lab = 'category=http://terminology.hl7.org/CodeSystem/observation-category|laboratory';

describe('granular scopes', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
    for (const id of ['ada', 'bob']) {
      await server.put(`Patient/${id}`, { resourceType: 'Patient', id });
      for (const kind of ['laboratory', 'vital-signs'])
        await server.put(`Observation/${id}-${kind}`, observation(id, kind));
    }
  });
  after(() => server.stop());

  const tokenFor = (scope: string, patient?: string) => server.tokenFor({ scope, patient });
  const status = async (method: string, url: string, token: string, body?: unknown) =>
    (await server.send(method, url, { token, body })).status;

  it('hide what they do not cover from reads, searches, histories, includes and $everything', async () => {
    const token = await tokenFor(`patient/Observation.rs?${lab} patient/Patient.rs`, 'ada');
    assert.equal(await status('GET', 'Observation/ada-laboratory', token), 200);
    for (const hidden of ['ada-vital-signs', 'bob-laboratory', 'unknown']) {
      for (const suffix of ['', '/_history', '/_history/1', '/$meta']) {
        assert.equal(await status('GET', `Observation/${hidden}${suffix}`, token), 404, hidden + suffix);
      }
    }
    const found = async (url: string) =>
      ((await server.get(url, { token })).body.entry ?? []).map(
        ({ resource }: { resource: { id: string } }) => resource.id,
      );
    assert.deepEqual(await found('Observation'), ['ada-laboratory']);
    assert.deepEqual(await found('Observation/_history'), ['ada-laboratory']);
    assert.deepEqual(await found('Patient?_id=ada&_revinclude=Observation:subject'), ['ada', 'ada-laboratory']);
    assert.deepEqual((await found('Patient/ada/$everything')).sort(), ['ada', 'ada-laboratory']);
    assert.equal((await server.get('Observation?_summary=count', { token })).body.total, 1);
  });

  it('let only what they cover be changed, before as well as after the change', async () => {
    const token = await tokenFor(`user/Observation.rs user/Observation.cud?${lab}`);
    const { body: vital } = await server.get('Observation/ada-vital-signs');
    const { body: own } = await server.get('Observation/ada-laboratory');
    assert.equal(await status('PUT', 'Observation/ada-laboratory', token, own), 200);
    assert.equal(
      await status('PUT', 'Observation/ada-vital-signs', token, vital),
      403,
      'readable, but not to be changed',
    );
    const disguised = { ...vital, category: own.category };
    assert.equal(
      await status('PUT', 'Observation/ada-vital-signs', token, disguised),
      403,
      'not even into what is covered',
    );
    assert.equal(await status('PUT', 'Observation?_id=ada-vital-signs', token, { ...disguised, id: undefined }), 403);
    assert.equal(await status('DELETE', 'Observation/ada-vital-signs', token), 403);
    assert.equal(await status('DELETE', 'Observation?_id=ada-vital-signs', token), 403);
    const patch = [{ op: 'replace', path: '/status', value: 'amended' }];
    const patched = (id: string) =>
      server.send('PATCH', `Observation/${id}`, {
        token,
        body: patch,
        headers: { 'Content-Type': 'application/json-patch+json' },
      });
    assert.equal((await patched('ada-vital-signs')).status, 403);
    assert.equal((await patched('ada-laboratory')).status, 200);
    assert.equal(await status('DELETE', 'Observation/bob-laboratory', token), 204);
    assert.equal((await server.get('Observation/ada-vital-signs')).body.meta.versionId, '1');
  });

  it('hide what they do not cover from reverse chains, GraphQL, batches and conditional creates too', async () => {
    const token = await tokenFor(`user/Patient.rs user/Observation.crs?${lab}`);
    const total = async (url: string, by = token) => (await server.get(url, { token: by })).body.total as number;
    const whole = await tokenFor('user/Patient.rs user/Observation.rs');
    const having = (code: string) => `Patient?_id=ada&_has:Observation:subject:category=${code}`;
    assert.deepEqual([await total(having('vital-signs'), whole), await total(having('laboratory'), whole)], [1, 1]);
    assert.deepEqual([await total(having('vital-signs')), await total(having('laboratory'))], [0, 1]);
    const query = '{ObservationList(patient:"ada"){id}}';
    const graph = await server.get(`$graphql?query=${encodeURIComponent(query)}`, { token });
    assert.deepEqual(graph.body.data.ObservationList, [{ id: 'ada-laboratory' }]);
    const entry = (method: string, url: string) => ({ request: { method, url } });
    const batch = await server.post(
      '',
      {
        resourceType: 'Bundle',
        type: 'batch',
        entry: [entry('GET', 'Observation/ada-vital-signs'), entry('GET', 'Observation/ada-laboratory')],
      },
      { token },
    );
    const statuses = batch.body.entry.map(({ response }: { response: { status: string } }) =>
      response.status.slice(0, 3),
    );
    assert.deepEqual(statuses, ['404', '200']);
    const fresh = { ...observation('ada', 'laboratory'), id: undefined };
    const create = (condition: string) =>
      server.post('Observation', fresh, { token, headers: { 'If-None-Exist': condition } });
    assert.equal((await create('patient=ada&category=laboratory&_id=ada-laboratory')).status, 200);
    assert.equal((await create('patient=ada&category=vital-signs')).status, 201, 'what is hidden does not exist');
    const uncovered = { ...observation('ada', 'vital-signs'), id: undefined };
    assert.equal(await status('POST', 'Observation', token, uncovered), 403);
    const transaction = (resource: object) =>
      server.post(
        '',
        {
          resourceType: 'Bundle',
          type: 'transaction',
          entry: [{ resource, request: { method: 'POST', url: 'Observation' } }],
        },
        { token },
      );
    assert.equal((await transaction(uncovered)).status, 403);
    assert.equal((await transaction(fresh)).status, 200);
  });

  it('narrow the AuditEvents that an auditor sees', async () => {
    const claims = { actor: 'Practitioner/aud', roles: ['auditor'] };
    const every = await server.tokenFor({ ...claims, scope: 'user/AuditEvent.rs' });
    const created = await server.tokenFor({ ...claims, scope: 'user/AuditEvent.rs?action=C' });
    const actions = async (token: string) => {
      const { body } = await server.get('AuditEvent?_count=100', { token });
      return [...new Set(body.entry.map(({ resource }: { resource: { action: string } }) => resource.action))].sort();
    };
    assert.ok((await actions(every)).length > 1);
    assert.deepEqual(await actions(created), ['C']);
    const [{ resource }] = (await server.get('AuditEvent?action=R,E&_count=1', { token: every })).body.entry;
    assert.equal(await status('GET', `AuditEvent/${resource.id}`, every), 200);
    assert.equal(await status('GET', `AuditEvent/${resource.id}`, created), 404);
  });

  it('that name no search cover nothing', async () => {
    const token = await tokenFor('user/Observation.rs?nonsense=1');
    assert.equal(await status('GET', 'Observation/ada-laboratory', token), 404);
    assert.equal((await server.get('Observation', { token })).body.total, 0);
  });

  it('a token for one patient hears of every other patient, known or not, that the token is for another', async () => {
    const token = await tokenFor('patient/*.cruds', 'ada');
    assert.equal(await status('GET', 'Patient/ada', token), 200);
    const answers = await Promise.all(['bob', 'nobody'].map((id) => server.get(`Patient/${id}`, { token })));
    for (const { status, headers } of answers) {
      assert.equal(status, 403);
      assert.match(headers.get('www-authenticate') ?? '', /error="insufficient_scope"/);
    }
    assert.equal(answers[0].text, answers[1].text);
    for (const suffix of ['/_history', '/$everything', '/$meta', '/$proof']) {
      assert.equal(await status('GET', `Patient/bob${suffix}`, token), 403, suffix);
      assert.equal(await status('GET', `Patient/nobody${suffix}`, token), 403, suffix);
    }
    assert.equal(await status('GET', 'Observation/bob-vital-signs', token), 404);
    assert.equal((await server.get('Observation?patient=bob', { token })).body.total, 0);
    assert.equal(
      await status('POST', 'Observation', token, { ...observation('bob', 'laboratory'), id: undefined }),
      403,
    );
    assert.equal(
      await status('POST', 'Observation', token, { ...observation('ada', 'laboratory'), id: undefined }),
      201,
    );
  });

  it('a patient scope without a patient in context allows nothing', async () => {
    const token = await tokenFor('patient/*.rs');
    const { status, headers } = await server.get('Observation/ada-laboratory', { token });
    assert.equal(status, 403);
    assert.match(headers.get('www-authenticate') ?? '', /insufficient_scope/);
  });
});
