import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { firstIssue, TestServer, type Answer } from './server.js';

interface Issue {
  severity: string;
  code: string;
  expression?: string[];
}

const errorsOf = ({ body }: Answer) =>
  (body.issue as Issue[])
    .filter(({ severity }) => severity === 'error' || severity === 'fatal')
    .map(({ code, expression }) => `${code} ${expression?.[0]}`);
const valueOf = ({ body }: Answer, name: string) => {
  const part = (body.parameter as { name: string }[]).find((each) => each.name === name);
  return part && Object.entries(part).find(([key]) => key !== 'name')?.[1];
};

const profile = {
  resourceType: 'StructureDefinition',
  url: 'http://example.org/StructureDefinition/named-patient',
  name: 'NamedPatient',
  status: 'active',
  fhirVersion: '4.0.1',
  kind: 'resource',
  abstract: false,
  type: 'Patient',
  baseDefinition: 'http://hl7.org/fhir/StructureDefinition/Patient',
  derivation: 'constraint',
  differential: {
    element: [
      { id: 'Patient', path: 'Patient' },
      { id: 'Patient.name', path: 'Patient.name', min: 1 },
    ],
  },
};

describe('$validate', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  it('answers 200 with what is wrong, for a plain body and for Parameters', async () => {
    const good = await server.post('Patient/$validate', { resourceType: 'Patient', gender: 'male' });
    assert.deepEqual([good.status, errorsOf(good)], [200, []]);
    const bad = await server.post('Patient/$validate', { resourceType: 'Patient', gender: 'mal' });
    assert.deepEqual([bad.status, errorsOf(bad)], [200, ['code-invalid Patient.gender']]);
    const resource = { resourceType: 'Patient', birthDate: '2020-02-30' };
    const wrapped = await server.post('Patient/$validate', {
      resourceType: 'Parameters',
      parameter: [{ name: 'resource', resource }],
    });
    assert.deepEqual([wrapped.status, errorsOf(wrapped)], [200, ['value Patient.birthDate']]);
  });

  it('says where in the body something stands', async () => {
    const places = ({ body }: Answer) =>
      (body.issue as { extension?: { valueInteger: number }[] }[]).map(({ extension }) =>
        extension?.map(({ valueInteger }) => valueInteger),
      );
    const plain = '{\n  "resourceType": "Patient",\n  "gender": "mal"\n}';
    assert.deepEqual(places(await server.post('Patient/$validate', plain)), [[3, 3]]);
    const wrapped = `{"resourceType": "Parameters", "parameter": [\n{"name": "resource", "resource": ${plain}}]}`;
    assert.deepEqual(places(await server.post('Patient/$validate', wrapped)), [[4, 3]]);
    const xml = '<Patient xmlns="http://hl7.org/fhir">\n  <gender value="mal"/>\n</Patient>';
    const headers = { 'Content-Type': 'application/fhir+xml', Accept: 'application/fhir+json' };
    assert.deepEqual(places(await server.post('Patient/$validate', xml, { headers })), [[2, 3]]);
  });

  it('takes modes and refuses others', async () => {
    const patient = { resourceType: 'Patient' };
    assert.deepEqual(errorsOf(await server.post('Patient/$validate?mode=create', patient)), []);
    assert.deepEqual(errorsOf(await server.post('Patient/$validate?mode=update', patient)), ['required Patient.id']);
    const odd = await server.post('Patient/$validate?mode=destroy', patient);
    assert.deepEqual([odd.status, firstIssue(odd).code], [400, 'invalid']);
    const none = await server.post('Patient/$validate', { resourceType: 'Parameters' });
    assert.deepEqual([none.status, firstIssue(none).code], [400, 'required']);
  });

  it('knows instances: what is stored, what would replace it, what would be deleted', async () => {
    const { id } = (await server.post('Patient', { resourceType: 'Patient' })).body as { id: string };
    assert.deepEqual(errorsOf(await server.get(`Patient/${id}/$validate`)), []);
    assert.deepEqual(errorsOf(await server.post(`Patient/${id}/$validate`, { resourceType: 'Patient', id })), []);
    const other = await server.post(`Patient/${id}/$validate`, { resourceType: 'Patient', id: 'other' });
    assert.deepEqual(errorsOf(other), ['value Patient.id']);
    assert.equal((await server.get(`Patient/${id}/$validate?mode=delete`)).status, 200);
    assert.equal((await server.get('Patient/none/$validate?mode=delete')).status, 404);
  });

  it('a profile that is uploaded is in force at once, after a restart too, and no more when it is deleted', async () => {
    const url = `Patient/$validate?profile=${encodeURIComponent(profile.url)}`;
    const nameless = { resourceType: 'Patient' };
    const before = await server.post(url, nameless);
    assert.ok((before.body.issue as Issue[]).length > 0, 'an unknown profile is never passed silently');
    const { body, status } = await server.post('StructureDefinition', profile);
    assert.equal(status, 201);
    assert.deepEqual(errorsOf(await server.post(url, nameless)), ['required Patient']);
    assert.deepEqual(errorsOf(await server.post(url, { ...nameless, name: [{ text: 'a' }] })), []);
    await server.restart();
    assert.deepEqual(errorsOf(await server.post(url, nameless)), ['required Patient']);
    const claimed = await server.post('Patient', { ...nameless, meta: { profile: [profile.url] } });
    assert.equal(claimed.status, 422, 'a declared profile is always checked');
    assert.equal((await server.delete(`StructureDefinition/${body.id}`)).status < 300, true);
    assert.deepEqual(errorsOf(await server.post(url, nameless)), []);
  });
});

