/** What a stranger tries first: odd headers, odd spellings, odd combinations. Each with the nearest one that is taken. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { firstIssue, TestServer, type Answer } from '../server.js';

interface Entry {
  readonly resource?: { readonly resourceType: string; readonly id: string };
  readonly response?: { readonly status: string };
}

const entriesOf = ({ body }: Answer) => (body?.entry ?? []) as Entry[];
const idsOf = (answer: Answer) => entriesOf(answer).map(({ resource }) => resource?.id).sort(); // prettier-ignore

describe('odd requests', () => {
  let server: TestServer;

  const put = async (resource: { resourceType: string; id: string; [element: string]: unknown }) => {
    const answer = await server.put(`${resource.resourceType}/${resource.id}`, resource);
    assert.ok(answer.status < 300, answer.text);
  };
  const weight = (id: string, effectiveDateTime: string, value: number, code: string) =>
    put({
      resourceType: 'Observation',
      id,
      status: 'final',
      code: { coding: [{ system: 'http://loinc.org', code: '29463-7' }] },
      subject: { reference: 'Patient/a' },
      effectiveDateTime,
      valueQuantity: { value, unit: code, system: 'http://unitsofmeasure.org', code },
    });
  /** Each URL with the ids that it finds, or the status that refuses it. */
  const check = async (table: readonly (readonly [url: string, expected: readonly string[] | number])[]) => {
    for (const [url, expected] of table) {
      const answer = await server.get(url);
      if (typeof expected === 'number') {
        assert.equal(answer.status, expected, `${url}: ${answer.text.slice(0, 300)}`);
        assert.equal(answer.body.resourceType, 'OperationOutcome', url);
      } else {
        assert.equal(answer.status, 200, `${url}: ${answer.text.slice(0, 300)}`);
        assert.deepEqual(idsOf(answer), [...expected].sort(), url);
      }
    }
  };

  before(async () => {
    server = await TestServer.start();
    await put({ resourceType: 'Organization', id: 'oak', name: 'Oak' });
    await put({
      resourceType: 'Patient',
      id: 'a',
      name: [{ family: 'Ábel', given: ['Zoë'] }],
      telecom: [{ system: 'phone', value: '555', use: 'mobile' }],
      identifier: [{ system: 'http://x', value: '1|2' }],
      managingOrganization: { reference: 'Organization/oak' },
    });
    await put({
      resourceType: 'Patient',
      id: 'b',
      name: [{ family: 'Baker' }],
      telecom: [{ system: 'email', value: '666' }],
    });
    await weight('leap', '2016-12-31T23:59:60Z', 1500, 'g');
    await weight('zero', '2017-01-01T00:00:00-00:00', 1.5, 'kg');
  });
  after(() => server.stop());

  it('Accept and _format decide together; what cannot be given is 406', async () => {
    const typeFor = async (accept: string, query = '') => {
      const answer = await server.get(`Patient/b${query}`, { headers: { Accept: accept } });
      return answer.status === 200 ? answer.headers.get('content-type') : answer.status;
    };
    const [json, xml] = ['application/fhir+json; charset=utf-8', 'application/fhir+xml; charset=utf-8'];
    assert.equal(await typeFor('application/fhir+json;q=0, application/fhir+xml'), xml);
    assert.equal(await typeFor('application/fhir+xml;q=0.2,application/fhir+json;q=0.9'), json);
    assert.equal(await typeFor('application/json;fhirVersion=4.0'), json);
    assert.equal(await typeFor('application/json;fhirVersion=3.0'), 406);
    assert.equal(await typeFor('image/png'), 406);
    assert.equal(await typeFor('*/*;q=0'), 406);
    assert.equal(await typeFor('image/png', '?_format=xml'), xml);
    assert.equal(await typeFor('*/*', '?_format=ttl'), 406);
    assert.equal(await typeFor('*/*', '?_format=application/fhir+xml'), xml);
  });

  it('HEAD is GET without a body, wherever GET is', async () => {
    for (const url of [
      'metadata',
      'Patient/a',
      'Patient/none',
      'Patient?family=baker',
      'Patient/a/_history',
      '_history',
      'Patient/a/$everything',
      'Patient?nonsense=1',
    ]) {
      // prettier-ignore
      const [head, get] = [await server.send('HEAD', url), await server.get(url)];
      assert.deepEqual([head.status, head.text], [get.status, ''], url);
      assert.equal(head.headers.get('content-type'), get.headers.get('content-type'), url);
    }
  });

  it('a list of ETags counts for each of them, weak or not', async () => {
    const read = (tags: string) => server.get('Patient/a', { headers: { 'If-None-Match': tags } });
    for (const tags of ['W/"1"', '"1"', 'W/"9", W/"1"', '*']) assert.equal((await read(tags)).status, 304, tags);
    for (const tags of ['W/"9"', '"9", W/"8"']) assert.equal((await read(tags)).status, 200, tags);
    const write = (tags: string) =>
      server.put('Organization/oak', { resourceType: 'Organization', id: 'oak', name: 'Oak' }, { headers: { 'If-Match': tags } }); // prettier-ignore
    assert.equal((await write('W/"9", W/"8"')).status, 412);
    assert.equal((await write('W/"9", W/"1"')).status, 200);
  });

  it('text that is not percent-encoded UTF-8 is refused, and not searched for as something else', async () => {
    await check([
      ['Patient?family=%C3%81bel', ['a']],
      ['Patient?family=a%CC%81bel', ['a']],
      ['Patient?given=Zo%C3%AB', ['a']],
      ['Patient/%61/_history', ['a']],
      ['Patient?family=%ZZ', 400],
      ['Patient?family=%C3%28', 400],
      ['Patient?family=Bak%', 400],
      ['Patient/%ZZ', 400],
    ]);
    assert.deepEqual(firstIssue(await server.get('Patient?family=%ZZ')).code, 'invalid');
    const form = { headers: { 'Content-Type': 'application/x-www-form-urlencoded' } };
    const search = (body: string) => server.send('POST', 'Patient/_search', { body, ...form });
    assert.deepEqual(idsOf(await search('family=%C3%81bel')), ['a']);
    assert.equal((await search('family=%C3%28')).status, 400);
    const entry = ['Patient?family=%C3%81bel', 'Patient?family=%ZZ'].map((url) => ({
      request: { method: 'GET', url },
    }));
    const batch = await server.post('', { resourceType: 'Bundle', type: 'batch', entry });
    assert.deepEqual(entriesOf(batch).map(({ response }) => response?.status.slice(0, 3)), ['200', '400']); // prettier-ignore
    const created = (condition: string) =>
      server.post('Patient', { resourceType: 'Patient' }, { headers: { 'If-None-Exist': condition } });
    assert.equal((await created('family=%C3%81bel')).status, 200);
    assert.equal((await created('family=%ZZ')).status, 400);
  });

  it('what shapes the answer stands once, or twice alike; what selects stands as often as wanted', async () => {
    await check([
      ['Patient?_count=1&_count=2', 400],
      ['Patient?_total=none&_total=accurate', 400],
      ['Patient?_count=5&_count=5', ['a', 'b']],
      ['Patient?_elements=name&_elements=gender', ['a', 'b']],
      ['Patient?family=Bak&family=Baker', ['b']],
      ['Patient?_id=a&_id=b', []],
      ['Patient?_count=99999999999999999', 400],
      ['Patient?_count=999999999', ['a', 'b']],
      ['Patient?_elements=nonsense', ['a', 'b']],
    ]);
  });

  it('includes go round in circles once, and their third part names what is referred to', async () => {
    await check([
      ['Organization?_revinclude:iterate=Patient:organization&_include:iterate=Patient:organization', ['oak', 'a']],
      ['Patient?_id=a&_include:iterate=*:*&_revinclude:iterate=*:*', ['a', 'oak', 'leap', 'zero']],
      ['Patient?_id=a&_revinclude=Observation:subject', ['a', 'leap', 'zero']],
      ['Patient?_id=a&_revinclude=Observation:subject:Patient', ['a', 'leap', 'zero']],
      ['Patient?_id=a&_revinclude=Observation:subject:Group', ['a']],
      ['Patient?_id=a&_include=Patient:organization:Organization', ['a', 'oak']],
      ['Patient?_id=a&_include=Patient:general-practitioner:Organization', ['a']],
      ['Patient?_include=Patient:nonsense', 400],
    ]);
  });

  it('dates: leap seconds, -00:00 and offsets are instants; what is no date is refused', async () => {
    await check([
      ['Observation?date=2016-12-31T23:59:60Z', ['leap']],
      ['Observation?date=2017', ['zero']],
      ['Observation?date=2016', ['leap']],
      ['Observation?date=2017-01-01T00:00:00-00:00', ['zero']],
      ['Observation?date=2017-01-01T01:00:00%2B01:00', ['zero']],
      ['Observation?date=2017-01-01T01:00:00+01:00', ['zero']],
      ['Observation?date=2016-12-31T10:00:00-14:00', ['zero']],
      ['Observation?date=2016-02-29', []],
      ['Observation?date=2017-02-29', 400],
      ['Observation?date=198', 400],
      ['Observation?date=2017-01-01T24:00:00Z', 400],
      ['Observation?date=2017-01-01T00:00%2B15:00', 400],
      ['Observation?date=GE2016', 400],
    ]);
  });

  it('quantities: exponents and units that mean the same find the same; what is no number is refused', async () => {
    const ucum = '|http://unitsofmeasure.org|';
    await check([
      [`Observation?value-quantity=15e2${ucum}g`, ['leap', 'zero']],
      [`Observation?value-quantity=1.5E%2B0${ucum}kg`, ['leap', 'zero']],
      [`Observation?value-quantity=1500000${ucum}mg`, ['leap', 'zero']],
      [`Observation?value-quantity=1.5${ucum}KG`, []],
      ['Observation?value-quantity=1.5||kg', ['zero']],
      ['Observation?value-quantity=1.5', ['zero']],
      ['Observation?value-quantity=1e400', []],
      ['Observation?value-quantity=NaN', 400],
      ['Observation?value-quantity=0x10', 400],
      ['Observation?value-quantity=1.5|kg', 400],
    ]);
  });

  it('a ContactPoint is found by its value, which has no system (R4, search.html#token); parameters are there for its kinds', async () => {
    await check([
      ['Patient?telecom=555', ['a']],
      ['Patient?telecom=|555', ['a']],
      ['Patient?telecom=phone|555', []],
      ['Patient?telecom=mobile|555', []],
      ['Patient?phone=555', ['a']],
      ['Patient?email=555', []],
      ['Patient?phone=666', []],
      ['Patient?email=666', ['b']],
      ['Patient?telecom=666', ['b']],
    ]);
  });

  it('chains: the type may be left out where several are possible, and a pipe is escaped', async () => {
    await check([
      ['Observation?subject.family=abel', ['leap', 'zero']],
      ['Observation?subject:Patient.family=abel', ['leap', 'zero']],
      ['Observation?subject:Group.family=abel', 400],
      ['Observation?patient.organization.name=oak', ['leap', 'zero']],
      ['Observation?subject.nonsense=1', 400],
      ['Observation?patient.identifier=http://x|1\\|2', ['leap', 'zero']],
      ['Observation?patient.identifier=http://x|1|2', 400],
    ]);
  });

  it('entries of a batch name this server, and answer in the format of the whole', async () => {
    const urls = ['Patient/a?_format=xml', '/Patient/b', `${server.baseUrl}/Patient/b`, 'https://elsewhere.example/Patient/b', '', '../Patient/b']; // prettier-ignore
    const entry = urls.map((url) => ({ request: { method: 'GET', url } }));
    const answer = await server.post('', { resourceType: 'Bundle', type: 'batch', entry });
    assert.equal(answer.status, 200, answer.text);
    assert.deepEqual(
      entriesOf(answer).map(({ response }) => response?.status.slice(0, 3)),
      ['200', '200', '200', '400', '400', '404'],
    );
    assert.equal(entriesOf(answer)[0]?.resource?.id, 'a');
  });
});
