import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { firstIssue, TestServer, type Answer, type RequestOptions } from './server.js';

interface Case {
  readonly name: string;
  readonly method: string;
  readonly url: string;
  readonly options?: RequestOptions;
  readonly status: number;
  readonly code: string;
  readonly expression?: string;
  /** Must stand in the diagnostics. */
  readonly says?: RegExp;
}

const deep = (levels: number) => `{"resourceType":"Patient","extension":${'['.repeat(levels)}${']'.repeat(levels)}}`;

const cases: Case[] = [
  { name: 'broken JSON', method: 'POST', url: 'Patient', options: { body: '{"resourceType":"Patient",\n"active":}' }, status: 400, code: 'structure', says: /line 2, column 10/ },
  { name: 'an empty body', method: 'POST', url: 'Patient', options: { body: '' }, status: 400, code: 'structure' },
  { name: 'a body that is no object', method: 'POST', url: 'Patient', options: { body: '[1]' }, status: 400, code: 'structure' },
  { name: 'no resourceType', method: 'POST', url: 'Patient', options: { body: {} }, status: 400, code: 'structure', expression: 'resourceType' },
  { name: 'another resourceType than the URL', method: 'POST', url: 'Patient', options: { body: { resourceType: 'Observation' } }, status: 400, code: 'invalid', expression: 'resourceType' },
  { name: 'nesting of 1,000 levels', method: 'POST', url: 'Patient', options: { body: deep(1000) }, status: 400, code: 'structure', says: /256 levels/ },
  { name: 'a member twice', method: 'POST', url: 'Patient', options: { body: '{"resourceType":"Patient","active":true,"active":false}' }, status: 400, code: 'structure', says: /active/ },
  { name: 'an unknown element', method: 'POST', url: 'Patient', options: { body: { resourceType: 'Patient', colour: 'red' } }, status: 400, code: 'structure', says: /colour/ },
  { name: 'an unknown code', method: 'POST', url: 'Patient', options: { body: { resourceType: 'Patient', gender: 'x' } }, status: 422, code: 'code-invalid', expression: 'Patient.gender' },
  { name: 'a missing required element', method: 'POST', url: 'Observation', options: { body: { resourceType: 'Observation', status: 'final' } }, status: 422, code: 'required' },
  { name: 'a dangling reference', method: 'POST', url: 'Observation', options: { body: { resourceType: 'Observation', status: 'final', code: { text: 'x' }, subject: { reference: 'Patient/none' } } }, status: 422, code: 'business-rule', expression: 'Observation.subject.reference' },
  { name: 'no token', method: 'GET', url: 'Patient', options: { token: '' }, status: 401, code: 'login' },
  { name: 'a token that is none', method: 'GET', url: 'Patient', options: { token: 'abc' }, status: 401, code: 'login' },
  { name: 'a wrong Content-Type', method: 'POST', url: 'Patient', options: { body: 'a,b', headers: { 'Content-Type': 'text/csv' } }, status: 415, code: 'not-supported' },
  { name: 'a format that is not offered', method: 'GET', url: 'Patient', options: { headers: { Accept: 'image/png' } }, status: 406, code: 'not-supported' },
  { name: 'a _count that is no number', method: 'GET', url: 'Patient?_count=many', status: 400, code: 'invalid', says: /_count/ },
  { name: 'a negative _count', method: 'GET', url: 'Patient?_count=-5', status: 400, code: 'invalid' },
  { name: 'an unknown search parameter', method: 'GET', url: 'Patient?shoe-size=44', status: 400, code: 'invalid', says: /shoe-size/ },
  { name: 'a date that is none', method: 'GET', url: 'Patient?birthdate=yesterday', status: 400, code: 'invalid' },
  { name: 'a made-up cursor', method: 'GET', url: 'Patient?_cursor=AAAA', status: 400, code: 'invalid' },
  { name: 'a method that is not offered', method: 'PUT', url: 'metadata', options: { body: {} }, status: 405, code: 'not-supported' },
  { name: 'an unknown operation', method: 'POST', url: 'Patient/$frobnicate', options: { body: { resourceType: 'Parameters' } }, status: 404, code: 'not-supported' },
  { name: 'a path that is not percent-encoded UTF-8', method: 'GET', url: 'Patient/%ff', status: 400, code: 'invalid' },
  { name: 'a resource posted to the base', method: 'POST', url: '', options: { body: { resourceType: 'Patient' } }, status: 400, code: 'invalid' },
  { name: 'a Bundle of another type', method: 'POST', url: '', options: { body: { resourceType: 'Bundle', type: 'collection' } }, status: 400, code: 'value', expression: 'Bundle.type' },
]; // prettier-ignore