describe('terminology operations', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  it('$expand lists value sets of R4, uploaded ones and given ones', async () => {
    const gender = await server.get('ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/administrative-gender');
    assert.deepEqual([gender.status, gender.body.expansion.total], [200, 4]);
    assert.equal((await server.get('ValueSet/administrative-gender/$expand?filter=fem')).body.expansion.total, 1);
    const colours = {
      resourceType: 'CodeSystem',
      url: 'http://example.org/colours',
      status: 'active',
      content: 'complete',
      caseSensitive: true,
      concept: [{ code: 'red', display: 'Red' }, { code: 'blue' }],
    };
    assert.equal((await server.post('CodeSystem', colours)).status, 201);
    const set = {
      resourceType: 'ValueSet',
      url: 'http://example.org/vs',
      status: 'active',
      compose: { include: [{ system: colours.url }] },
    };
    const { body } = await server.post('ValueSet', set);
    assert.equal((await server.get(`ValueSet/${body.id}/$expand`)).body.expansion.total, 2);
    assert.equal((await server.get(`ValueSet/$expand?url=${set.url}`)).body.expansion.total, 2);
    const given = { resourceType: 'Parameters', parameter: [{ name: 'valueSet', resource: set }] };
    assert.equal((await server.post('ValueSet/$expand', given)).body.expansion.total, 2);
    const found = await server.get(`CodeSystem/$lookup?system=${colours.url}&code=red`);
    assert.deepEqual([found.status, valueOf(found, 'display')], [200, 'Red']);
  });

  it('$validate-code, $lookup and $subsumes answer Parameters', async () => {
    const vs = 'http://hl7.org/fhir/ValueSet/administrative-gender';
    assert.equal(valueOf(await server.get(`ValueSet/$validate-code?url=${vs}&code=male`), 'result'), true);
    assert.equal(valueOf(await server.get(`ValueSet/$validate-code?url=${vs}&code=mal`), 'result'), false);
    const system = 'http://unitsofmeasure.org';
    assert.equal(valueOf(await server.get(`CodeSystem/$validate-code?url=${system}&code=mg`), 'result'), true);
    const act = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
    const subsumed = await server.get(`CodeSystem/$subsumes?system=${act}&codeA=_ActEncounterCode&codeB=AMB`);
    assert.equal(valueOf(subsumed, 'outcome'), 'subsumes');
  });

  it('$translate goes by stored ConceptMaps, by given ones, and from one to the next', async () => {
    const group = (source: string, target: string, more: object) => [{ source, target, ...more }];
    const conceptMap = (url: string, more: object) => ({ resourceType: 'ConceptMap', url, status: 'active', ...more });
    const first = conceptMap('http://example.org/map/1', {
      group: group('urn:local', 'urn:world', {
        element: [{ code: 'a', target: [{ code: 'A', display: 'Great A', equivalence: 'equivalent' }] }],
        unmapped: { mode: 'other-map', url: 'http://example.org/map/2' },
      }),
    });
    const second = conceptMap('http://example.org/map/2', {
      group: group('urn:local', 'urn:world', { element: [{ code: 'b', target: [{ equivalence: 'unmatched' }] }] }),
    });
    const { id } = (await server.post('ConceptMap', first)).body as { id: string };
    await server.post('ConceptMap', second);
    const concept = (answer: Answer) => {
      const match = (answer.body.parameter as { name: string; part: object[] }[]).find(({ name }) => name === 'match');
      return [valueOf(answer, 'result'), match?.part];
    };
    const found = [
      { name: 'equivalence', valueCode: 'equivalent' },
      { name: 'concept', valueCoding: { system: 'urn:world', code: 'A', display: 'Great A' } },
      { name: 'source', valueUri: 'http://example.org/map/1' },
    ];
    for (const query of [
      `ConceptMap/${id}/$translate?code=a`,
      'ConceptMap/$translate?url=http://example.org/map/1&code=a&system=urn:local',
      'ConceptMap/$translate?code=a&system=urn:local&targetsystem=urn:world',
    ]) {
      assert.deepEqual(concept(await server.get(query)), [true, found], query);
    }
    const reverse = await server.get('ConceptMap/$translate?code=A&system=urn:world&reverse=true');
    assert.deepEqual(concept(reverse)[1]?.[1], { name: 'concept', valueCoding: { system: 'urn:local', code: 'a' } });
    const passedOn = await server.get('ConceptMap/$translate?url=http://example.org/map/1&code=b&system=urn:local');
    assert.deepEqual([valueOf(passedOn, 'result'), passedOn.body.parameter[2].part[0].valueCode], [false, 'unmatched']);
    const parameter = [
      { name: 'conceptMap', resource: first },
      { name: 'codeableConcept', valueCodeableConcept: { coding: [{ system: 'urn:local', code: 'a' }] } },
    ];
    const given = await server.post('ConceptMap/$translate', { resourceType: 'Parameters', parameter });
    assert.deepEqual(concept(given), [true, found]);
    const unknown = await server.get('ConceptMap/$translate?url=http://example.org/map/9&code=a&system=urn:local');
    assert.deepEqual([unknown.status, firstIssue(unknown).code], [404, 'not-found']);
    const without = await server.get('ConceptMap/$translate?code=a');
    assert.deepEqual([without.status, firstIssue(without).code], [400, 'required']);
  });

  it('what is unknown or cannot be listed is told apart', async () => {
    const cases: readonly (readonly [url: string, status: number, code: string])[] = [
      ['ValueSet/$expand?url=http://example.org/nowhere', 404, 'not-found'],
      ['ValueSet/$expand?url=http://hl7.org/fhir/ValueSet/condition-code', 422, 'not-supported'],
      ['ValueSet/$expand', 400, 'required'],
      ['CodeSystem/$lookup?system=http://loinc.org&code=1-8', 404, 'not-found'],
      ['ValueSet/none/$expand', 404, 'not-found'],
      ['Patient/$expand', 404, 'not-supported'],
    ];
    for (const [url, status, code] of cases) {
      const answer = await server.get(url);
      assert.deepEqual([answer.status, firstIssue(answer).code], [status, code], url);
    }
  });
});

