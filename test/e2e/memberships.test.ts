import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestServer } from './server.js';

const participation = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';

describe('an actor of a consent', () => {
  let server: TestServer;
  let count = 0;

  const put = async (resource: { resourceType: string; id: string }, token?: string) => {
    const { status, text } = await server.put(`${resource.resourceType}/${resource.id}`, resource, { token });
    assert.ok(status < 300, text);
  };

  /** A patient who permits this actor alone. */
  const patientWhoPermits = async (reference: object, role: object = { system: participation, code: 'IRCP' }) => {
    count += 1;
    await put({ resourceType: 'Patient', id: `p${count}` });
    const consent = {
      resourceType: 'Consent',
      status: 'active',
      scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
      category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
      patient: { reference: `Patient/p${count}` },
      policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] },
      provision: { type: 'permit', actor: [{ role: { coding: [role] }, reference }] },
    };
    const filed = await server.post('Consent', consent);
    assert.equal(filed.status, 201, filed.text);
    return `Patient/p${count}`;
  };

  const status = async (url: string, actor: string) =>
    (await server.get(url, { token: await server.tokenFor({ actor }) })).status;

  before(async () => {
    server = await TestServer.start({ DEFAULT_CONSENT: 'deny', UPDATE_CREATE: 'on' });
    const named = (id: string, changes: object = {}) =>
      put({ resourceType: 'Organization', id, name: id, ...changes } as never);
    await named('trust', { identifier: [{ system: 'urn:orgs', value: '77' }] });
    await named('ward', { partOf: { reference: 'Organization/trust' } });
    await named('rival');
    for (const id of ['nurse', 'stranger']) await put({ resourceType: 'Practitioner', id });
    await put({
      resourceType: 'PractitionerRole',
      id: 'nurse-role',
      practitioner: { reference: 'Practitioner/nurse' },
      organization: { reference: 'Organization/ward' },
      code: [{ coding: [{ system: 'http://snomed.info/sct', code: '224535009' }] }],
    } as never);
    await put({
      resourceType: 'CareTeam',
      id: 'team',
      status: 'active',
      participant: [{ member: { reference: 'PractitionerRole/nurse-role' } }],
    } as never);
  });
  after(() => server.stop());

  it('may be a role, its organisation, one above it, a care team, or an identifier; nobody else gets in', async () => {
    const references = [
      { reference: 'PractitionerRole/nurse-role' },
      { reference: 'Organization/ward' },
      { reference: 'Organization/trust' },
      { reference: 'CareTeam/team' },
      { identifier: { system: 'urn:orgs', value: '77' } },
    ];
    for (const reference of references) {
      const patient = await patientWhoPermits(reference);
      assert.equal(await status(patient, 'Practitioner/nurse'), 200, JSON.stringify(reference));
      assert.equal(await status(patient, 'Practitioner/stranger'), 404, JSON.stringify(reference));
    }
    const ward = { reference: 'Organization/ward' };
    const nurses = await patientWhoPermits(ward, { system: 'http://snomed.info/sct', code: '224535009' });
    const doctors = await patientWhoPermits(ward, { system: 'http://snomed.info/sct', code: '309343006' });
    assert.equal(await status(nurses, 'Practitioner/nurse'), 200);
    assert.equal(await status(doctors, 'Practitioner/nurse'), 404, 'a profession must be held');
  });

  it('leaves with the end of the role, at once', async () => {
    const patient = await patientWhoPermits({ reference: 'Organization/ward' });
    const role = (await server.get('PractitionerRole/nurse-role')).body;
    await put({ ...role, active: false });
    assert.equal(await status(patient, 'Practitioner/nurse'), 404);
    await put({ ...role, active: true });
    assert.equal(await status(patient, 'Practitioner/nurse'), 200);
  });

  it('does not join an organisation by saying so, only by the word of that organisation', async () => {
    const patient = await patientWhoPermits({ reference: 'Organization/ward' });
    const claim = (id: string) => ({
      resourceType: 'PractitionerRole',
      id,
      practitioner: { reference: 'Practitioner/stranger' },
      organization: { reference: 'Organization/ward' },
    });
    await put(
      claim('claimed'),
      await server.tokenFor({ actor: 'Practitioner/stranger', memberships: ['Organization/rival'] }),
    );
    assert.equal(await status(patient, 'Practitioner/stranger'), 404);
    await put(claim('granted'), await server.tokenFor({ actor: 'Organization/ward' }));
    assert.equal(await status(patient, 'Practitioner/stranger'), 200);
  });

  it('need not be stored: then only a token with that very name meets it', async () => {
    const unknown = await patientWhoPermits({ identifier: { system: 'urn:orgs', value: 'elsewhere' } });
    assert.equal(await status(unknown, 'Practitioner/nurse'), 404);
    const guest = await patientWhoPermits({ reference: 'Practitioner/guest' });
    assert.equal(await status(guest, 'Practitioner/nurse'), 404);
    assert.equal(await status(guest, 'Practitioner/guest'), 200);
    const remote = await patientWhoPermits({ reference: 'https://other.example/fhir/Organization/1' });
    assert.equal(await status(remote, 'Practitioner/nurse'), 404);
  });
});
