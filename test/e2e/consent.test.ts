import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestServer, type Answer } from './server.js';

const other = 'Organization/other';

const consentFor = (patient: string, provision: object) => ({
  resourceType: 'Consent',
  status: 'active',
  scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
  category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
  patient: { reference: patient },
  dateTime: new Date().toISOString(),
  policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] },
  provision,
});

const permitOther = {
  type: 'permit',
  actor: [
    {
      role: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType', code: 'IRCP' }] },
      reference: { reference: other },
    },
  ],
};

describe('consent at the door', () => {
  let server: TestServer;
  /** A token of a practitioner of another organisation than the one that wrote everything here. */
  let token: string;
  let open: string;
  let closed: string;
  let openObservation: string;
  let closedObservation: string;

  before(async () => {
    server = await TestServer.start({ DEFAULT_CONSENT: 'deny' });
    await server.put(other, { resourceType: 'Organization', id: 'other', name: 'Other' });
    token = await server.tokenFor({ actor: 'Practitioner/dr', memberships: [other] });
    const newPatient = async (family: string) => {
      const { body } = await server.post('Patient', { resourceType: 'Patient', name: [{ family }] });
      const { body: observation } = await server.post('Observation', {
        resourceType: 'Observation',
        status: 'final',
        code: { coding: [{ system: 'http://loinc.org', code: '8302-2' }] },
        subject: { reference: `Patient/${body.id}` },
      });
      return [`Patient/${body.id}`, `Observation/${observation.id}`];
    };
    [open, openObservation] = await newPatient('Open');
    [closed, closedObservation] = await newPatient('Closed');
    const filed = await server.post('Consent', consentFor(open, permitOther));
    assert.equal(filed.status, 201, filed.text);
  });
  after(() => server.stop());

  /** What an observer can tell two answers apart by, with the id blotted out. */
  const seen = ({ status, text, headers }: Answer, id: string) => ({
    status,
    text: text.replaceAll(id, 'ID'),
    etag: headers.get('etag'),
    modified: headers.get('last-modified'),
    length: headers.get('content-length') !== null,
  });

  it('shows the patient who permits it and hides the one beside her, who answers as if she were not there', async () => {
    assert.equal((await server.get(open, { token })).status, 200);
    assert.equal((await server.get(openObservation, { token })).status, 200);
    const nobody = `Patient/${'0'.repeat(closed.length - 'Patient/'.length)}`;
    for (const suffix of ['', '/_history', '/_history/1', '/$everything', '/$meta']) {
      const hidden = await server.get(closed + suffix, { token });
      const missing = await server.get(nobody + suffix, { token });
      assert.equal(hidden.status, 404, suffix);
      assert.deepEqual(seen(hidden, closed), seen(missing, nobody), suffix);
    }
    assert.equal((await server.get(closed)).status, 200, 'who wrote it still reads it');
  });

  it('hides in searches, totals, includes, chains, _has, compartments and histories', async () => {
    const total = async (url: string) => (await server.get(url, { token })).body.total;
    assert.equal(await total('Patient?_summary=count'), 1);
    assert.equal(await total('Patient?_total=accurate&_count=1'), 1);
    assert.equal(await total('Observation'), 1);
    assert.equal(await total('Patient?family=closed'), 0);
    assert.equal(await total(`Patient?_id=${closed.slice(8)}`), 0);
    assert.equal(await total('Patient?_sort=family'), 1);
    assert.equal(await total('Observation?subject:Patient.family=closed'), 0);
    assert.equal(await total('Observation?subject:Patient.family=open'), 1);
    assert.equal(await total('Patient?_has:Observation:patient:code=8302-2'), 1);
    assert.equal(await total(`${closed}/Observation`), 0);
    assert.equal(await total(`${open}/Observation`), 1);
    const included = await server.get('Observation?_include=Observation:subject', { token });
    assert.equal(included.body.entry.length, 2);
    const history = await server.get('Patient/_history', { token });
    assert.equal(history.body.entry.length, 1);
    const system = await server.get('_history?_count=100', { token });
    assert.ok(!system.text.includes(closed.slice(8)));
  });

  it('a chain through a hidden resource finds nothing, one through a visible resource does', async () => {
    const list = async (title: string, reference: string) => {
      const item = [{ item: { reference } }];
      const list = { resourceType: 'List', status: 'current', mode: 'working', title, entry: item };
      assert.equal((await server.post('List', list)).status, 201);
    };
    await list('of the open one', openObservation);
    await list('of the closed one', closedObservation);
    const found = async (url: string) => (await server.get(url, { token })).body.total;
    assert.equal(await found('List?title=of'), 2);
    assert.equal(await found('List?item:Observation.code=8302-2'), 1);
    assert.equal(await found('List?item:Observation.code=8302-2&_summary=count'), 1);
    assert.equal((await server.get('List?item:Observation.code=8302-2')).body.total, 2);
  });

  it('hides from conditions, ETag probes and HEAD', async () => {
    const probe = await server.get(closed, { token, headers: { 'If-None-Match': 'W/"1"' } });
    assert.equal(probe.status, 404);
    assert.equal((await server.get(open, { token, headers: { 'If-None-Match': 'W/"1"' } })).status, 304);
    assert.equal((await server.send('HEAD', closed, { token })).status, 404);
    const created = await server.post(
      'Patient',
      { resourceType: 'Patient', name: [{ family: 'Closed' }] },
      {
        token,
        headers: { 'If-None-Exist': 'family=Closed' },
      },
    );
    assert.equal(created.status, 201);
    const referred = await server.post(
      '',
      {
        resourceType: 'Bundle',
        type: 'transaction',
        entry: [{ request: { method: 'GET', url: closed } }],
      },
      { token },
    );
    assert.equal(referred.status, 404);
  });

  it('refuses writes to what is hidden as if it were not there, and deletes nothing', async () => {
    const id = closed.slice(8);
    const freeId = '0'.repeat(id.length);
    for (const headers of [{}, { 'If-Match': 'W/"1"' }, { 'If-None-Match': '*' }] as Record<string, string>[]) {
      const hidden = await server.put(closed, { resourceType: 'Patient', id }, { token, headers });
      const free = await server.put(`Patient/${freeId}`, { resourceType: 'Patient', id: freeId }, { token, headers });
      assert.equal(hidden.status, 'If-Match' in headers ? 412 : 404);
      assert.deepEqual(seen(hidden, id), seen(free, freeId));
    }
    const patch = {
      body: [{ op: 'add', path: '/active', value: true }],
      headers: { 'Content-Type': 'application/json-patch+json' },
      token,
    };
    assert.equal((await server.send('PATCH', closed, patch)).status, 404);
    assert.equal((await server.delete(closed, { token })).status, 204);
    assert.equal((await server.get(closed)).status, 200);
    assert.equal((await server.get(closed)).body.meta.versionId, '1');
    const dangling = await server.post(
      'Observation',
      {
        resourceType: 'Observation',
        status: 'final',
        code: { text: 'x' },
        hasMember: [{ reference: closedObservation }],
      },
      { token },
    );
    assert.equal(dangling.status, 422);
  });

  it('a Consent without dateTime counts from when it was written', async () => {
    const { body } = await server.post('Patient', { resourceType: 'Patient', name: [{ family: 'Undated' }] });
    assert.equal((await server.get(`Patient/${body.id}`, { token })).status, 404);
    const undated = { ...consentFor(`Patient/${body.id}`, permitOther), dateTime: undefined };
    const filed = await server.post('Consent', undated);
    assert.equal(filed.status, 201, filed.text);
    assert.equal((await server.get(`Patient/${body.id}`, { token })).status, 200);
  });

  it('a revoked consent denies at once', async () => {
    const { body } = await server.get(`Consent?patient=${open}`);
    const [{ resource }] = body.entry;
    assert.equal((await server.get(open, { token })).status, 200);
    const revoked = await server.put(`Consent/${resource.id}`, { ...resource, status: 'inactive' });
    assert.equal(revoked.status, 200);
    assert.equal((await server.get(open, { token })).status, 404);
    assert.equal((await server.get(open)).status, 200);
  });

  it("a patient sees her own records and nobody else's", async () => {
    const own = await server.tokenFor({ actor: closed, patient: closed.slice(8), scope: 'patient/*.rs' });
    assert.equal((await server.get(closed, { token: own })).status, 200);
    assert.equal((await server.get('Observation', { token: own })).body.total, 1);
    assert.equal((await server.get(open, { token: own })).status, 403);
    assert.equal((await server.post('Patient', { resourceType: 'Patient' }, { token: own })).status, 403);
  });

  it('a Consent that cannot be understood is refused with its place', async () => {
    const odd = {
      ...consentFor(closed, { type: 'permit' }),
      modifierExtension: [{ url: 'http://example.org/x', valueBoolean: true }],
    };
    const refused = await server.post('Consent', odd);
    assert.equal(refused.status, 422, refused.text);
  });
});
