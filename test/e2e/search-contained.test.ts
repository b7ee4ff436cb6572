/** Searches among contained resources, functional lists, and what is too costly: each refusal beside its allowed neighbour. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { firstIssue, TestServer, type Answer } from './server.js';

interface Found {
  readonly fullUrl: string;
  readonly resource: { readonly resourceType: string; readonly id: string };
}

const found = ({ status, body, text }: Answer): Found[] => {
  assert.equal(status, 200, text);
  return body.entry ?? [];
};
const idsOf = (answer: Answer) => found(answer).map(({ resource }) => resource.id);

const coded = (system: string, code: string) => ({ coding: [{ system, code }] });
const clinical = (of: string, code: string) => coded(`http://terminology.hl7.org/CodeSystem/${of}`, code);
const rxnorm = (code: string) => coded('http://www.nlm.nih.gov/research/umls/rxnorm', code);

describe('searches beside the common way', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
    const subject = { reference: 'Patient/p' };
    const request = (id: string, code: string, status = 'active') => ({
      resourceType: 'MedicationRequest',
      id,
      contained: [{ resourceType: 'Medication', id: 'med', code: rxnorm(code) }],
      status,
      intent: 'order',
      subject,
      medicationReference: { reference: '#med' },
    });
    const resources = [
      { resourceType: 'Patient', id: 'p', name: [{ family: 'Quist' }] },
      request('one', '1049221'),
      request('two', '999', 'stopped'),
      { resourceType: 'Medication', id: 'free', code: rxnorm('1049221') },
      { resourceType: 'AllergyIntolerance', id: 'nuts', clinicalStatus: clinical('allergyintolerance-clinical', 'active'), category: ['food'], patient: subject },
      { resourceType: 'AllergyIntolerance', id: 'penicillin', clinicalStatus: clinical('allergyintolerance-clinical', 'active'), category: ['medication'], patient: subject },
      { resourceType: 'AllergyIntolerance', id: 'once', clinicalStatus: clinical('allergyintolerance-clinical', 'resolved'), category: ['food'], patient: subject },
      { resourceType: 'Condition', id: 'asthma', clinicalStatus: clinical('condition-clinical', 'active'), subject },
      { resourceType: 'Condition', id: 'measles', clinicalStatus: clinical('condition-clinical', 'resolved'), subject },
    ]; // prettier-ignore
    const entry = resources.map((resource) => ({
      resource,
      request: { method: 'PUT', url: `${resource.resourceType}/${resource.id}` },
    }));
    const { status, text } = await server.post('', { resourceType: 'Bundle', type: 'transaction', entry });
    assert.equal(status, 200, text);
  });
  after(() => server.stop());

  it('contained resources are no matches of their own, unless they are asked for', async () => {
    assert.deepEqual(idsOf(await server.get('Medication?code=1049221')), ['free']);
    assert.deepEqual(idsOf(await server.get('Medication?code=1049221&_contained=true')), ['one']);
    assert.deepEqual(idsOf(await server.get('Medication?code=1049221&_contained=both')).sort(), ['free', 'one']);
    assert.deepEqual(idsOf(await server.get('Medication?code=nothing&_contained=both')), []);
    assert.deepEqual(idsOf(await server.get('Patient/p/MedicationRequest?_contained=false')).sort(), ['one', 'two']);
  });

  it('_containedType=contained answers with the contained resource, named by its container', async () => {
    const [only, ...others] = found(await server.get('Medication?code=999&_contained=true&_containedType=contained'));
    assert.deepEqual(others, []);
    assert.equal(only.resource.resourceType, 'Medication');
    assert.match(only.fullUrl, /\/MedicationRequest\/two#med$/);
    const both = found(await server.get('Medication?code=1049221&_contained=both&_containedType=contained'));
    assert.deepEqual(both.map(({ fullUrl }) => fullUrl.replace(/^.*\/fhir\//, '')).sort(), ['Medication/free', 'MedicationRequest/one#med']); // prettier-ignore
  });

  it('_contained says what it cannot be asked together with', async () => {
    for (const [search, code] of [
      ['Medication?_contained=true&_has:MedicationRequest:medication:status=active', 'not-supported'],
      ['Medication?_contained=true&_sort=status', 'not-supported'],
      ['?_contained=true', 'invalid'],
    ] as const) {
      const answer = await server.get(search);
      assert.deepEqual([answer.status, firstIssue(answer).code], [400, code], search);
    }
    assert.equal((await server.get('Medication?_contained=true&_sort=-_lastUpdated')).status, 200);
  });

  it('functional lists are drawn up from what is stored', async () => {
    assert.deepEqual(idsOf(await server.get('AllergyIntolerance?patient=p&_list=$current-allergies')).sort(), ['nuts', 'penicillin']); // prettier-ignore
    assert.deepEqual(idsOf(await server.get('AllergyIntolerance?_list=$current-drug-allergies')), ['penicillin']);
    assert.deepEqual(idsOf(await server.get('Condition?_list=$current-problems')), ['asthma']);
    assert.deepEqual(idsOf(await server.get('MedicationRequest?_list=$current-medications')), ['one']);
    const wrong = await server.get('Patient?_list=$current-problems');
    assert.deepEqual([wrong.status, firstIssue(wrong).code], [400, 'invalid']);
  });

  it('a search beyond the limits is too costly and says which; one at the limit is answered', async () => {
    const values = (count: number) => Array.from({ length: count }, (_, index) => `v${index}`).join(',');
    for (const [search, text] of [
      [`Patient?identifier=${values(1001)}`, /at most 1000|at most 1,000/],
      [`Observation?${'has-member.'.repeat(11)}code=x`, /10|links|deep/],
    ] as const) {
      const answer = await server.send('POST', `${search.split('?')[0]}/_search`, {
        body: search.split('?')[1],
        headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
      });
      const { code, diagnostics } = firstIssue(answer);
      assert.deepEqual([answer.status, code, text.test(diagnostics ?? '')], [400, 'too-costly', true], diagnostics);
    }
    const { status } = await server.send('POST', 'Patient/_search', {
      body: `identifier=${values(1000)}`,
      headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    });
    assert.equal(status, 200);
  });
});
