/** Consents on two servers: what one was told, the other obeys at once. ROUNDS: how often (default 5). */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEngines, startSpeaker, type Engines, type Speaker } from './support/two-servers.js';

const rounds = Number(process.env.ROUNDS ?? 5);
let engines: Engines;
let servers: readonly [Speaker, Speaker];
const logLines: string[] = [];

before(async () => {
  engines = await startEngines({ DEFAULT_CONSENT: 'deny' });
  servers = await Promise.all([startSpeaker(engines.env(0), logLines), startSpeaker(engines.env(1), logLines)]);
});

after(async () => {
  await Promise.all((servers ?? []).map(({ server }) => server.close()));
  await engines?.stop();
});

test('a consent that was revoked on one server is refused on the other at once; one that was filed on one permits on both', async () => {
  const [one, two] = servers;
  const { body: subject } = await one.send('POST', 'Patient', {
    resourceType: 'Patient',
    name: [{ family: 'Consenting' }],
  });
  const { body: observation } = await one.send('POST', 'Observation', {
    resourceType: 'Observation',
    status: 'final',
    code: { text: 'x' },
    subject: { reference: `Patient/${subject.id}` },
  });
  const reader = await one.server.token({ actor: 'Practitioner/reader', scope: 'user/*.rs' });
  const read = async (server: Speaker) =>
    (await server.send('GET', `Observation/${observation.id}`, undefined, { Authorization: `Bearer ${reader}` }))
      .status;
  const consent = (type: 'permit' | 'deny', status = 'active') => ({
    resourceType: 'Consent',
    status,
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: `Patient/${subject.id}` },
    dateTime: '2026-01-01',
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'OPTOUT' }] },
    provision: { type, actor: [{ role: { text: 'reader' }, reference: { reference: 'Practitioner/reader' } }] },
  });
  for (let round = 0; round < rounds; round += 1) {
    const [writer, other] = round % 2 === 0 ? [one, two] : [two, one];
    const filed = await writer.send('POST', 'Consent', consent('permit'));
    assert.equal(filed.status, 201, JSON.stringify(filed.body));
    assert.deepEqual([await settled(() => read(writer), 200), await settled(() => read(other), 200)], [200, 200]);
    const revoked = await other.send('PUT', `Consent/${filed.body.id}`, {
      ...consent('permit', 'inactive'),
      id: filed.body.id,
    });
    assert.equal(revoked.status, 200, JSON.stringify(revoked.body));
    assert.deepEqual([await read(writer), await read(other)], [404, 404]);
    assert.deepEqual([await settled(() => read(writer), 404), await settled(() => read(other), 404)], [404, 404]);
  }
  assert.deepEqual(
    logLines.filter((line) => line.includes('"event":"defect"')),
    [],
  );
});

async function settled(ask: () => Promise<number>, wanted: number): Promise<number> {
  for (let tries = 0; ; tries += 1) {
    const status = await ask();
    if (status === wanted || tries > 100) return status;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
