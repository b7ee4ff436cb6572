/** Two servers write and read one log at once. ROUNDS: rounds of each race (default 5). */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEngines, startSpeaker, type Engines, type Reply, type Speaker } from './support/two-servers.js';

const rounds = Number(process.env.ROUNDS ?? 5);
let engines: Engines;
let servers: readonly [Speaker, Speaker];
const logs: string[][] = [[], []];

before(async () => {
  engines = await startEngines();
  // At once, as an orchestrator would: they agree on keys and contracts by themselves.
  servers = await Promise.all([startSpeaker(engines.env(0), logs[0]), startSpeaker(engines.env(1), logs[1])]);
});

after(async () => {
  await Promise.all((servers ?? []).map(({ server }) => server.close()));
  await engines?.stop();
});

const patient = (family: string) => ({ resourceType: 'Patient', name: [{ family }] });

/** Requests `0..count`, by turns to either server, all at once. */
function together(count: number, request: (server: Speaker, number: number) => Promise<Reply>): Promise<Reply[]> {
  return Promise.all(Array.from({ length: count }, (_, number) => request(servers[number % 2]!, number)));
}

test('both servers answer from the same contracts and keys', async () => {
  const [one, two] = servers;
  assert.equal(one.server.chainId, two.server.chainId);
  const created = await one.send('POST', 'Patient', patient('Both'));
  assert.equal(created.status, 201);
  const token = await two.server.token();
  const read = await fetch(`${one.server.url}/fhir/Patient/${created.body.id}`, {
    headers: { Authorization: `Bearer ${token}` },
  });
  assert.equal(read.status, 200);
});

test('what one server has answered, the other reads and finds at once; contents come from its peer', async () => {
  const [one, two] = servers;
  for (let round = 0; round < rounds; round += 1) {
    const family = `Seen${round}`;
    const created = await one.send('POST', 'Patient', patient(family));
    const read = await two.send('GET', `Patient/${created.body.id}`);
    assert.equal(read.status, 200);
    assert.deepEqual(read.body, created.body);
    const found = await two.send('GET', `Patient?family=${family}`);
    assert.equal(found.body.total, 1);
    assert.equal((await two.send('DELETE', `Patient/${created.body.id}`)).status, 204);
    assert.equal((await one.send('GET', `Patient/${created.body.id}`)).status, 410);
  }
});

test('64 conditional creates at once on two servers make one resource, in every round', async () => {
  for (let round = 0; round < rounds; round += 1) {
    const identifier = [{ system: 'urn:race', value: `r${round}` }];
    const replies = await together(64, (server) =>
      server.send(
        'POST',
        'Patient',
        { resourceType: 'Patient', identifier },
        { 'If-None-Exist': `identifier=urn:race|r${round}` },
      ),
    );
    const statuses = replies.map(({ status }) => status).sort();
    assert.deepEqual(
      [statuses.filter((status) => status === 201).length, statuses.filter((status) => status === 200).length],
      [1, 63],
      JSON.stringify(replies.filter(({ status }) => status !== 200).map(({ status, body }) => [status, body])),
    );
    assert.equal(new Set(replies.map(({ body }) => body.id)).size, 1);
    for (const server of servers)
      assert.equal((await server.send('GET', `Patient?identifier=urn:race|r${round}`)).body.total, 1);
  }
});

test('of updates with the same If-Match on two servers one wins, in every round; without If-Match all come through', async () => {
  const created = await servers[0].send('POST', 'Patient', patient('Race'));
  const { id } = created.body;
  let version = 1;
  for (let round = 0; round < rounds; round += 1) {
    const replies = await together(16, (server, number) =>
      server.send('PUT', `Patient/${id}`, { ...patient(`R${round}x${number}`), id }, { 'If-Match': `W/"${version}"` }),
    );
    const won = replies.filter(({ status }) => status === 200);
    assert.equal(won.length, 1, JSON.stringify(replies.map(({ status }) => status)));
    assert.ok(replies.every(({ status }) => status === 200 || status === 412));
    version += 1;
    const both = await Promise.all(servers.map((server) => server.send('GET', `Patient/${id}`)));
    for (const { body } of both) assert.deepEqual(body, won[0]!.body);
  }
  const replies = await together(16, (server, number) =>
    server.send('PUT', `Patient/${id}`, { ...patient(`All${number}`), id }),
  );
  assert.ok(
    replies.every(({ status }) => status === 200),
    JSON.stringify(replies.map(({ status }) => status)),
  );
  const history = await servers[1].send('GET', `Patient/${id}/_history?_count=100`);
  assert.equal(history.body.total, version + 16);
});

test('pages begun on one server go on on the other, and show the state of their first page whatever is written meanwhile', async () => {
  const [one, two] = servers;
  await together(20, (server, number) => server.send('POST', 'Patient', patient(`Page${number}`)));
  const first = await one.send('GET', 'Patient?family=Page&_count=7&_total=accurate');
  assert.equal(first.body.total, 20);
  const ids = first.body.entry.map(({ resource }: { resource: { id: string } }) => resource.id) as string[];
  let [page, server] = [first, two];
  for (;;) {
    await together(2, (writer, number) => writer.send('POST', 'Patient', patient(`Pagex${number}`)));
    const next = page.body.link.find(({ relation }: { relation: string }) => relation === 'next')?.url as
      string | undefined;
    if (next === undefined) break;
    page = await server.send('GET', next.replace('http://fhir.example', server.server.url));
    assert.equal(page.status, 200);
    ids.push(...page.body.entry.map(({ resource }: { resource: { id: string } }) => resource.id));
    server = server === one ? two : one;
  }
  assert.equal(ids.length, 20);
  assert.equal(new Set(ids).size, 20);
});

test('a definition uploaded to one server is in force on the other', async () => {
  const [one, two] = servers;
  const url = 'http://example.org/fhir/ValueSet/two';
  const compose = { include: [{ system: 'http://example.org/cs', concept: [{ code: 'a' }] }] };
  assert.equal(
    (await one.send('POST', 'ValueSet', { resourceType: 'ValueSet', url, status: 'active', compose })).status,
    201,
  );
  const expanded = await two.send('GET', `ValueSet/$expand?url=${encodeURIComponent(url)}`);
  assert.equal(expanded.status, 200, JSON.stringify(expanded.body));
  assert.equal(expanded.body.expansion.contains[0].code, 'a');
});

test('every version is anchored once, by one of the servers, and both prove it', async () => {
  const [one, two] = servers;
  const { body, headers } = await one.send('POST', 'Patient', patient('Anchored'), { Prefer: 'wait=30' });
  assert.ok(headers !== undefined);
  for (const server of servers) {
    const proof = await untilOk(() => server.send('GET', `Patient/${body.id}/$proof`));
    assert.equal(proof.status, 200, JSON.stringify(proof.body));
  }
  const anchored = logs.map((lines) =>
    lines.map((line) => JSON.parse(line)).filter(({ event }) => event === 'anchored'),
  );
  assert.ok(anchored.flat().length > 0);
  // Whoever follows tells of the same transactions.
  const byBatch = new Map<number, Set<string>>();
  for (const { batch, txHash } of anchored.flat()) byBatch.set(batch, (byBatch.get(batch) ?? new Set()).add(txHash));
  for (const [batch, hashes] of byBatch) assert.equal(hashes.size, 1, `batch ${batch}`);
  assert.ok(two.server.chainId > 0);
});

async function untilOk(ask: () => Promise<Reply>): Promise<Reply> {
  for (let tries = 0; ; tries += 1) {
    const reply = await ask();
    if (reply.status === 200 || tries > 150) return reply;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