describe('what the operator demands', () => {
  let server: TestServer;
  let snomed: Server;
  before(async () => {
    // Knows one code of SNOMED CT.
    snomed = createServer((request, response) => {
      const { searchParams } = new URL(request.url ?? '', 'http://localhost');
      const isSnomed = [searchParams.get('url'), searchParams.get('system')].includes('http://snomed.info/sct');
      response.statusCode = isSnomed ? 200 : 404;
      const valueBoolean = searchParams.get('code') === '73211009';
      response.end(JSON.stringify({ resourceType: 'Parameters', parameter: [{ name: 'result', valueBoolean }] }));
    });
    await new Promise<void>((resolve) => snomed.listen(0, '127.0.0.1', resolve));
    server = await TestServer.start({
      DEMANDED_PROFILES: 'Observation=http://hl7.org/fhir/StructureDefinition/bmi',
      TERMINOLOGY_URL: `http://127.0.0.1:${(snomed.address() as AddressInfo).port}`,
    });
  });
  after(async () => {
    snomed.closeAllConnections();
    snomed.close();
    await server.stop();
  });

  it('a demanded profile is checked on every instance of its type', async () => {
    const refused = await server.post('Observation', {
      resourceType: 'Observation',
      status: 'final',
      code: { text: 'x' },
    });
    assert.equal(refused.status, 422);
    assert.equal((await server.post('Patient', { resourceType: 'Patient' })).status, 201);
  });

  it('the terminology server decides about codes that are not known here, for writes and $validate', async () => {
    const condition = (code: string) => ({
      resourceType: 'Condition',
      code: { coding: [{ system: 'http://snomed.info/sct', code }] },
      subject: { display: 'somebody' },
    });
    assert.equal((await server.post('Condition', condition('73211009'))).status, 201);
    const refused = await server.post('Condition', condition('1'));
    assert.deepEqual([refused.status, firstIssue(refused).code], [422, 'code-invalid']);
    const known = await server.post('Condition/$validate', condition('73211009'));
    assert.equal(
      (known.body.issue as Issue[]).some(({ code }) => code === 'code-invalid'),
      false,
    );
    assert.equal(errorsOf(await server.post('Condition/$validate', condition('1'))).length, 1);
  });
});
