import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestServer } from './server.js';

const actCode = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const inline = (code: string) => [
  {
    url: 'http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label',
    valueCoding: { system: actCode, code },
  },
];
const confidentiality = (code: string) => ({
  system: 'http://terminology.hl7.org/CodeSystem/v3-Confidentiality',
  code,
});

/** Everybody may see everything but what is labelled as about HIV. */
const consentFor = (patient: string) => ({
  resourceType: 'Consent',
  status: 'active',
  scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
  category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
  patient: { reference: patient },
  policyRule: { coding: [{ system: actCode, code: 'OPTIN' }] },
  provision: { type: 'permit', provision: [{ type: 'deny', securityLabel: [{ system: actCode, code: 'HIV' }] }] },
});

describe('elements that consent hides', () => {
  let server: TestServer;
  let token: string;
  let patient: string;
  let own: string;
  let partly: string;
  let labelled: string;

  const observation = (changes: object) => ({
    resourceType: 'Observation',
    status: 'final',
    text: { status: 'generated', div: '<div xmlns="http://www.w3.org/1999/xhtml">viral load 42</div>' },
    code: { coding: [{ system: 'http://loinc.org', code: '58410-2' }] },
    subject: { reference: patient },
    ...changes,
  });

  before(async () => {
    server = await TestServer.start({ DEFAULT_CONSENT: 'deny' });
    token = await server.tokenFor({ actor: 'Practitioner/dr' });
    const { body } = await server.post('Patient', { resourceType: 'Patient', name: [{ family: 'Part' }] });
    patient = `Patient/${body.id}`;
    own = await server.tokenFor({ actor: patient, patient: body.id, scope: 'patient/*.rs' });
    const second = await server.post(
      'Observation',
      observation({ meta: { security: [{ system: actCode, code: 'HIV' }] } }),
    );
    labelled = `Observation/${second.body.id}`;
    assert.equal((await server.post('Consent', consentFor(patient))).status, 201);
    const first = await server.post(
      'Observation',
      observation({
        meta: { security: [confidentiality('R')] },
        valueQuantity: { extension: inline('HIV'), value: 42, unit: 'copies' },
        note: [{ text: 'open note' }, { extension: inline('HIV'), text: 'hidden note' }],
        _issued: { extension: inline('HIV') },
        issued: '2026-01-02T03:04:05Z',
      }),
    );
    assert.equal(first.status, 201, first.text);
    partly = `Observation/${first.body.id}`;
  });
  after(() => server.stop());

  it('are cut out, with the narrative, and the resource is marked SUBSETTED; the patient sees all of it', async () => {
    for (const url of [partly, `${partly}/_history/1`]) {
      const { body, status } = await server.get(url, { token });
      assert.equal(status, 200);
      assert.deepEqual(
        [body.valueQuantity, body.issued, body._issued, body.text],
        [undefined, undefined, undefined, undefined],
      );
      assert.deepEqual(body.note, [{ text: 'open note' }]);
      assert.equal(body.meta.tag[0].code, 'SUBSETTED');
    }
    const whole = await server.get(partly, { token: own });
    assert.equal(whole.body.valueQuantity.value, 42);
    assert.equal(whole.body.meta.tag, undefined);
    assert.equal((await server.get(labelled, { token })).status, 404, 'a label on the resource hides all of it');
    assert.equal((await server.get(labelled, { token: own })).status, 200);
  });

  it('find nothing, sort nothing and show in no Bundle', async () => {
    const total = async (url: string, as = token) => (await server.get(url, { token: as })).body.total;
    assert.equal(await total('Observation?value-quantity=42'), 0);
    assert.equal(await total('Observation?value-quantity=42', own), 1);
    assert.equal(await total('Observation?code=58410-2'), 1);
    assert.equal(await total('Patient?_has:Observation:patient:value-quantity=42'), 0);
    assert.equal(await total('Patient?_has:Observation:patient:value-quantity=42', own), 1);
    for (const url of [
      'Observation',
      'Observation/_history',
      `${partly}/_history`,
      `${patient}/$everything`,
      '_history',
    ]) {
      const { text } = await server.get(url, { token });
      assert.ok(text.includes('open note') && !text.includes('hidden note') && !text.includes('viral load'), url);
    }
  });

  it('are not betrayed by a search for what is absent: it finds what its reader sees without them', async () => {
    const { body } = await server.post(
      'Observation',
      observation({
        category: [{ extension: inline('HIV'), coding: [{ system: 'urn:category', code: 'infection' }] }],
      }),
    );
    const found = async (url: string, as: string) =>
      (await server.get(`Observation?_id=${body.id}&${url}`, { token: as })).body.total as number;
    for (const [url, inPart, whole] of [
      ['category=urn:category|infection', 0, 1],
      ['category:not=urn:category|infection', 1, 0],
      ['category:missing=true', 1, 0],
      ['category:missing=false', 0, 1],
      ['category:not=urn:category|other', 1, 1],
      ['subject:missing=true', 0, 0],
      ['subject:missing=false', 1, 1],
      ['subject:missing=false&category:missing=true', 1, 0],
      ['_filter=not (category eq infection)', 1, 0],
    ] as const) {
      assert.deepEqual([await found(url, token), await found(url, own)], [inPart, whole], url);
    }
  });

  it('a mandatory element leaves its place, marked as masked', async () => {
    const { body } = await server.post(
      'Observation',
      observation({ code: { extension: inline('HIV'), text: 'secret' } }),
    );
    const { body: part } = await server.get(`Observation/${body.id}`, { token });
    assert.equal(part.code.extension[0].valueCode, 'masked');
    assert.equal(part.code.text, undefined);
  });

  it('whoever sees a resource in part cannot overwrite, patch, delete or prove it; whoever sees all of it can', async () => {
    const { body } = await server.get(partly, { token });
    assert.equal((await server.put(partly, body, { token })).status, 403);
    const headers = { 'Content-Type': 'application/json-patch+json' };
    const patch = [{ op: 'test', path: '/valueQuantity/value', value: 42 }];
    assert.equal((await server.send('PATCH', partly, { token, headers, body: patch })).status, 403);
    assert.equal((await server.delete(partly, { token })).status, 403);
    assert.equal((await server.get(`${partly}/$proof`, { token })).status, 404);
    for (let attempt = 0; (await server.get(`${partly}/$proof`, { token: own })).status !== 200; attempt += 1) {
      assert.ok(attempt < 100, 'whoever sees all of it gets a proof once it is anchored');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });

  it('a Bundle has the high-water mark of the labels in it', async () => {
    const { body } = await server.get(`Observation?_id=${partly.slice(12)}`, { token });
    assert.deepEqual(body.meta.security, [confidentiality('R')]);
    const none = await server.get('Patient', { token });
    assert.equal(none.body.meta, undefined);
  });
});