describe('bad input', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start({ MAX_BODY_MB: '2' });
  });
  after(() => server.stop());

  const check = (answer: Answer, { status, code, expression, says }: Case) => {
    assert.equal(answer.status, status, answer.text);
    assert.equal(answer.body.resourceType, 'OperationOutcome');
    const issue = firstIssue(answer);
    assert.equal(issue.code, code);
    if (expression !== undefined) assert.equal(issue.expression, expression);
    if (says !== undefined) assert.match(issue.diagnostics ?? '', says);
  };

  for (const example of cases) {
    it(`${example.name} is ${example.status} ${example.code}`, async () => {
      check(await server.send(example.method, example.url, example.options), example);
    });
  }

  it('401 says how to authenticate; an expired token says that it is expired', async () => {
    const none = await server.get('Patient', { token: '' });
    assert.match(none.headers.get('www-authenticate') ?? '', /^Bearer/);
    const token = await server.tokenFor({ expiresInSeconds: -10 });
    const expired = await server.get('Patient', { token });
    assert.equal(expired.status, 401);
    assert.equal(firstIssue(expired).code, 'expired');
  });

  it('a scope that does not cover the type is 403, one that does is served', async () => {
    const token = await server.tokenFor({ scope: 'system/Patient.rs' });
    assert.equal((await server.get('Patient', { token })).status, 200);
    const refused = await server.get('Observation', { token });
    assert.equal(refused.status, 403);
    assert.equal(firstIssue(refused).code, 'forbidden');
    assert.equal((await server.post('Patient', { resourceType: 'Patient' }, { token })).status, 403);
  });

  it('a body over the limit is 413, one below it is taken', async () => {
    const patient = (length: number) => ({ resourceType: 'Patient', name: [{ text: 'x'.repeat(length) }] });
    const large = await server.post('Patient', patient(3 * 1024 * 1024));
    assert.equal(large.status, 413);
    assert.equal(firstIssue(large).code, 'too-long');
    assert.equal((await server.post('Patient', patient(500_000))).status, 201);
    const headers = { 'Content-Type': 'application/fhir+json', 'Content-Encoding': 'gzip' };
    const packed = (length: number) =>
      server.send('POST', 'Patient', { body: gzipSync(JSON.stringify(patient(length))), headers });
    assert.equal((await packed(8 * 1024 * 1024)).status, 413);
    assert.equal((await packed(500_000)).status, 201);
  });

  it('an absurd _count is cut to the most that is offered', async () => {
    assert.equal((await server.get('Patient?_count=999999999')).status, 200);
  });

  it('all broken rules are told at once', async () => {
    const { status, body } = await server.post('Patient', {
      resourceType: 'Patient',
      gender: 'x',
      birthDate: 'long ago',
      managingOrganization: { reference: 'Organization/none' },
    });
    assert.ok(status === 422 || status === 400);
    const places = body.issue.map((issue: { expression?: string[] }) => issue.expression?.[0]);
    for (const place of ['Patient.gender', 'Patient.birthDate', 'Patient.managingOrganization.reference']) {
      assert.ok(places.includes(place), `${place} is named`);
    }
  });

  it('answers carry a request id, the one that was sent or a new one', async () => {
    const own = await server.get('Patient', { headers: { 'X-Request-Id': 'abc-1' } });
    assert.equal(own.headers.get('x-request-id'), 'abc-1');
    assert.match((await server.get('Patient')).headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/);
  });

  it('the server is still up', async () => {
    assert.equal((await server.get('metadata', { token: '' })).status, 200);
  });
});
