import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { TestServer } from './server.js';

describe('writes at the same time', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start();
  });
  after(() => server.stop());

  it('64 identical conditional creates give one resource, round after round', async () => {
    for (let round = 0; round < 5; round += 1) {
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
