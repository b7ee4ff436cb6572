import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestServer, type Answer } from './server.js';

const namesOf = ({ body }: Answer) =>
  ((body.entry ?? []) as { resource: { resourceType: string; id: string } }[]).map(
    ({ resource }) => `${resource.resourceType}/${resource.id}`,
  );

describe('the corners of REST', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  const put = async (resource: { resourceType: string; id: string; [key: string]: unknown }) => {
    const answer = await server.put(`${resource.resourceType}/${resource.id}`, resource);
    assert.ok(answer.status === 200 || answer.status === 201, answer.text);
    return answer;
  };
  const observation = (id: string, date: string, more: object = {}) => ({
    resourceType: 'Observation',
    id,
    status: 'final',
    code: { text: 'x' },
    effectiveDateTime: date,
    ...more,
  });

  describe('$everything', () => {
    before(async () => {
      await put({ resourceType: 'Organization', id: 'home', name: 'Home' });
      await put({ resourceType: 'Patient', id: 'eve', managingOrganization: { reference: 'Organization/home' } });
      await put({
        resourceType: 'Encounter',
        id: 'visit',
        status: 'finished',
        class: { code: 'AMB' },
        subject: { reference: 'Patient/eve' },
      });
      const subject = { reference: 'Patient/eve' };
      await put(observation('y2019', '2019-06-01', { subject }));
      await put(observation('y2020', '2020-06-01', { subject, encounter: { reference: 'Encounter/visit' } }));
    });

    it('of a Patient is narrowed by start and end, _since and _type', async () => {
      const of = async (query: string) =>
        namesOf(await server.get(`Patient/eve/$everything?_type=Observation&${query}`)).sort();
      assert.deepEqual(await of('start=2019-01-01&end=2019-12-31'), ['Observation/y2019']);
      assert.deepEqual(await of('start=2020'), ['Observation/y2020']);
      assert.deepEqual(await of('end=2020-12'), ['Observation/y2019', 'Observation/y2020']);
      const since = new Date(Date.now() + 60_000).toISOString();
      assert.deepEqual(await of(`_since=${since}`), []);
      assert.equal((await server.get('Patient/eve/$everything?start=yesterday')).status, 400);
      assert.equal((await server.get('Patient/eve/$everything?_type=Pony')).status, 400);
    });

    it('comes page by page, by GET and by POST', async () => {
      const names: string[] = [];
      const parameter = [{ name: '_count', valueInteger: 2 }];
      let page = await server.post('Patient/eve/$everything', { resourceType: 'Parameters', parameter });
      let pages = 0;
      for (;;) {
        assert.equal(page.status, 200, page.text);
        names.push(...namesOf(page));
        pages += 1;
        const next = page.body.link.find(({ relation }: { relation: string }) => relation === 'next')?.url;
        if (next === undefined) break;
        page = await server.get(next);
      }
      assert.ok(pages > 1);
      const whole = ['Encounter/visit', 'Observation/y2019', 'Observation/y2020', 'Organization/home', 'Patient/eve'];
      assert.deepEqual([...new Set(names)].sort(), whole);
    });

    it('of an Encounter brings what was done there', async () => {
      const names = namesOf(await server.get('Encounter/visit/$everything'));
      assert.ok(names.includes('Observation/y2020') && names.includes('Encounter/visit'), names.join());
      assert.ok(!names.includes('Observation/y2019'));
      assert.equal((await server.get('Observation/y2020/$everything')).status, 404);
    });
  });

  it('a batch is answered later for who prefers that', async () => {
    const entry = [{ request: { method: 'GET', url: 'Patient/eve' } }];
    const body = { resourceType: 'Bundle', type: 'batch', entry };
    const accepted = await server.post('', body, { headers: { Prefer: 'respond-async' } });
    assert.equal(accepted.status, 202);
    const place = accepted.headers.get('content-location') ?? '';
    let answer = await server.get(place);
    while (answer.status === 202) answer = await server.get(place);
    assert.equal(answer.body.entry[0].resource.entry[0].resource.id, 'eve');
  });

  it('versioned references are kept as they are, found, and must lead somewhere', async () => {
    const basedOn = (id: string) => observation('versioned', '2020-01-01', { subject: { reference: id } });
    await put(basedOn('Patient/eve/_history/1'));
    const { body } = await server.get('Observation/versioned');
    assert.equal(body.subject.reference, 'Patient/eve/_history/1');
    assert.ok(namesOf(await server.get('Observation?subject=Patient/eve')).includes('Observation/versioned'));
    assert.equal((await server.put('Observation/versioned', basedOn('Patient/nobody/_history/1'))).status, 422);
  });

  it('If-Match holds for PATCH and for conditional updates, deletes and patches too', async () => {
    const system = 'http://example.org/if-match';
    const patient = { resourceType: 'Patient', identifier: [{ system, value: '1' }] };
    const { body } = await server.post('Patient', patient);
    const json = { 'Content-Type': 'application/json-patch+json' };
    const patch = [{ op: 'add', path: '/active', value: true }];
    const place = `Patient?identifier=${system}|1`;
    const stale = { 'If-Match': 'W/"9"' };
    for (const [method, url, content, headers] of [
      ['PATCH', `Patient/${body.id}`, patch, json],
      ['PATCH', place, patch, json],
      ['PUT', place, patient, {}],
      ['DELETE', place, undefined, {}],
    ] as const) {
      const refused = await server.send(method, url, { body: content, headers: { ...headers, ...stale } });
      assert.equal(refused.status, 412, `${method} ${url}: ${refused.text}`);
    }
    const fresh = { 'If-Match': 'W/"1"' };
    assert.equal((await server.send('PATCH', place, { body: patch, headers: { ...json, ...fresh } })).status, 200);
    assert.equal((await server.delete(place, { headers: { 'If-Match': 'W/"2"' } })).status, 204);
  });

  it('conditional delete takes all that match, a conditional patch the one that matches', async () => {
    const system = 'http://example.org/several';
    const create = (value: string) =>
      server.post('Patient', { resourceType: 'Patient', identifier: [{ system, value }], gender: 'other' });
    await Promise.all(['1', '2', '3'].map(create));
    const headers = { 'Content-Type': 'application/json-patch+json' };
    const body = [{ op: 'replace', path: '/gender', value: 'female' }];
    const one = await server.send('PATCH', `Patient?identifier=${system}|1`, { body, headers });
    assert.equal(one.body.gender, 'female');
    assert.equal((await server.send('PATCH', `Patient?identifier=${system}|`, { body, headers })).status, 412);
    assert.equal((await server.send('PATCH', `Patient?identifier=${system}|9`, { body, headers })).status, 404);
    assert.equal((await server.delete(`Patient?identifier=${system}|`)).status, 204);
    assert.equal((await server.get(`Patient?identifier=${system}|&_summary=count`)).body.total, 0);
    assert.equal((await server.delete('Patient')).status, 400);
  });

  it('history tells the version that was there _at a time, page by page, of an instance, a type and all', async () => {
    const id = 'aged';
    const times: string[] = [];
    for (let version = 1; version <= 3; version += 1) {
      const { body } = await put({ resourceType: 'Basic', id, code: { text: `v${version}` } });
      times.push(body.meta.lastUpdated);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const versions = ({ body }: Answer) =>
      body.entry.map(({ resource }: { resource: { meta: { versionId: string } } }) => resource.meta.versionId);
    assert.deepEqual(versions(await server.get(`Basic/${id}/_history?_at=${times[1]}`)), ['2']);
    assert.deepEqual(versions(await server.get(`Basic/_history?_since=${times[1]}`)), ['3', '2']);
    const first = await server.get(`Basic/${id}/_history?_count=2`);
    const next = first.body.link.find(({ relation }: { relation: string }) => relation === 'next').url;
    assert.deepEqual([...versions(first), ...versions(await server.get(next))], ['3', '2', '1']);
    assert.equal((await server.get(`_history?_since=${times[0]}`)).body.entry.length, 3);
    assert.equal((await server.get('_history?_since=soon')).status, 400);
  });

  it('_summary has five values, Prefer three returns', async () => {
    await put({
      resourceType: 'Patient',
      id: 'short',
      text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">x</div>' },
      contact: [{ name: { family: 'B' } }],
    });
    const has = async (summary: string, key: string) =>
      key in (await server.get(`Patient?_id=short&_summary=${summary}`)).body.entry[0].resource;
    assert.deepEqual([await has('true', 'contact'), await has('true', 'text')], [false, false]);
    assert.deepEqual([await has('text', 'contact'), await has('text', 'text')], [false, true]);
    assert.deepEqual([await has('data', 'contact'), await has('data', 'text')], [true, false]);
    assert.deepEqual([await has('false', 'contact'), await has('false', 'text')], [true, true]);
    const count = await server.get('Patient?_id=short&_summary=count');
    assert.deepEqual([count.body.total, count.body.entry], [1, undefined]);
    const body = { resourceType: 'Basic', code: { text: 'x' } };
    const prefer = (value: string) => server.post('Basic', body, { headers: { Prefer: `return=${value}` } });
    assert.equal((await prefer('minimal')).text, '');
    assert.equal((await prefer('representation')).body.resourceType, 'Basic');
    assert.equal((await prefer('OperationOutcome')).body.resourceType, 'OperationOutcome');
  });
});

describe('what the operator may switch', () => {
  it('update as create and referential integrity', async () => {
    const server = await TestServer.start({ UPDATE_CREATE: 'off', REFERENTIAL_INTEGRITY: 'off' });
    const patient = { resourceType: 'Patient', id: 'mine' };
    assert.equal((await server.put('Patient/mine', patient)).status, 405);
    const dangling = {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: 'Patient/nobody' },
    };
    assert.equal((await server.post('Observation', dangling)).status, 201);
    const { body } = await server.post('Patient', { resourceType: 'Patient' });
    const referring = { ...dangling, subject: { reference: `Patient/${body.id}` } };
    assert.equal((await server.post('Observation', referring)).status, 201);
    assert.equal((await server.delete(`Patient/${body.id}`)).status, 204);
    await server.stop();
  });
});
