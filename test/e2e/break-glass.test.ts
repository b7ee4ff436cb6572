import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestServer } from './server.js';

const emergency = 'http://snomed.info/sct|309294001';
const headers = { 'X-Purpose-Of-Use': 'BTG', 'X-Break-Glass-Reason': 'unconscious, no history' };

describe('break-glass', () => {
  let server: TestServer;
  let patient: string;
  let observation: string;
  let own: string;
  /** Holds the role that the operator named. */
  let doctor: string;
  let clerk: string;

  before(async () => {
    server = await TestServer.start({
      DEFAULT_CONSENT: 'deny',
      BREAK_GLASS_ROLES: emergency,
      BREAK_GLASS_MINUTES: '5',
    });
    const { body } = await server.post('Patient', { resourceType: 'Patient', name: [{ family: 'Glass' }] });
    patient = `Patient/${body.id}`;
    const created = await server.post('Observation', {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: patient },
    });
    observation = `Observation/${created.body.id}`;
    own = await server.tokenFor({ actor: patient, patient: body.id, scope: 'patient/*.rs' });
    await server.put('Practitioner/er', { resourceType: 'Practitioner', id: 'er' });
    await server.put('Practitioner/clerk', { resourceType: 'Practitioner', id: 'clerk' });
    const role = await server.put('PractitionerRole/er', {
      resourceType: 'PractitionerRole',
      id: 'er',
      practitioner: { reference: 'Practitioner/er' },
      code: [{ coding: [{ system: 'http://snomed.info/sct', code: '309294001' }] }],
    });
    assert.equal(role.status, 201, role.text);
    doctor = await server.tokenFor({ actor: 'Practitioner/er' });
    clerk = await server.tokenFor({ actor: 'Practitioner/clerk' });
  });
  after(() => server.stop());

  const noticed = async () => (await server.get(`Communication?subject=${patient}`, { token: own })).body.entry ?? [];

  it('is for named roles with a purpose and a reason; everybody else gets 404 as ever, and nobody is notified', async () => {
    assert.equal((await server.get(observation, { token: doctor })).status, 404, 'no purpose');
    const purpose = { 'X-Purpose-Of-Use': 'BTG' };
    assert.equal((await server.get(observation, { token: doctor, headers: purpose })).status, 404, 'no reason');
    const hidden = await server.get(observation, { token: clerk, headers });
    const missing = await server.get('Observation/nothing', { token: clerk, headers });
    assert.deepEqual([hidden.status, missing.status], [404, 404]);
    assert.equal((await server.post(`${patient}/$break-glass`, undefined, { token: clerk, headers })).status, 404);
    const odd = { ...headers, 'X-Purpose-Of-Use': 'HRESCH' };
    assert.equal((await server.get(observation, { token: doctor, headers: odd })).status, 400);
    assert.equal((await noticed()).length, 0);
  });

  it('opens the patient for a time, with one event, one AuditEvent, one Communication and one Task', async () => {
    const first = await server.get(observation, { token: doctor, headers });
    assert.equal(first.status, 200, first.text);
    assert.equal((await server.get(patient, { token: doctor, headers })).status, 200);
    assert.equal((await server.get(`Observation?patient=${patient}`, { token: doctor, headers })).body.total, 1);
    assert.equal((await server.get(patient, { token: doctor })).status, 404, 'without the purpose it stays closed');
    const entries = await noticed();
    assert.equal(entries.length, 1);
    const [{ resource: communication }] = entries;
    assert.match(communication.payload[0].contentString, /Practitioner\/er.*unconscious/);
    const tasks = await server.get('Task?code=urn:mooring:emergency|review', { token: own });
    assert.equal(tasks.body.entry.length, 1);
    assert.equal(tasks.body.entry[0].resource.focus.reference, `Communication/${communication.id}`);
    assert.equal(
      (await server.get('Task', { token: clerk })).body.total,
      0,
      'a Task about a patient is released as hers',
    );
    const audit = await server.get('AuditEvent?subtype=urn:mooring:operation|$break-glass', { token: own });
    assert.equal(audit.body.entry.length, 1);
    assert.match(JSON.stringify(audit.body.entry[0].resource.entity), /unconscious/);
    const released = await server.get(`AuditEvent?entity=${observation}&outcome=0&agent=Practitioner/er`, {
      token: own,
    });
    assert.equal(released.body.entry[0].resource.purposeOfEvent[0].coding[0].code, 'BTG');
  });

  it('is closed by the patient who contests it, and its Task says so', async () => {
    const [{ resource }] = await noticed();
    const number = resource.identifier[0].value;
    const body = {
      resourceType: 'Parameters',
      parameter: [
        { name: 'emergency', valueString: number },
        { name: 'reason', valueString: 'I was at home' },
      ],
    };
    assert.equal((await server.post(`${patient}/$contest-emergency`, body, { token: clerk })).status, 403);
    const contested = await server.post(`${patient}/$contest-emergency`, body, { token: own });
    assert.equal(contested.status, 200, contested.text);
    const task = await server.get(contested.body.parameter[0].valueReference.reference, { token: own });
    assert.equal(task.body.businessStatus.coding[0].code, 'contested');
    const purpose = { 'X-Purpose-Of-Use': 'BTG' };
    assert.equal((await server.get(patient, { token: doctor, headers: purpose })).status, 404);
    assert.equal((await server.post(`${patient}/$contest-emergency`, body, { token: own })).status, 409);
  });

  it('does not open what the patient keeps closed in emergencies too', async () => {
    const { body } = await server.post('Patient', { resourceType: 'Patient' });
    const closed = `Patient/${body.id}`;
    const filed = await server.post('Consent', {
      resourceType: 'Consent',
      status: 'active',
      scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
      category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
      patient: { reference: closed },
      policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTIN' }] },
      provision: {
        type: 'deny',
        purpose: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActReason', code: 'BTG' }],
      },
    });
    assert.equal(filed.status, 201, filed.text);
    assert.equal((await server.get(closed, { token: doctor, headers })).status, 404);
  });
});
