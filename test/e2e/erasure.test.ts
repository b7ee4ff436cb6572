/** `$erase`: what was stored of a patient is gone for good, from every way in; others keep theirs, and their proofs. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { fromParameters } from '../../src/anchoring/proof-parameters.js';
import { fetchRpc, verifyProof } from '../../src/anchoring/verify-proof.js';
import { parseJson } from '../../src/base/json.js';
import { firstIssue, TestServer } from './server.js';

const wait = { headers: { prefer: 'wait=30' } };

function observation(patient: string, value: number, more: object = {}) {
  return {
    resourceType: 'Observation',
    status: 'final',
    code: { coding: [{ system: 'http://loinc.org', code: '8302-2' }] },
    subject: { reference: `Patient/${patient}` },
    valueQuantity: { value, unit: 'cm' },
    ...more,
  };
}

const appointment = (...patients: string[]) => ({
  resourceType: 'Appointment',
  status: 'booked',
  start: '2026-11-21T10:00:00Z',
  end: '2026-11-21T10:30:00Z',
  participant: patients.map((id) => ({ actor: { reference: `Patient/${id}` }, status: 'accepted' })),
});

/** Which of these URLs answer with something. */
async function seen(server: TestServer, urls: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const url of urls) {
    const { status, body } = await server.get(url);
    assert.ok([200, 404, 410].includes(status), `${url}: ${status} ${JSON.stringify(body)}`);
    if (status === 200 && (body.resourceType !== 'Bundle' || body.total > 0 || body.entry?.length > 0)) found.push(url);
    if (status === 410) found.push(`${url} (410)`);
  }
  return found;
}

