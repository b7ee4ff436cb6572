/** What an operator sees and sets: health, metrics, limits, and how a server stops. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, request as httpRequest, type ClientRequest, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { Health } from '../../src/serving/health.js';
import { Limits } from '../../src/serving/limits.js';
import { shapeOf } from '../../src/serving/metrics.js';
import { firstIssue, TestServer } from './server.js';

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1');
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  return port;
}

/** A PUT whose body is sent in two pieces; the first is sent. */
function slowPut(
  server: TestServer,
  token: string,
  id: string,
): { finish: () => Promise<number>; sent: ClientRequest } {
  const body = JSON.stringify({ resourceType: 'Patient', id });
  const sent = httpRequest(`${server.baseUrl}/Patient/${id}`, {
    method: 'PUT',
    headers: {
      Authorization: `Bearer ${token}`,
      'Content-Type': 'application/fhir+json',
      'Content-Length': body.length,
    },
  });
  sent.write(body.slice(0, 10));
  const answer = once(sent, 'response');
  return {
    sent,
    async finish() {
      sent.end(body.slice(10));
      const [response] = (await answer) as [IncomingMessage];
      response.resume();
      return response.statusCode!;
    },
  };
}

describe('an operated server', () => {
  let server: TestServer;
  let origin: string;
  let metricsPort: number;
  before(async () => {
    metricsPort = await freePort();
    server = await TestServer.start({
      METRICS_PORT: String(metricsPort),
      LOG_LEVEL: 'requests',
      RATE_LIMIT: '15',
      DRAIN_MS: '300',
      MAX_REQUESTS: '2',
    });
    origin = server.baseUrl.replace(/\/fhir$/, '');
  });
  after(() => server.stop());

  it('says that it lives and is ready, to anybody', async () => {
    assert.deepEqual((await server.get(`${origin}/health/live`, { token: '' })).body, { status: 'live' });
    const ready = await server.get(`${origin}/health/ready`, { token: '' });
    assert.equal(ready.status, 200);
    assert.deepEqual(ready.body, { status: 'ready', dependencies: { catalog: 'up', blocks: 'up', chain: 'up' } });
    assert.equal((await server.get(`${origin}/health/else`, { token: '' })).status, 404);
  });

  it('tells its numbers to operators alone, without any id or content', async () => {
    const id = 'patient-whose-id-is-nowhere';
    await server.put(`Patient/${id}`, { resourceType: 'Patient', id, name: [{ family: 'Nowhere' }] });
    await server.get(`Patient?family=Nowhere`);
    const doctor = await server.tokenFor({ actor: 'Practitioner/1', scope: 'system/*.cruds' });
    assert.equal((await server.get(`${origin}/metrics`, { token: '' })).status, 401);
    assert.equal((await server.get(`${origin}/metrics`, { token: 'no-token' })).status, 401);
    const refused = await server.get(`${origin}/metrics`, { token: doctor });
    assert.deepEqual([refused.status, firstIssue(refused).code], [403, 'forbidden']);
    const { status, text } = await server.get(`${origin}/metrics`);
    assert.equal(status, 200);
    assert.match(text, /^mooring_requests_total\{method="PUT",shape="instance",status="201"\} 1$/m);
    assert.match(text, /^mooring_requests_total\{method="GET",shape="type",status="200"\} 1$/m);
    assert.match(text, /^mooring_log_leaves 1$/m);
    assert.match(text, /^mooring_dependency_up\{name="chain"\} 1$/m);
    assert.doesNotMatch(text, /nowhere/i);
    const own = await server.get(`http://127.0.0.1:${metricsPort}/metrics`, { token: '' });
    assert.equal(own.status, 200);
    assert.equal((await server.get(`http://127.0.0.1:${metricsPort}/fhir/Patient`)).status, 404);
  });

  it('logs each request where that is wanted: its id, kind, status and time, no name, no search value', async () => {
    const id = 'patient-of-the-log';
    const put = await server.put(`Patient/${id}`, { resourceType: 'Patient', id, name: [{ family: 'Logless' }] });
    const search = await server.get('Patient?family=Logless');
    // The line is written when the answer has left.
    await new Promise((resolve) => setTimeout(resolve, 50));
    const lines = server.logLines
      .filter((line) => line.includes('"request"'))
      .map((line) => JSON.parse(line) as object);
    const lineOf = ({ headers }: typeof put) =>
      lines.find((line) => (line as { requestId?: string }).requestId === headers.get('x-request-id')) as
        Record<string, unknown> | undefined;
    const of = (answer: typeof put) => [lineOf(answer)?.method, lineOf(answer)?.shape, lineOf(answer)?.status];
    assert.deepEqual(of(put), ['PUT', 'instance', 201]);
    assert.deepEqual(of(search), ['GET', 'type', 200]);
    assert.equal(typeof lineOf(put)?.durationMs, 'number');
    assert.doesNotMatch(server.logLines.join('\n'), /logless|of-the-log/i);
  });

  it('refuses a client that asks too much, with 429 and when to come again; others are answered', async () => {
    const eager = await server.tokenFor({ actor: 'Practitioner/eager', scope: 'system/*.rs' });
    const answers = [];
    for (let turn = 0; turn < 60; turn += 1) answers.push(await server.get('Patient?_summary=count', { token: eager }));
    const refused = answers.filter(({ status }) => status === 429);
    assert.ok(refused.length > 0 && refused.length < 60, `${refused.length} refused`);
    assert.equal(firstIssue(refused[0]!).code, 'throttled');
    assert.equal(refused[0]!.headers.get('retry-after'), '1');
    assert.equal((await server.get('Patient?_summary=count')).status, 200);
    assert.equal((await server.get(`${origin}/health/live`, { token: '' })).status, 200);
  });

  it('takes so many requests at once and refuses more with 503, then goes on', async () => {
    const token = await server.tokenFor({});
    const slow = [slowPut(server, token, 'slow-1'), slowPut(server, token, 'slow-2')];
    await new Promise((resolve) => setTimeout(resolve, 50));
    const refused = await server.get('Patient/none');
    assert.deepEqual([refused.status, firstIssue(refused).code], [503, 'transient']);
    assert.deepEqual(await Promise.all(slow.map(({ finish }) => finish())), [201, 201]);
    assert.equal((await server.get('Patient/slow-1')).status, 200);
  });

  it('stops: it says that it is not ready, answers what is under way, and keeps what it answered', async () => {
    const token = await server.tokenFor({});
    const under = slowPut(server, token, 'last');
    await new Promise((resolve) => setTimeout(resolve, 50));
    const halted = server.halt();
    const stopping = await server.get(`${origin}/health/ready`, { token: '' });
    assert.deepEqual([stopping.status, stopping.body.status], [503, 'stopping']);
    await new Promise((resolve) => setTimeout(resolve, 350));
    assert.equal(await under.finish(), 201);
    await halted;
    await assert.rejects(fetch(`${origin}/health/live`));
    await server.resume();
    assert.equal((await server.get('Patient/last')).status, 200);
  });
});

