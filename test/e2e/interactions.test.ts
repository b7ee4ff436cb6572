import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { firstIssue, TestServer } from './server.js';

describe('interactions on one resource', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  const newPatient = async (family = 'Hall') =>
    (await server.post('Patient', { resourceType: 'Patient', name: [{ family }] })).body as { id: string };

  it('create answers 201 with Location, ETag and Last-Modified; decimals keep their text', async () => {
    const text =
      '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.500,"unit":"g"}}';
    const created = await server.post('Observation', text);
    assert.equal(created.status, 201);
    assert.equal(created.headers.get('etag'), 'W/"1"');
    assert.equal(created.headers.get('location'), `${server.baseUrl}/Observation/${created.body.id}/_history/1`);
    assert.equal(Date.parse(created.headers.get('last-modified') ?? '') > 0, true);
    const read = await server.get(`Observation/${created.body.id}`);
    assert.equal(read.status, 200);
    assert.match(read.text, /"value":1\.500,/);
    assert.deepEqual(read.body, created.body);
  });

  it('a create with a client id is refused, a PUT of that id creates', async () => {
    const refused = await server.post('Patient', { resourceType: 'Patient', id: 'mine' });
    assert.equal(refused.status, 400);
    assert.deepEqual(
      { ...firstIssue(refused), diagnostics: '' },
      { code: 'invalid', expression: 'Patient.id', diagnostics: '' },
    );
    const put = await server.put('Patient/mine', { resourceType: 'Patient', id: 'mine' });
    assert.equal(put.status, 201);
    assert.equal(put.headers.get('location'), `${server.baseUrl}/Patient/mine/_history/1`);
  });

  it('update makes the next version; vread still gives the one before', async () => {
    const { id } = await newPatient();
    const updated = await server.put(`Patient/${id}`, { resourceType: 'Patient', id, active: true });
    assert.equal(updated.status, 200);
    assert.equal(updated.headers.get('etag'), 'W/"2"');
    const first = await server.get(`Patient/${id}/_history/1`);
    assert.equal(first.body.name[0].family, 'Hall');
    assert.equal((await server.get(`Patient/${id}`)).body.active, true);
    assert.equal((await server.get(`Patient/${id}/_history/3`)).status, 404);
  });

  it('If-Match lets the holder of the present version write, nobody else', async () => {
    const { id } = await newPatient();
    const body = { resourceType: 'Patient', id, active: true };
    const stale = await server.put(`Patient/${id}`, body, { headers: { 'If-Match': 'W/"9"' } });
    assert.equal(stale.status, 412);
    assert.equal(firstIssue(stale).code, 'conflict');
    assert.equal((await server.put(`Patient/${id}`, body, { headers: { 'If-Match': 'W/"1"' } })).status, 200);
    assert.equal((await server.delete(`Patient/${id}`, { headers: { 'If-Match': 'W/"1"' } })).status, 412);
    assert.equal((await server.delete(`Patient/${id}`, { headers: { 'If-Match': 'W/"2"' } })).status, 204);
  });

  it('a deleted resource is 410 with its history; PUT brings it back and goes on counting', async () => {
    const { id } = await newPatient();
    const deleted = await server.delete(`Patient/${id}`);
    assert.equal(deleted.status, 204);
    assert.equal(deleted.text, '');
    const gone = await server.get(`Patient/${id}`);
    assert.equal(gone.status, 410);
    assert.equal(firstIssue(gone).code, 'deleted');
    assert.equal((await server.delete(`Patient/${id}`)).status, 204);
    assert.equal((await server.get(`Patient?_id=${id}`)).body.total, 0);
    const back = await server.put(`Patient/${id}`, { resourceType: 'Patient', id });
    assert.equal(back.status, 201);
    assert.equal(back.headers.get('etag'), 'W/"3"');
    const { body } = await server.get(`Patient/${id}/_history`);
    assert.equal(body.type, 'history');
    assert.equal(body.total, 3);
    assert.deepEqual(
      body.entry.map((entry: { request: { method: string }; response: { etag: string } }) => [
        entry.request.method,
        entry.response.etag,
      ]),
      [
        ['PUT', 'W/"3"'],
        ['DELETE', 'W/"2"'],
        ['POST', 'W/"1"'],
      ],
    );
  });

  it('what is not there is 404; unknown types and odd ids too', async () => {
    for (const url of ['Patient/none', 'Patient/none/_history', 'Patient/none/_history/1', 'Patient/a_b']) {
      const { status, body } = await server.get(url);
      assert.equal(status, 404, url);
      assert.equal(body.issue[0].code, 'not-found', url);
    }
    assert.equal((await server.get('Patience/1')).status, 404);
    assert.equal((await server.send('PUT', '_history')).status, 405);
  });

  it('conditional read answers 304 to who has the version, 200 to who has another', async () => {
    const { id } = await newPatient();
    const known = await server.get(`Patient/${id}`, { headers: { 'If-None-Match': 'W/"1"' } });
    assert.equal(known.status, 304);
    assert.equal(known.text, '');
    assert.equal((await server.get(`Patient/${id}`, { headers: { 'If-None-Match': 'W/"2"' } })).status, 200);
    const future = new Date(Date.now() + 60_000).toUTCString();
    assert.equal((await server.get(`Patient/${id}`, { headers: { 'If-Modified-Since': future } })).status, 304);
    const past = new Date(Date.now() - 3_600_000).toUTCString();
    assert.equal((await server.get(`Patient/${id}`, { headers: { 'If-Modified-Since': past } })).status, 200);
  });

  it('HEAD is GET without the body', async () => {
    const { id } = await newPatient();
    const get = await server.get(`Patient/${id}`, { headers: { 'Accept-Encoding': 'identity' } });
    const head = await server.send('HEAD', `Patient/${id}`, { headers: { 'Accept-Encoding': 'identity' } });
    assert.equal(head.status, 200);
    assert.equal(head.text, '');
    assert.equal(head.headers.get('content-length'), get.headers.get('content-length'));
    assert.equal(head.headers.get('etag'), 'W/"1"');
  });

  it('Prefer decides what a write answers with', async () => {
    const body = { resourceType: 'Patient' };
    const minimal = await server.post('Patient', body, { headers: { Prefer: 'return=minimal' } });
    assert.equal(minimal.status, 201);
    assert.equal(minimal.text, '');
    const outcome = await server.post('Patient', body, { headers: { Prefer: 'return=OperationOutcome' } });
    assert.equal(outcome.body.resourceType, 'OperationOutcome');
    const whole = await server.post('Patient', body, { headers: { Prefer: 'return=representation' } });
    assert.equal(whole.body.resourceType, 'Patient');
  });

  it('conditional create makes one resource and finds it the next time', async () => {
    const identifier = [{ system: 'http://example.org/ids', value: 'cc-1' }];
    const headers = { 'If-None-Exist': 'identifier=http://example.org/ids|cc-1' };
    const first = await server.post('Patient', { resourceType: 'Patient', identifier }, { headers });
    assert.equal(first.status, 201);
    const second = await server.post('Patient', { resourceType: 'Patient', identifier }, { headers });
    assert.equal(second.status, 200);
    assert.equal(second.headers.get('location'), first.headers.get('location'));
    await server.post('Patient', { resourceType: 'Patient', identifier });
    const several = await server.post('Patient', { resourceType: 'Patient', identifier }, { headers });
    assert.equal(several.status, 412);
    assert.equal(firstIssue(several).code, 'multiple-matches');
  });

  it('conditional update creates without a match, updates one match, refuses several', async () => {
    const url = 'Patient?identifier=http://example.org/ids|cu-1';
    const body = { resourceType: 'Patient', identifier: [{ system: 'http://example.org/ids', value: 'cu-1' }] };
    const created = await server.put(url, body);
    assert.equal(created.status, 201);
    const updated = await server.put(url, { ...body, active: true });
    assert.equal(updated.status, 200);
    assert.equal(updated.body.id, created.body.id);
    const otherId = await server.put(url, { ...body, id: 'other' });
    assert.equal(otherId.status, 400);
    await server.post('Patient', body);
    assert.equal((await server.put(url, body)).status, 412);
    assert.equal((await server.put('Patient', body)).status, 400);
  });

  it('conditional delete deletes what matches and nothing else', async () => {
    const patient = (value: string) => ({
      resourceType: 'Patient',
      identifier: [{ system: 'http://example.org/ids', value }],
    });
    const { body: doomed } = await server.post('Patient', patient('cd-1'));
    const { body: kept } = await server.post('Patient', patient('cd-2'));
    assert.equal((await server.delete('Patient?identifier=http://example.org/ids|cd-1')).status, 204);
    assert.equal((await server.get(`Patient/${doomed.id}`)).status, 410);
    assert.equal((await server.get(`Patient/${kept.id}`)).status, 200);
    assert.equal((await server.delete('Patient')).status, 400);
  });

  it('a resource that others refer to cannot be deleted, one that nobody refers to can', async () => {
    const { id } = await newPatient();
    const { body } = await server.post('Observation', {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: `Patient/${id}` },
    });
    const refused = await server.delete(`Patient/${id}`);
    assert.equal(refused.status, 409);
    assert.equal((await server.delete(`Observation/${body.id}`)).status, 204);
    assert.equal((await server.delete(`Patient/${id}`)).status, 204);
  });

  it('patches apply in all five ways, and a patch that does not apply changes nothing', async () => {
    const { id } = await newPatient();
    const json = await server.send('PATCH', `Patient/${id}`, {
      body: [{ op: 'add', path: '/active', value: true }],
      headers: { 'Content-Type': 'application/json-patch+json' },
    });
    assert.equal(json.status, 200);
    assert.equal(json.body.active, true);
    const path = await server.send('PATCH', `Patient/${id}`, {
      body: {
        resourceType: 'Parameters',
        parameter: [
          {
            name: 'operation',
            part: [
              { name: 'type', valueCode: 'replace' },
              { name: 'path', valueString: 'Patient.active' },
              { name: 'value', valueBoolean: false },
            ],
          },
        ],
      },
    });
    assert.equal(path.body.active, false);
    const xml = await server.send('PATCH', `Patient/${id}`, {
      body: '<diff xmlns="http://hl7.org/fhir"><add sel="Patient"><gender value="other"/></add></diff>',
      headers: { 'Content-Type': 'application/xml-patch+xml' },
    });
    assert.equal(xml.body.gender, 'other', xml.text);
    const merged = await server.send('PATCH', `Patient/${id}`, {
      body: { gender: null, birthDate: '1984-05-02' },
      headers: { 'Content-Type': 'application/merge-patch+json' },
    });
    assert.deepEqual([merged.body.gender, merged.body.birthDate, merged.body.active], [undefined, '1984-05-02', false]);
    const failing = await server.send('PATCH', `Patient/${id}`, {
      body: [{ op: 'test', path: '/active', value: true }],
      headers: { 'Content-Type': 'application/json-patch+json' },
    });
    assert.equal(failing.status, 422);
    const invalid = await server.send('PATCH', `Patient/${id}`, {
      body: [{ op: 'add', path: '/gender', value: 'none-such' }],
      headers: { 'Content-Type': 'application/json-patch+json' },
    });
    assert.equal(invalid.status, 422);
    assert.equal(firstIssue(invalid).expression, 'Patient.gender');
    const nowhere = await server.send('PATCH', `Patient/${id}`, {
      body: '<diff xmlns="http://hl7.org/fhir"><remove sel="Patient/photo"/></diff>',
      headers: { 'Content-Type': 'application/xml-patch+xml' },
    });
    assert.equal(nowhere.status, 422);
    const picture = { body: 'x', headers: { 'Content-Type': 'image/png' } };
    assert.equal((await server.send('PATCH', `Patient/${id}`, picture)).status, 415);
    const whole = { body: { resourceType: 'Patient', id, active: true } };
    assert.equal((await server.send('PATCH', `Patient/${id}`, whole)).status, 400);
    assert.equal((await server.get(`Patient/${id}`)).body.meta.versionId, '5');
  });

  it('_summary and _elements give marked parts, _pretty indents', async () => {
    const { body } = await server.post('Patient', {
      resourceType: 'Patient',
      text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">x</div>' },
      name: [{ family: 'Hall' }],
      active: true,
      contact: [{ name: { family: 'B' } }],
    });
    const keys = async (query: string) => Object.keys((await server.get(`Patient/${body.id}?${query}`)).body).sort();
    assert.deepEqual(await keys('_elements=active'), ['active', 'id', 'meta', 'resourceType']);
    assert.deepEqual(await keys('_summary=text'), ['id', 'meta', 'resourceType', 'text']);
    assert.deepEqual(await keys('_summary=data'), ['active', 'contact', 'id', 'meta', 'name', 'resourceType']);
    assert.deepEqual(await keys('_summary=true'), ['active', 'id', 'meta', 'name', 'resourceType']);
    const marked = await server.get(`Patient/${body.id}?_summary=true`);
    assert.equal(marked.body.meta.tag[0].code, 'SUBSETTED');
    assert.equal((await server.get(`Patient/${body.id}?_summary=odd`)).status, 400);
    assert.match((await server.get(`Patient/${body.id}?_pretty=true`)).text, /\n {2}"id"/);
  });

  it('answers are compressed for who asks', async () => {
    const { body } = await server.post('Patient', {
      resourceType: 'Patient',
      name: Array.from({ length: 60 }, (_, index) => ({ family: `Compressible ${index}` })),
    });
    const plain = await server.get(`Patient/${body.id}`, { headers: { 'Accept-Encoding': 'identity' } });
    assert.equal(plain.headers.get('content-encoding'), null);
    for (const encoding of ['gzip', 'br']) {
      const packed = await server.get(`Patient/${body.id}`, { headers: { 'Accept-Encoding': encoding } });
      assert.equal(packed.headers.get('content-encoding'), encoding);
      assert.deepEqual(packed.body, plain.body);
    }
  });

  it('$meta-add and $meta-delete change labels; an update keeps the labels that it does not name', async () => {
    const { id } = await newPatient();
    const security = [{ system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality', code: 'R' }];
    const meta = (valueMeta: object) => ({ resourceType: 'Parameters', parameter: [{ name: 'meta', valueMeta }] });
    const added = await server.post(`Patient/${id}/$meta-add`, meta({ security }));
    assert.equal(added.status, 200);
    assert.deepEqual(added.body.parameter[0].valueMeta.security, security);
    await server.put(`Patient/${id}`, { resourceType: 'Patient', id });
    assert.deepEqual((await server.get(`Patient/${id}/$meta`)).body.parameter[0].valueMeta.security, security);
    const taken = await server.post(`Patient/${id}/$meta-delete`, meta({ security }));
    assert.equal(taken.body.parameter[0].valueMeta.security, undefined);
  });
});
