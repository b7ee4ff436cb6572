import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestServer } from './server.js';

/** CONCURRENCY_ROUNDS=200 is the measure. */
const rounds = Number(process.env.CONCURRENCY_ROUNDS ?? 3);

describe('writes at the same time', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  it('64 identical conditional creates give one resource, round after round', async () => {
    for (let round = 0; round < rounds; round += 1) {
      const value = `race-${round}`;
      const body = { resourceType: 'Patient', identifier: [{ system: 'http://example.org/ids', value }] };
      const headers = { 'If-None-Exist': `identifier=http://example.org/ids|${value}` };
      const answers = await Promise.all(Array.from({ length: 64 }, () => server.post('Patient', body, { headers })));
      const statuses = answers.map(({ status }) => status).sort();
      assert.deepEqual([statuses.filter((status) => status === 201).length, statuses.length], [1, 64]);
      assert.ok(statuses.every((status) => status === 200 || status === 201));
      assert.equal(new Set(answers.map(({ headers }) => headers.get('location'))).size, 1);
      assert.equal(
        (await server.get(`Patient?identifier=http://example.org/ids|${value}&_summary=count`)).body.total,
        1,
      );
    }
  });

  it('of 16 writers with the same If-Match exactly one wins each time, and no update is lost', async () => {
    const { body } = await server.post('Patient', { resourceType: 'Patient' });
    for (let version = 1; version <= 4; version += 1) {
      const answers = await Promise.all(
        Array.from({ length: 16 }, (_, writer) =>
          server.put(
            `Patient/${body.id}`,
            { resourceType: 'Patient', id: body.id, name: [{ family: `Writer ${version}-${writer}` }] },
            { headers: { 'If-Match': `W/"${version}"` } },
          ),
        ),
      );
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
      assert.equal(answers.filter(({ status }) => status === 412).length, 15);
    }
    assert.equal((await server.get(`Patient/${body.id}`)).body.meta.versionId, '5');
  });

  it('8 writers who read, change and write with If-Match lose no update', async () => {
    const { body } = await server.post('Patient', { resourceType: 'Patient' });
    const each = Math.max(3, Math.round(rounds / 8));
    const write = async (writer: number, number: number): Promise<void> => {
      for (;;) {
        const { body: present, headers } = await server.get(`Patient/${body.id}`);
        const identifier = [...(present.identifier ?? []), { value: `${writer}-${number}` }];
        const answer = await server.put(
          `Patient/${body.id}`,
          { ...present, identifier },
          { headers: { 'If-Match': headers.get('etag') ?? '' } },
        );
        if (answer.status === 200) return;
        assert.equal(answer.status, 412, answer.text);
      }
    };
    const numbers = Array.from({ length: each }, (_, number) => number);
    await Promise.all(
      Array.from({ length: 8 }, async (_, writer) => {
        for (const number of numbers) await write(writer, number);
      }),
    );
    const { body: last } = await server.get(`Patient/${body.id}`);
    const values = last.identifier.map(({ value }: { value: string }) => value);
    assert.equal(new Set(values).size, 8 * each);
    assert.equal(values.length, 8 * each);
    assert.equal(last.meta.versionId, String(8 * each + 1));
  });

  it('pages while others write show each match exactly once, in the state of the beginning', async () => {
    const family = 'Paged';
    const create = async (given: string) =>
      (await server.post('Patient', { resourceType: 'Patient', name: [{ family, given: [given] }] })).body.id as string;
    const expected = new Set(await Promise.all(Array.from({ length: 20 }, (_, index) => create(`G${index}`))));
    const state = { isDone: false };
    const disturb = async (): Promise<void> => {
      for (let index = 0; !state.isDone; index += 1) {
        const id = [...expected][index % expected.size];
        await create(`Late${index}`);
        await server.put(`Patient/${id}`, { resourceType: 'Patient', id, name: [{ family: `Renamed${index}` }] });
      }
    };
    const writers = [disturb(), disturb()];
    const walk = async (first: string): Promise<{ ids: string[]; total: number }> => {
      const ids: string[] = [];
      let total = 0;
      for (let url: string | undefined = first; url !== undefined;) {
        const { body } = await server.get(url);
        // What matched when the search began, counted as of that moment.
        if (url === first) total = body.total as number;
        ids.push(...(body.entry ?? []).map(({ resource }: { resource: { id: string } }) => resource.id));
        url = body.link.find(({ relation }: { relation: string }) => relation === 'next')?.url as string | undefined;
      }
      return { ids, total };
    };
    const walks = await Promise.all([
      walk(`Patient?family=${family}&_count=7&_total=accurate`),
      walk(`Patient?family=${family}&_count=7&_total=accurate&_sort=given`),
    ]);
    state.isDone = true;
    await Promise.all(writers);
    for (const { ids, total } of walks) {
      assert.deepEqual([new Set(ids).size, ids.length], [total, total]);
      assert.ok(total >= expected.size - 4);
    }
  });

  it('updates without If-Match all take effect, one after the other', async () => {
    const { body } = await server.post('Patient', { resourceType: 'Patient' });
    const answers = await Promise.all(
      Array.from({ length: 16 }, () => server.put(`Patient/${body.id}`, { resourceType: 'Patient', id: body.id })),
    );
    assert.ok(answers.every(({ status }) => status === 200));
    assert.equal(new Set(answers.map(({ headers }) => headers.get('etag'))).size, 16);
  });

  it('a reference to what is deleted at the same time never dangles', async () => {
    for (let round = 0; round < 10; round += 1) {
      const { body } = await server.post('Patient', { resourceType: 'Patient' });
      const observation = {
        resourceType: 'Observation',
        status: 'final',
        code: { text: 'x' },
        subject: { reference: `Patient/${body.id}` },
      };
      const [created, deleted] = await Promise.all([
        server.post('Observation', observation),
        server.delete(`Patient/${body.id}`),
      ]);
      const outcome = [created.status, deleted.status].join();
      assert.ok(outcome === '201,409' || outcome === '422,204', outcome);
    }
  });
});
