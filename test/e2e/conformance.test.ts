import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { firstIssue, TestServer, type Answer } from './server.js';

/** Headers, statuses and forms that conformance harnesses look at. */
describe('what conformance harnesses ask', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  const newPatient = async (more: object = {}) =>
    (await server.post('Patient', { resourceType: 'Patient', ...more })).body as { id: string };
  const put = (id: string, ifMatch: string) =>
    server.put(`Patient/${id}`, { resourceType: 'Patient', id }, { headers: { 'If-Match': ifMatch } });

  it('If-Match takes * and lists of tags, as HTTP says', async () => {
    const { id } = await newPatient();
    assert.equal((await put(id, '*')).status, 200, 'any version is there');
    assert.equal((await put(id, 'W/"1", W/"2"')).status, 200, 'one of the list is there');
    assert.equal((await put(id, 'W/"1", W/"2"')).status, 412, 'none of the list is there any more');
    assert.equal((await put('not-there', '*')).status, 412, 'no version is there');
  });

  it('405 says in Allow what is offered; HEAD is, where GET is', async () => {
    const { id } = await newPatient();
    const offered = async (method: string, url: string) => {
      const answer = await server.send(method, url, method === 'POST' ? { body: {} } : {});
      return [answer.status, answer.headers.get('allow')];
    };
    assert.deepEqual(await offered('POST', `Patient/${id}`), [405, 'GET, HEAD, PUT, PATCH, DELETE']);
    assert.deepEqual(await offered('DELETE', `Patient/${id}/_history/1`), [405, 'GET, HEAD']);
    assert.deepEqual(await offered('PROPFIND', 'Patient'), [405, 'GET, HEAD, POST, PUT, PATCH, DELETE']);
  });

  it('an empty _format is none; one that is not offered is 406', async () => {
    const { id } = await newPatient();
    assert.equal((await server.get(`Patient/${id}?_format=`)).status, 200);
    assert.equal((await server.get(`Patient/${id}?_format=ttl`)).status, 406);
  });

  it('metadata comes in parts too', async () => {
    const { body } = await server.get('metadata?_elements=fhirVersion');
    assert.deepEqual([body.fhirVersion, body.kind, body.rest], ['4.0.1', 'instance', undefined]);
    assert.equal(body.meta.tag[0].code, 'SUBSETTED');
    assert.equal((await server.get('metadata')).body.meta, undefined);
  });

  it('a summary begins with its resourceType', async () => {
    const { id } = await newPatient({ active: true });
    assert.match((await server.get(`Patient/${id}?_summary=true`)).text, /^\{"resourceType":"Patient","id":/);
  });

  it('_search takes a form, or nothing; a resource as its body is refused', async () => {
    const { id } = await newPatient();
    const headers = { 'Content-Type': 'application/x-www-form-urlencoded' };
    const found = await server.send('POST', 'Patient/_search', { body: `_id=${id}`, headers });
    assert.equal(found.body.entry[0].resource.id, id);
    assert.equal((await server.send('POST', `Patient/_search?_id=${id}`)).status, 200);
    assert.equal((await server.post('Patient/_search', { resourceType: 'Parameters' })).status, 415);
  });

  it('searches in compartments that R4 has, in no others', async () => {
    assert.equal((await server.get('Patient/nobody/Observation')).status, 200);
    assert.equal((await server.get('Organization/nobody/Observation')).status, 404);
  });

  it('half of a surrogate pair is refused with its place, a whole one is kept', async () => {
    const withFamily = (family: string) => `{"resourceType":"Patient","name":[{"family":"${family}"}]}`;
    const refused = await server.post('Patient', withFamily('a\\ud800b'));
    assert.deepEqual([refused.status, firstIssue(refused).code], [400, 'structure']);
    assert.match(firstIssue(refused).diagnostics ?? '', /surrogate pair at line 1, column 45/);
    const kept = await server.post('Patient', withFamily('a\\ud83d\\ude00b'));
    assert.equal(kept.body.name[0].family, 'a😀b');
  });

  describe('history', () => {
    const total = ({ body }: Answer) => [body.total, body.entry?.length ?? 0];

    it('of one resource tells its total on every page, and _count=0 nothing else', async () => {
      const { id } = await newPatient();
      for (let version = 2; version <= 4; version += 1) await put(id, '*');
      await server.delete(`Patient/${id}`);
      const first = await server.get(`Patient/${id}/_history?_count=2`);
      assert.deepEqual(total(first), [5, 2]);
      const { url } = first.body.link.find(({ relation }: { relation: string }) => relation === 'next');
      assert.deepEqual(total(await server.get(url)), [5, 2]);
      assert.deepEqual(total(await server.get(`Patient/${id}/_history?_count=0`)), [5, 0]);
      assert.deepEqual(total(await server.get(`Patient/${id}/_history?_summary=count`)), [5, 0]);
    });

    it('of a type is counted on request', async () => {
      const before = (await server.get('Group/_history?_count=0')).body.total;
      await server.post('Group', { resourceType: 'Group', type: 'person', actual: true });
      assert.equal((await server.get('Group/_history?_count=0')).body.total, before + 1);
    });
  });
});
