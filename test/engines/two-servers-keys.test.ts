/** Keys and erasures where two servers write one log: what one does, the other goes by at once, and without a restart. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { startEngines, startSpeaker, type Engines, type Reply, type Speaker } from './support/two-servers.js';

const patients = 40;
let engines: Engines;
let servers: [Speaker, Speaker];

before(async () => {
  engines = await startEngines();
  servers = await Promise.all([startSpeaker(engines.env(0)), startSpeaker(engines.env(1))]);
  const entry = Array.from({ length: patients }, (_, index) => ({
    resource: { resourceType: 'Patient', id: `k${index}`, name: [{ family: `Keyed${index}x` }] },
    request: { method: 'PUT', url: `Patient/k${index}` },
  }));
  const loaded = await servers[0].send('POST', '', { resourceType: 'Bundle', type: 'transaction', entry });
  assert.equal(loaded.status, 200, JSON.stringify(loaded.body));
});

after(async () => {
  await Promise.all((servers ?? []).map(({ server }) => server.close()));
  await engines?.stop();
});

const observation = (patient: string, text: string) => ({
  resourceType: 'Observation',
  status: 'final',
  code: { text },
  subject: { reference: `Patient/${patient}` },
});

async function rotationState(speaker: Speaker): Promise<string> {
  const { body } = await speaker.send('GET', '$rotate-keys');
  const parts = body.parameter as { name: string; valueString?: string }[];
  assert.equal(
    parts.find(({ name }) => name === 'failure'),
    undefined,
    JSON.stringify(body),
  );
  return parts.find(({ name }) => name === 'state')!.valueString!;
}

/** Each server writes and searches until no rotation is under way. @returns what was written. */
async function serveUntilDone(label: string): Promise<{ id: string; text: string }[]> {
  const written: { id: string; text: string }[] = [];
  const serve = async (own: Speaker, other: Speaker, name: string) => {
    for (let turn = 0; ; turn += 1) {
      const text = `${label} ${name} ${String(turn).padStart(4, '0')}`;
      // A patient of its own now and then: its compartment gets a key while keys are rotated.
      const patient = turn % 4 === 3 ? `${label}-${name}-${turn}` : `k${turn % patients}`;
      if (turn % 4 === 3)
        assert.equal(
          (await own.send('PUT', `Patient/${patient}`, { resourceType: 'Patient', id: patient })).status,
          201,
        );
      const made = await own.send('POST', 'Observation', observation(patient, text));
      assert.equal(made.status, 201, JSON.stringify(made.body));
      written.push({ id: made.body.id, text });
      for (const speaker of [own, other]) {
        assert.equal((await speaker.send('GET', `Observation/${made.body.id}`)).status, 200, text);
        const found = await speaker.send('GET', `Observation?code:text=${text}`);
        assert.deepEqual(idsIn(found), [made.body.id], `${text}: ${JSON.stringify(found.body)}`);
        const named = await speaker.send('GET', `Patient?family=Keyed${turn % patients}x&_summary=count`);
        assert.equal(named.body.total, 1, text);
      }
      if ((await rotationState(own)) === 'none') return;
    }
  };
  await Promise.all([serve(servers[0], servers[1], 'one'), serve(servers[1], servers[0], 'two')]);
  return written;
}

function idsIn({ body }: Reply): string[] {
  return (body.entry ?? []).map(({ resource }: { resource: { id: string } }) => resource.id) as string[];
}

async function everythingReads(written: readonly { id: string; text: string }[]): Promise<void> {
  for (const speaker of servers) {
    for (const { id, text } of written) {
      const read = await speaker.send('GET', `Observation/${id}`);
      assert.deepEqual([read.status, read.body.code?.text], [200, text]);
      assert.deepEqual(idsIn(await speaker.send('GET', `Observation?code:text=${text}`)), [id]);
    }
    for (let index = 0; index < patients; index += 1)
      assert.equal((await speaker.send('GET', `Patient/k${index}`)).status, 200);
  }
}

for (const [turn, key] of ['master', 'compartments', 'index'].entries()) {
  test(`${key}: rotated by one server while both write and search; both go on with the new keys, and after a restart`, async () => {
    const rotator = servers[turn % 2]!;
    assert.equal((await rotator.send('POST', `$rotate-keys?key=${key}`)).status, 202);
    const written = await serveUntilDone(key);
    assert.ok(written.length > 1);
    await everythingReads(written);
    // Nothing rests on what a server remembers.
    for (const at of [0, 1] as const) {
      await servers[at].server.close();
      servers[at] = await startSpeaker(engines.env(at));
    }
    await everythingReads(written);
  });
}

test('a rotation whose server stops is finished by the other', async () => {
  assert.equal((await servers[0].send('POST', '$rotate-keys?key=index')).status, 202);
  const refused = await servers[1].send('POST', '$rotate-keys?key=master');
  assert.equal(refused.status, 409, JSON.stringify(refused.body));
  await servers[0].server.close();
  for (let tries = 0; (await rotationState(servers[1])) !== 'none'; tries += 1) {
    assert.ok(tries < 600, 'nobody goes on with the rotation');
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  servers[0] = await startSpeaker(engines.env(0));
  for (const speaker of servers)
    assert.equal((await speaker.send('GET', 'Patient?family=Keyed7x&_summary=count')).body.total, 1);
});

test('$erase by one server: the other, which has just read it, answers as if it never was, and nothing written meanwhile brings it back', async () => {
  const [one, two] = servers;
  for (const [round, [eraser, writer]] of [
    [one, two],
    [two, one],
  ].entries()) {
    const id = `erased-${round}`;
    await writer!.send('PUT', `Patient/${id}`, { resourceType: 'Patient', id, name: [{ family: 'Gone' }] });
    const made = await writer!.send('POST', 'Observation', observation(id, 'to be erased'));
    for (const speaker of servers) assert.equal((await speaker.send('GET', `Observation/${made.body.id}`)).status, 200);
    const writes = Array.from({ length: 12 }, (_, number) =>
      writer!.send('POST', 'Observation', observation(id, `meanwhile ${number}`)),
    );
    const erased = await eraser!.send('POST', `Patient/${id}/$erase`);
    assert.equal(erased.status, 200, JSON.stringify(erased.body));
    for (const speaker of [writer!, eraser!]) {
      assert.equal((await speaker.send('GET', `Patient/${id}`)).status, 404);
      assert.equal((await speaker.send('GET', `Observation/${made.body.id}`)).status, 404);
    }
    const answers = await Promise.all(writes);
    for (const speaker of [writer!, eraser!]) {
      assert.equal((await speaker.send('GET', 'Patient?family=Gone&_summary=count')).body.total, 0);
      // What was acknowledged was written before the erasure, and went with it; the rest was refused: its patient is not there.
      for (const { status, body } of answers) {
        if (status === 201) assert.equal((await speaker.send('GET', `Observation/${body.id}`)).status, 404);
        else assert.ok([404, 409, 412, 422].includes(status), JSON.stringify(body));
      }
    }
    const again = await writer!.send('PUT', `Patient/${id}`, { resourceType: 'Patient', id });
    assert.equal(again.status, 201);
    assert.equal(again.headers.get('etag'), 'W/"1"');
    assert.equal((await eraser!.send('GET', `Patient/${id}`)).status, 200);
  }
});