describe('$erase', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start({ ANCHOR_MAX_AGE_MS: '20' });
    for (const id of ['ann', 'bob', 'cat', 'dan']) {
      const patient = { resourceType: 'Patient', id, name: [{ family: `Family-${id}` }] };
      assert.equal((await server.put(`Patient/${id}`, patient)).status, 201);
    }
  });
  after(() => server.stop());

  it('is refused to everyone but the operator and the patient herself, and for what is no patient', async () => {
    const doctor = await server.tokenFor({ actor: 'Practitioner/1', scope: 'system/*.cruds' });
    const reader = await server.tokenFor({ scope: 'system/*.rs' });
    const other = await server.tokenFor({ actor: 'Patient/bob', patient: 'bob', scope: 'patient/*.cruds' });
    const narrow = await server.tokenFor({ actor: 'Patient/dan', patient: 'dan', scope: 'patient/Observation.cruds' });
    for (const token of [doctor, reader, other, narrow]) {
      const answer = await server.post('Patient/dan/$erase', undefined, { token });
      assert.deepEqual([answer.status, firstIssue(answer).code], [403, 'forbidden']);
    }
    assert.equal((await server.post('Patient/dan/$erase', undefined, { token: '' })).status, 401);
    assert.equal((await server.post('Patient/nobody/$erase', undefined)).status, 404);
    assert.equal((await server.post('Observation/dan/$erase', undefined)).status, 404);
    assert.equal((await server.get('Patient/dan/$erase')).status, 405);
    assert.equal(firstIssue(await server.post('Patient/dan/$erase?shared=some', undefined)).code, 'invalid');
    assert.equal((await server.get('Patient/dan')).status, 200);
    const self = await server.tokenFor({ actor: 'Patient/dan', patient: 'dan', scope: 'patient/*.cruds' });
    assert.equal((await server.post('Patient/dan/$erase', undefined, { token: self })).status, 200);
    assert.equal((await server.get('Patient/dan')).status, 404);
  });

  it('leaves nothing of the patient to any request, now and after a restart, and everything of others', async () => {
    const made = await server.post('Observation', observation('ann', 170));
    const place = `Observation/${made.body.id}`;
    assert.equal((await server.put(place, { ...observation('ann', 171), id: made.body.id })).status, 200);
    const deleted = await server.post('Observation', observation('ann', 1));
    assert.equal((await server.delete(`Observation/${deleted.body.id}`)).status, 204);
    const large = { contentType: 'application/octet-stream', data: randomBytes(1_600_000).toString('base64') };
    const document = await server.post('DocumentReference', {
      resourceType: 'DocumentReference',
      status: 'current',
      subject: { reference: 'Patient/ann' },
      content: [{ attachment: large }],
    });
    assert.equal(document.status, 201, document.text);
    const moved = await server.post('Observation', observation('ann', 50));
    await server.put(`Observation/${moved.body.id}`, { ...observation('bob', 50), id: moved.body.id });
    const shared = await server.post('Appointment', appointment('ann', 'bob'));
    const kept = await server.post('Observation', observation('bob', 160), wait);
    const proofBefore = (await server.get(`Observation/${kept.body.id}/$proof`)).text;

    const ofAnn = [
      'Patient/ann',
      'Patient/ann/_history',
      'Patient/ann/_history/1',
      'Patient/ann/$everything',
      'Patient/ann/$proof',
      'Patient/ann/Observation',
      'Patient?family=Family-ann',
      'Observation?patient=ann',
      'Observation?subject:Patient.family=Family-ann',
      place,
      `${place}/_history`,
      `${place}/_history/1`,
      `Observation/${deleted.body.id}`,
      `Observation/${deleted.body.id}/_history`,
      `DocumentReference/${document.body.id}`,
      `Observation/${moved.body.id}/_history/1`,
      `Appointment/${shared.body.id}`,
    ];
    assert.deepEqual(
      (await seen(server, ofAnn)).map((url) => url.replace(' (410)', '')),
      ofAnn,
    );
    const historyBefore = (await server.get('_history?_count=200')).body.entry.length;

    const answer = await server.post('Patient/ann/$erase', undefined);
    assert.equal(answer.status, 200, answer.text);
    const [resources, versions] = answer.body.parameter.map(
      ({ valueInteger }: { valueInteger: number }) => valueInteger,
    );
    assert.deepEqual([resources, versions], [6, 8]);

    const check = async (more: number) => {
      assert.deepEqual(await seen(server, ofAnn), []);
      const history = (await server.get('_history?_count=200')).body;
      assert.equal(history.entry.length, historyBefore - versions + more);
      assert.equal(JSON.stringify(history).includes('ann'), false);
      assert.equal((await server.get('Observation?code=8302-2&_total=accurate')).body.total, 2 + more);
      assert.equal((await server.get(`Observation/${moved.body.id}`)).body.subject.reference, 'Patient/bob');
      assert.equal((await server.get(`Observation/${kept.body.id}`)).body.valueQuantity.value, 160);
    };
    await check(0);
    assert.equal((await server.post('Patient/ann/$erase', undefined)).status, 404);

    const rpc = fetchRpc(server.chainUrl);
    const later = await server.post('Observation', observation('bob', 161), wait);
    for (const text of [proofBefore, (await server.get(`Observation/${kept.body.id}/$proof`)).text]) {
      assert.equal((await verifyProof(fromParameters(parseJson(text)), rpc)).anchor.chainId, 31337);
    }
    const proof = fromParameters(parseJson((await server.get(`Observation/${later.body.id}/$proof`)).text));
    assert.equal((await verifyProof(proof, rpc)).anchor.chainId, 31337);

    await server.restart();
    await check(1);
    const again = await server.put('Patient/ann', { resourceType: 'Patient', id: 'ann', name: [{ family: 'New' }] });
    assert.deepEqual([again.status, again.body.meta.versionId], [201, '1']);
    assert.equal((await server.get('Patient/ann/_history')).body.total, 1);
    assert.deepEqual((await server.get('Patient/ann/$everything')).body.entry.length, 1);
  });

  it('keeps records that belong to others too, when asked to', async () => {
    const shared = await server.post('Appointment', appointment('cat', 'bob'));
    await server.post('Observation', observation('cat', 1));
    assert.equal((await server.post('Patient/cat/$erase?shared=keep', undefined)).status, 200);
    assert.deepEqual(await seen(server, ['Patient/cat', 'Observation?patient=cat']), []);
    const left = await server.get(`Appointment/${shared.body.id}`);
    assert.equal(left.status, 200, left.text);
    await server.restart();
    assert.equal((await server.get(`Appointment/${shared.body.id}`)).body.participant.length, 2);
  });
});
