import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { firstIssue, TestServer, type Answer } from './server.js';

const participation = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';

const consentFor = (patient: string, provision: object, changes: object = {}) => ({
  resourceType: 'Consent',
  status: 'active',
  scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
  category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
  patient: { reference: patient },
  policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] },
  provision,
  ...changes,
});

const permit = (actor: string, changes: object = {}) => ({
  type: 'permit',
  actor: [{ role: { coding: [{ system: participation, code: 'IRCP' }] }, reference: { reference: actor } }],
  ...changes,
});

// eslint-disable-next-line @typescript-eslint/no-explicit-any
type Part = any;

/** Parts of a Parameters answer as objects by name. */
function partsOf({ body }: Answer, name: string): Record<string, Part>[] {
  return (body.parameter ?? [])
    .filter((one: Part) => one.name === name)
    .map((one: Part) =>
      Object.fromEntries(
        one.part.map((part: Part) => [part.name, Object.entries(part).find(([key]) => key !== 'name')?.[1]]),
      ),
    );
}

describe('operations on consent', () => {
  let server: TestServer;
  let patient: string;
  let own: string;
  let doctor: string;
  let consent: string;

  before(async () => {
    server = await TestServer.start({ DEFAULT_CONSENT: 'deny' });
    const { body } = await server.post('Patient', { resourceType: 'Patient', name: [{ family: 'Ops' }] });
    patient = `Patient/${body.id}`;
    own = await server.tokenFor({ actor: patient, patient: body.id, scope: 'patient/*.cruds' });
    doctor = await server.tokenFor({ actor: 'Practitioner/dr' });
    const filed = await server.post(
      'Consent',
      consentFor(patient, { type: 'deny', provision: [permit('Practitioner/dr')] }),
    );
    assert.equal(filed.status, 201, filed.text);
    consent = `Consent/${filed.body.id}`;
  });
  after(() => server.stop());

  it('$explain-access says who may see it, by which provision, at which block, to the patient and to operators alone', async () => {
    for (const token of [own, undefined]) {
      const answer = await server.get(`${patient}/$explain-access`, { token });
      assert.equal(answer.status, 200, answer.text);
      const access = partsOf(answer, 'access');
      const ofDoctor = access.find(({ actor }) => actor.reference === 'Practitioner/dr');
      assert.equal(ofDoctor?.permit, true);
      assert.equal(ofDoctor?.provision, 'Consent.provision.provision[0]');
      assert.equal(ofDoctor?.consent.reference, `${consent}/_history/1`);
      assert.ok(ofDoctor?.block > 0);
      const others = access.find(({ actor }) => actor === 'anybody else');
      assert.equal(others?.permit, false);
      assert.equal(others?.provision, 'Consent.provision');
    }
    const one = await server.get(`${patient}/$explain-access?actor=Practitioner/other&purpose=HRESCH`, { token: own });
    assert.deepEqual(
      partsOf(one, 'access').map(({ permit: isPermitted }) => isPermitted),
      [false],
    );
    const refused = await server.get(`${patient}/$explain-access`, { token: doctor });
    const missing = await server.get('Patient/nobody/$explain-access', { token: doctor });
    assert.deepEqual([refused.status, missing.status], [403, 403]);
    assert.deepEqual(firstIssue(refused), firstIssue(missing));
  });

  it('$consent-simulate tells what would change for whom, and changes nothing', async () => {
    const draft = consentFor(
      patient,
      { type: 'deny', provision: [permit('Practitioner/nurse')] },
      { id: consent.slice(8) },
    );
    const answer = await server.post(`${patient}/$consent-simulate`, draft, { token: own });
    assert.equal(answer.status, 200, answer.text);
    const changes = partsOf(answer, 'change');
    const gained = changes.find(({ actor, type }) => actor.reference === 'Practitioner/nurse' && type === 'Patient');
    const lost = changes.find(({ actor, type }) => actor.reference === 'Practitioner/dr' && type === 'Patient');
    assert.deepEqual([gained?.gained, gained?.provision], [1, 'Consent.provision.provision[0]']);
    assert.equal(lost?.lost, 1);
    assert.equal((await server.get(patient, { token: doctor })).status, 200, 'nothing was filed');
    const wrong = await server.post(`${patient}/$consent-simulate`, { ...draft, patient: { reference: 'Patient/x' } });
    assert.equal(wrong.status, 422);
    const broken = await server.post(`${patient}/$consent-simulate`, {
      ...draft,
      provision: { type: 'deny', provision: [{}] },
    });
    assert.equal(broken.status, 422);
    assert.equal((await server.post(`${patient}/$consent-simulate`, draft, { token: doctor })).status, 403);
  });

  it('$permissions shows organisations by types, and sets what consents set', async () => {
    const set = (effect: string, type?: string) => ({
      resourceType: 'Parameters',
      parameter: [
        {
          name: 'set',
          part: [
            { name: 'organization', valueReference: { reference: 'Organization/clinic' } },
            { name: 'effect', valueCode: effect },
            ...(type === undefined ? [] : [{ name: 'type', valueCode: type }]),
          ],
        },
      ],
    });
    const { body } = await server.post('Patient', { resourceType: 'Patient' });
    const subject = `Patient/${body.id}`;
    const hers = await server.tokenFor({ actor: subject, patient: body.id, scope: 'patient/*.cruds' });
    const clinic = await server.tokenFor({ actor: 'Organization/clinic' });
    const cell = (answer: Answer, type: string) =>
      partsOf(answer, 'cell').find((one) => one.organization.reference === 'Organization/clinic' && one.type === type)
        ?.permit;
    const asked = `${subject}/$permissions?organization=Organization/clinic&type=Observation`;
    assert.equal(cell(await server.get(asked, { token: hers }), 'Patient'), false);
    const permitted = await server.post(asked, set('permit', 'Patient'), { token: hers });
    assert.equal(permitted.status, 200, permitted.text);
    assert.deepEqual([cell(permitted, 'Patient'), cell(permitted, 'Observation')], [true, false]);
    assert.equal((await server.get(subject, { token: clinic })).status, 200);
    const denied = await server.post(asked, set('deny', 'Patient'), { token: hers });
    assert.equal(cell(denied, 'Patient'), false);
    assert.equal((await server.get(subject, { token: clinic })).status, 404);
    assert.equal((await server.post(asked, set('none', 'Patient'), { token: hers })).status, 200);
    assert.equal((await server.get(`${subject}/$permissions`, { token: clinic })).status, 403);
    assert.equal((await server.post(asked, set('perhaps'), { token: hers })).status, 400);

    // A person too, until a day; both stay in the one Consent.
    const forNurse = (effect: string, until?: string) => ({
      resourceType: 'Parameters',
      parameter: [
        {
          name: 'set',
          part: [
            { name: 'actor', valueReference: { reference: 'Practitioner/nurse' } },
            { name: 'effect', valueCode: effect },
            ...(until === undefined ? [] : [{ name: 'until', valueDate: until }]),
          ],
        },
      ],
    });
    const nurse = await server.tokenFor({ actor: 'Practitioner/nurse' });
    const sees = async (as: string) => (await server.get(subject, { token: as })).status;
    assert.equal((await server.post(asked, set('permit', 'Patient'), { token: hers })).status, 200);
    assert.equal((await server.post(asked, forNurse('permit', '2099-12-31'), { token: hers })).status, 200);
    assert.deepEqual([await sees(nurse), await sees(clinic)], [200, 200]);
    assert.equal((await server.post(asked, forNurse('permit', '2020-12-31'), { token: hers })).status, 200);
    assert.deepEqual([await sees(nurse), await sees(clinic)], [404, 200]);
    assert.equal((await server.post(asked, forNurse('none'), { token: hers })).status, 200);
    assert.equal((await server.post(asked, forNurse('permit', 'soon'), { token: hers })).status, 400);
    const kept = await server.get(`Consent?patient=${body.id}`, { token: hers });
    assert.equal(kept.body.total, 1);
    assert.equal(kept.body.entry[0].resource.provision.provision.length, 1);
  });

  it('$revoke denies at once, shows how far it has come, and keeps every version', async () => {
    assert.equal((await server.get(patient, { token: doctor })).status, 200);
    assert.equal((await server.post(`${consent}/$revoke`, undefined, { token: doctor })).status, 403);
    const revoked = await server.post(`${consent}/$revoke`, undefined, { token: own });
    assert.equal(revoked.status, 200, revoked.text);
    const state = revoked.body.parameter.find(({ name }: Part) => name === 'state').valueCode;
    assert.ok(['pending-revocation', 'none'].includes(state), state);
    assert.equal((await server.get(patient, { token: doctor })).status, 404);
    for (let attempt = 0; ; attempt += 1) {
      const { body } = await server.get(`${consent}/$status`, { token: own });
      if (body.parameter[0].valueCode === 'none') break;
      assert.ok(attempt < 100, JSON.stringify(body));
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    const history = await server.get(`${consent}/_history`, { token: own });
    assert.deepEqual(
      history.body.entry.map(({ resource }: Part) => resource.status),
      ['inactive', 'active'],
    );
    assert.equal((await server.delete(consent, { token: own })).status, 204);
    assert.equal((await server.get(`${consent}/_history/1`, { token: own })).status, 200);
    const draft = await server.post('Consent', consentFor(patient, { type: 'permit' }, { status: 'draft' }));
    assert.equal((await server.post(`Consent/${draft.body.id}/$revoke`, undefined)).status, 422);
  });
});

describe('research that may count', () => {
  it('gets the number of records that it may use and not see, from five on, and never a record', async () => {
    const server = await TestServer.start({ DEFAULT_CONSENT: 'deny' });
    try {
      const researcher = await server.tokenFor({ actor: 'Organization/lab', purpose: 'HRESCH' });
      const count = async () => (await server.get('Patient?_summary=count', { token: researcher })).body.total;
      const counting = {
        type: 'permit',
        purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'HRESCH' }],
        action: [{ coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentaction', code: 'use' }] }],
      };
      const add = async () => {
        const { body } = await server.post('Patient', { resourceType: 'Patient' });
        const filed = await server.post(
          'Consent',
          consentFor(`Patient/${body.id}`, { type: 'deny', provision: [counting] }),
        );
        assert.equal(filed.status, 201, filed.text);
        return body.id as string;
      };
      const ids = await Promise.all([add(), add(), add(), add()]);
      assert.equal(await count(), 0, 'four could tell of one');
      ids.push(await add());
      assert.equal(await count(), 5);
      assert.equal((await server.get('Patient', { token: researcher })).body.total, 0);
      assert.equal((await server.get(`Patient/${ids[0]}`, { token: researcher })).status, 404);
      const doctor = await server.tokenFor({ actor: 'Practitioner/dr' });
      assert.equal((await server.get('Patient?_summary=count', { token: doctor })).body.total, 0);
    } finally {
      await server.stop();
    }
  });
});
