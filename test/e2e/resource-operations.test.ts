import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { firstIssue, TestServer, type Answer } from './server.js';

const loinc = 'http://loinc.org';
const entriesOf = ({ body }: Answer) =>
  (body.entry ?? []) as { fullUrl: string; resource: { resourceType: string; id: string; [key: string]: unknown } }[];
const namesOf = (answer: Answer) => entriesOf(answer).map(({ resource }) => `${resource.resourceType}/${resource.id}`);

describe('operations on stored resources', () => {
  let server: TestServer;
  /** A token of somebody to whom no patient permits anything. */
  let stranger: string;

  const put = async (resource: { resourceType: string; id: string; [key: string]: unknown }) => {
    const answer = await server.put(`${resource.resourceType}/${resource.id}`, resource);
    assert.equal(answer.status, 201, answer.text);
  };
  const observation = (id: string, code: object, date: string, patient = 'ada') => ({
    resourceType: 'Observation',
    id,
    status: 'final',
    code,
    subject: { reference: `Patient/${patient}` },
    effectiveDateTime: date,
  });

  before(async () => {
    server = await TestServer.start({ DEFAULT_CONSENT: 'deny' });
    stranger = await server.tokenFor({ actor: 'Practitioner/stranger', scope: 'user/*.cruds' });
    await put({ resourceType: 'Organization', id: 'clinic', name: 'Clinic' });
    await put({ resourceType: 'Practitioner', id: 'dr', name: [{ family: 'Doctor' }] });
    await put({
      resourceType: 'Patient',
      id: 'ada',
      identifier: [{ system: 'http://example.org/mrn', value: '1815' }],
      name: [{ family: 'Lovelace', given: ['Ada', 'King'] }],
      gender: 'female',
      birthDate: '1815-12-10',
      telecom: [{ system: 'phone', value: '+44 20 7946 0958' }],
      address: [{ line: ['12 St James Square'], city: 'London', postalCode: 'SW1Y 4JH' }],
      managingOrganization: { reference: 'Organization/clinic' },
    });
    await put({
      resourceType: 'Patient',
      id: 'adam',
      identifier: [{ system: 'http://example.org/mrn', value: '1900' }],
      name: [{ family: 'Lovelace', given: ['Adam'] }],
      gender: 'male',
      birthDate: '1815-12-01',
    });
  });
  after(() => server.stop());

  describe('$lastn', () => {
    const coded = (code: string, ...others: string[]) => ({
      coding: [{ system: loinc, code }, ...others.map((one) => ({ system: 'http://example.org/local', code: one }))],
    });
    before(async () => {
      await put(observation('w1', coded('29463-7'), '2020-01-01'));
      await put(observation('w3', coded('29463-7', 'weight'), '2022-01-01'));
      await put(observation('w2', { coding: [{ system: 'http://example.org/local', code: 'weight' }] }, '2021-01-01'));
      await put(observation('h1', coded('8302-2'), '2019-01-01'));
      await put(observation('h2', coded('8302-2'), '2018-01-01'));
      await put(observation('t1', { text: 'gait' }, '2018-01-01'));
    });

    it('gives the newest of each code; codes that stand together are one', async () => {
      const answer = await server.get('Observation/$lastn?patient=ada&code:missing=false');
      assert.deepEqual(namesOf(answer), ['Observation/w3', 'Observation/h1', 'Observation/t1'], answer.text);
      assert.equal(answer.body.type, 'searchset');
      const two = await server.get(`Observation/$lastn?patient=ada&code=${loinc}|8302-2,${loinc}|29463-7&max=2`);
      assert.deepEqual(namesOf(two), ['Observation/w3', 'Observation/w1', 'Observation/h1', 'Observation/h2']);
    });

    it('takes Parameters too, and needs patient and code', async () => {
      const body = (...parameter: object[]) => ({ resourceType: 'Parameters', parameter });
      const patient = { name: 'patient', valueString: 'Patient/ada' };
      const code = { name: 'code', valueString: `${loinc}|8302-2` };
      assert.deepEqual(namesOf(await server.post('Observation/$lastn', body(patient, code))), ['Observation/h1']);
      for (const some of [[patient], [code]]) {
        const refused = await server.post('Observation/$lastn', body(...some));
        assert.equal(refused.status, 400);
        assert.equal(firstIssue(refused).code, 'required');
      }
      assert.equal((await server.get('Observation/$lastn?patient=ada&code=8302-2&max=0')).status, 400);
      assert.equal((await server.get('Observation/$lastn?patient=ada&code=8302-2&_sort=code')).status, 400);
    });

    it('finds nothing of what is hidden', async () => {
      const answer = await server.get('Observation/$lastn?patient=ada&code:missing=false', { token: stranger });
      assert.equal(answer.status, 200);
      assert.deepEqual(namesOf(answer), []);
    });
  });

  describe('$document', () => {
    before(async () => {
      await put(observation('doc', { text: 'seen' }, '2020-01-01'));
      await put({
        resourceType: 'Composition',
        id: 'letter',
        status: 'final',
        type: { text: 'letter' },
        subject: { reference: 'Patient/ada' },
        date: '2020-01-02',
        author: [{ reference: 'Practitioner/dr' }],
        custodian: { reference: 'Organization/clinic' },
        title: 'Letter',
        section: [{ title: 'A', section: [{ title: 'B', entry: [{ reference: 'Observation/doc' }] }] }],
      });
    });

    it('begins with the Composition and brings everything that it refers to, once', async () => {
      const answer = await server.get('Composition/letter/$document');
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.body.type, 'document');
      assert.match(answer.body.identifier.value, /^urn:uuid:/);
      const [first, ...others] = namesOf(answer);
      assert.equal(first, 'Composition/letter');
      assert.deepEqual(others.sort(), ['Observation/doc', 'Organization/clinic', 'Patient/ada', 'Practitioner/dr']);
      const checked = await server.post('Bundle/$validate', answer.body);
      assert.ok(!JSON.stringify(checked.body).includes('"severity":"error"'), checked.text);
      assert.deepEqual(namesOf(await server.get('Composition/$document?id=letter')), [
        first,
        ...namesOf(answer).slice(1),
      ]);
    });

    it('is stored when that is asked for by POST, and then as hidden as what it holds', async () => {
      assert.equal((await server.get('Composition/letter/$document?persist=true')).status, 405);
      const body = { resourceType: 'Parameters', parameter: [{ name: 'persist', valueBoolean: true }] };
      const stored = await server.post('Composition/letter/$document', body);
      assert.equal(stored.status, 200, stored.text);
      const place = `Bundle/${stored.body.id}`;
      assert.equal(stored.headers.get('location'), `${server.baseUrl}/${place}/_history/1`);
      const read = await server.get(place);
      assert.deepEqual(read.body, stored.body);
      assert.equal((await server.get(place, { token: stranger })).status, 404);
      const empty = { resourceType: 'Bundle', type: 'collection' };
      const harmless = await server.post('Bundle', empty);
      assert.equal((await server.get(`Bundle/${harmless.body.id}`, { token: stranger })).status, 200);
    });

    it('is not known to who may not see the Composition', async () => {
      assert.equal((await server.get('Composition/letter/$document', { token: stranger })).status, 404);
      assert.equal((await server.get('Composition/none/$document')).status, 404);
      assert.equal((await server.get('Composition/$document')).status, 400);
      assert.equal((await server.get('Patient/ada/$document')).status, 404);
    });
  });

  describe('$graph', () => {
    const graph = (id: string, link: object[], start = 'Patient') => ({
      resourceType: 'GraphDefinition',
      id,
      url: `http://example.org/graphs/${id}`,
      name: 'Graph',
      status: 'active',
      start,
      link,
    });
    before(async () => {
      await put(observation('g1', { text: 'g' }, '2020-01-01'));
      await put(observation('adam1', { text: 'g' }, '2020-01-01', 'adam'));
      const observations = {
        target: [{ type: 'Observation', params: 'subject={ref}&date=2020-01-01' }],
      };
      await put(
        graph('g', [{ path: 'Patient.managingOrganization', target: [{ type: 'Organization' }] }, observations]),
      );
      await put(graph('strict', [{ path: 'generalPractitioner', min: 1, target: [{ type: 'Practitioner' }] }]));
      await put(
        graph(
          'up',
          [
            {
              path: 'subject',
              max: '1',
              target: [
                {
                  type: 'Patient',
                  compartment: [{ use: 'requirement', code: 'Patient', rule: 'identical' }],
                  link: [{ path: 'managingOrganization', target: [{ type: 'Organization' }] }],
                },
              ],
            },
          ],
          'Observation',
        ),
      );
    });

    it('follows paths and searches from the resource, level by level', async () => {
      const answer = await server.get('Patient/ada/$graph?graph=http://example.org/graphs/g');
      assert.equal(answer.status, 200, answer.text);
      const [first, ...others] = namesOf(answer);
      assert.equal(first, 'Patient/ada');
      assert.ok(others.includes('Organization/clinic') && others.includes('Observation/g1'));
      assert.ok(!others.includes('Observation/adam1'));
      const up = await server.get('Observation/g1/$graph?graph=GraphDefinition/up');
      assert.deepEqual(namesOf(up), ['Observation/g1', 'Patient/ada', 'Organization/clinic']);
    });

    it('tells when a graph does not fit, is unknown, or starts elsewhere', async () => {
      assert.equal((await server.get('Patient/ada/$graph?graph=GraphDefinition/strict')).status, 422);
      assert.equal((await server.get('Patient/ada/$graph?graph=http://example.org/graphs/none')).status, 404);
      assert.equal((await server.get('Patient/ada/$graph?graph=GraphDefinition/up')).status, 422);
      assert.equal((await server.get('Patient/ada/$graph')).status, 400);
      const hidden = await server.get('Patient/ada/$graph?graph=GraphDefinition/g', { token: stranger });
      assert.equal(hidden.status, 404);
    });
  });

  describe('$match', () => {
    const match = (resource: object, more: object[] = [], options = {}) =>
      server.post(
        'Patient/$match',
        {
          resourceType: 'Parameters',
          parameter: [{ name: 'resource', resource: { resourceType: 'Patient', ...resource } }, ...more],
        },
        options,
      );
    const gradesOf = ({ body }: Answer) =>
      (body.entry ?? []).map(
        ({ resource, search }: { resource: { id: string }; search: { extension: { valueCode: string }[] } }) => [
          resource.id,
          search.extension[0].valueCode,
        ],
      );

    it('finds who is described, the likeliest first, each with score and grade', async () => {
      const exact = await match({
        identifier: [{ system: 'http://example.org/mrn', value: '1815' }],
        name: [{ family: 'Lovelace' }],
      });
      assert.deepEqual(gradesOf(exact), [['ada', 'certain']], exact.text);
      assert.ok(exact.body.entry[0].search.score > 0.9);
      assert.equal(exact.body.entry[0].search.mode, 'match');
      const typed = await match({
        name: [{ family: 'Lovelacé', given: ['Ada'] }],
        birthDate: '1815-12-10',
        gender: 'female',
      });
      assert.equal(gradesOf(typed)[0][0], 'ada');
      assert.ok(['certain', 'probable'].includes(gradesOf(typed)[0][1]));
      const scores = typed.body.entry.map(({ search }: { search: { score: number } }) => search.score);
      assert.deepEqual(
        scores,
        [...scores].sort((a, b) => b - a),
      );
    });

    it('onlyCertainMatches and count narrow it; nobody is an empty answer, too little is refused', async () => {
      const vague = { name: [{ family: 'Lovelace', given: ['Ada'] }] };
      assert.ok(gradesOf(await match(vague)).length >= 1);
      assert.deepEqual(gradesOf(await match(vague, [{ name: 'onlyCertainMatches', valueBoolean: true }])), []);
      const all = { name: [{ family: 'Lovelace' }], birthDate: '1815-12' };
      assert.equal(gradesOf(await match(all, [{ name: 'count', valueInteger: 1 }])).length, 1);
      const nobody = await match({ name: [{ family: 'Babbage', given: ['Charles'] }], birthDate: '1791-12-26' });
      assert.deepEqual([nobody.status, nobody.body.total], [200, 0]);
      assert.equal((await match({ gender: 'female' })).status, 422);
      const other = {
        resourceType: 'Parameters',
        parameter: [{ name: 'resource', resource: { resourceType: 'Group' } }],
      };
      assert.equal((await server.post('Patient/$match', other)).status, 400);
    });

    it('does not know who is hidden', async () => {
      const identifier = [{ system: 'http://example.org/mrn', value: '1815' }];
      assert.equal((await match({ identifier }, [], { token: stranger })).body.total, 0);
      assert.equal((await match({ identifier })).body.total, 1);
    });
  });

  describe('$convert', () => {
    it('turns JSON into XML and back, decimals to the letter', async () => {
      const json = '{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":1.50}}';
      const xml = await server.post('$convert', json, { headers: { Accept: 'application/fhir+xml' } });
      assert.match(xml.text, /<valueQuantity><value value="1\.50"\/><\/valueQuantity>/);
      const back = await server.post('$convert', xml.text, { headers: { 'Content-Type': 'application/fhir+xml' } });
      assert.equal(back.text, json);
    });

    it('refuses what R4 does not know, for it would be lost', async () => {
      const refused = await server.post('$convert', { resourceType: 'Patient', shoeSize: 44 });
      assert.equal(refused.status, 400);
      assert.equal(firstIssue(refused).code, 'structure');
      assert.equal((await server.post('$convert', { resourceType: 'Patience' })).status, 400);
      assert.equal((await server.send('POST', '$convert')).status, 400);
    });
  });

  it('operations work inside batches and transactions', async () => {
    const entry = ['Patient/ada/$graph?graph=GraphDefinition/g', 'Observation/$lastn?patient=ada&code=8302-2'].map(
      (url) => ({ request: { method: 'GET', url } }),
    );
    for (const type of ['batch', 'transaction']) {
      const { body } = await server.post('', { resourceType: 'Bundle', type, entry });
      assert.deepEqual(
        body.entry.map((one: { resource: { type: string } }) => one.resource.type),
        ['collection', 'searchset'],
      );
    }
  });
});