it('readiness names the dependency that is away, also one that does not answer', async () => {
  const health = new Health([
    { name: 'catalog', check: () => Promise.resolve() },
    { name: 'chain', check: () => Promise.reject(new Error('planted')) },
  ]);
  const { isReady, dependencies } = await health.ready();
  assert.equal(isReady, false);
  assert.deepEqual(
    [...dependencies],
    [
      ['catalog', true],
      ['chain', false],
    ],
  );
});

it('bodies under way are bounded in bytes; one that is larger than the bound is let in alone', () => {
  const limits = new Limits({ ratePerSecond: 0, maxRequests: 10, maxBytes: 100, unknownBytes: 60 });
  const post = (headers: Record<string, string>) =>
    limits.admit({ method: 'POST', headers, socket: {} } as unknown as IncomingMessage);
  const first = post({ 'content-length': '70' });
  assert.equal(first.kind, 'admitted');
  assert.equal(post({ 'transfer-encoding': 'chunked' }).kind, 'refused');
  assert.equal(post({ 'content-length': '30' }).kind, 'admitted');
  assert.equal(post({ 'content-length': '1' }).kind, 'refused');
  if (first.kind === 'admitted') first.release();
  assert.equal(post({ 'content-length': '70' }).kind, 'admitted');
  const alone = new Limits({ ratePerSecond: 0, maxRequests: 10, maxBytes: 100, unknownBytes: 60 });
  assert.equal(alone.admit({ method: 'POST', headers: { 'content-length': '5000' } } as never).kind, 'admitted');
});

it('labels say what kind of URL was asked for, never whose', () => {
  const shapes = {
    '/fhir/Patient/1': 'instance',
    '/fhir/Patient?family=x': 'type',
    '/fhir/Patient/1/_history/2': 'history',
    '/fhir/Patient/1/Observation': 'compartment',
    '/fhir/Patient/1/$everything': 'operation',
    '/fhir/_history': 'system',
    '/fhir': 'base',
    '/fhir/metadata': 'metadata',
    '/log/checkpoint': 'log',
    '/x/y': 'other',
  };
  for (const [url, shape] of Object.entries(shapes)) assert.equal(shapeOf(url), shape, url);
});
