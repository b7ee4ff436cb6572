import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { firstIssue, TestServer } from './server.js';

describe('formats', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  const xml = { 'Content-Type': 'application/fhir+xml', Accept: 'application/fhir+xml' };

  it('XML goes in and comes out, decimals to the letter; JSON and XML are two views of one resource', async () => {
    const body =
      '<Observation xmlns="http://hl7.org/fhir"><!-- gone --><status value="final"/><code><text value="x &amp; y"/></code>' +
      '<valueQuantity><value value="1.50"/><unit value="g"/></valueQuantity></Observation>';
    const created = await server.post('Observation', body, { headers: xml });
    assert.equal(created.status, 201, created.text);
    assert.match(created.headers.get('content-type') ?? '', /^application\/fhir\+xml/);
    assert.match(created.text, /<valueQuantity><value value="1\.50"\/><unit value="g"\/><\/valueQuantity>/);
    assert.ok(!created.text.includes('gone'));
    const id = /<id value="([^"]+)"/.exec(created.text)?.[1];
    const json = await server.get(`Observation/${id}`);
    assert.match(json.text, /"value":1\.50,/);
    assert.equal(json.body.code.text, 'x & y');
    assert.equal((await server.get(`Observation/${id}?_format=xml`)).text, created.text);
    const found = await server.get(`Observation?_id=${id}&_format=application/fhir%2Bxml`);
    assert.match(found.text, /^<\?xml [^>]*><Bundle .*<total value="1"\/>.*<resource><Observation>/);
  });

  it('broken XML is 400 with its place, as an OperationOutcome in XML', async () => {
    const refused = await server.post('Patient', '<Patient xmlns="http://hl7.org/fhir">\n<active</Patient>', {
      headers: xml,
    });
    assert.equal(refused.status, 400);
    assert.match(refused.text, /<OperationOutcome .*<code value="structure"\/>.*line 2/);
    const bomb = '<!DOCTYPE a [<!ENTITY b "c">]><Patient xmlns="http://hl7.org/fhir"><language value="&b;"/></Patient>';
    assert.equal((await server.post('Patient', bomb, { headers: xml })).status, 400);
  });

  it('a Binary comes in its own content type unless FHIR is asked for', async () => {
    const bytes = Buffer.from([0, 1, 2, 250, 251, 252]);
    const created = await server.post('Binary', bytes, {
      headers: { 'Content-Type': 'application/pdf', Accept: 'application/fhir+json' },
    });
    assert.equal(created.status, 201, created.text);
    assert.equal(created.body.contentType, 'application/pdf');
    assert.equal(created.body.data, bytes.toString('base64'));
    const native = await fetch(`${server.baseUrl}/Binary/${created.body.id}`, {
      headers: { Authorization: `Bearer ${await server.tokenFor({})}`, Accept: 'application/pdf' },
    });
    assert.equal(native.headers.get('content-type'), 'application/pdf');
    assert.deepEqual(Buffer.from(await native.arrayBuffer()), bytes);
    const fhir = await server.get(`Binary/${created.body.id}`, { headers: { Accept: 'application/fhir+json' } });
    assert.equal(fhir.body.resourceType, 'Binary');
  });

  it('metadata is a valid CapabilityStatement that needs no token and tells what is offered', async () => {
    const { status, body } = await server.get('metadata', { token: '' });
    assert.equal(status, 200);
    const validated = await server.post('CapabilityStatement/$validate', body);
    const errors = validated.body.issue.filter(
      ({ severity }: { severity: string }) => severity === 'error' || severity === 'fatal',
    );
    assert.deepEqual(errors, []);
    const [rest] = body.rest;
    assert.equal(rest.resource.length, 146);
    const patient = rest.resource.find(({ type }: { type: string }) => type === 'Patient');
    assert.ok(patient.searchParam.some(({ name }: { name: string }) => name === 'birthdate'));
    assert.ok(patient.searchRevInclude.includes('Observation:subject'));
    const offered = new Set(patient.operation.map(({ name }: { name: string }) => name));
    for (const name of [
      'disclose',
      'everything',
      'graph',
      'graphql',
      'match',
      'meta',
      'meta-add',
      'meta-delete',
      'proof',
      'validate',
    ]) {
      assert.ok(offered.has(name), name);
    }
    for (const { name } of patient.searchParam as { name: string }[]) {
      if (name === '_query') continue;
      const { status: answered, text } = await server.get(`Patient?${name}=x`);
      assert.ok(
        answered === 200 || (answered === 400 && !text.includes('unknown in a search')),
        `${name} is offered: ${text}`,
      );
    }
  });

  it('browsers of allowed origins may call, others may not', async () => {
    const own = await TestServer.start({ ALLOWED_ORIGINS: 'https://app.example' });
    const preflight = (origin: string) =>
      own.send('OPTIONS', 'Patient', {
        headers: { Origin: origin, 'Access-Control-Request-Method': 'GET' },
        token: '',
      });
    assert.equal(
      (await preflight('https://app.example')).headers.get('access-control-allow-origin'),
      'https://app.example',
    );
    assert.equal((await preflight('https://evil.example')).headers.get('access-control-allow-origin'), null);
    await own.stop();
  });

  it('a write can wait for its anchor, and then be proven', async () => {
    const created = await server.post('Patient', { resourceType: 'Patient' }, { headers: { Prefer: 'wait=30' } });
    assert.equal(created.status, 201);
    const proof = await server.get(`Patient/${created.body.id}/$proof`);
    assert.equal(proof.status, 200, proof.text);
    assert.equal(proof.body.resourceType, 'Parameters');
    assert.equal(firstIssue(await server.get('Patient/none/$proof')).code, 'not-found');
  });
});
