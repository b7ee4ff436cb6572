import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, test, type TestContext } from 'node:test';
import { AppendConflict } from '../../src/commit/catalog.js';
import { openMongoCatalog, type MongoCatalog } from '../../src/commit/mongo/mongo-catalog.js';
import { catalogChangesSuite } from '../suites/catalog-changes.js';
import { catalogSuite, entry } from '../suites/catalog.js';
import { startWireServer } from './support/ferretdb.js';

const server = await startWireServer();
after(() => server.stop());

/** A catalog in a database of its own. */
async function openHere(t: TestContext) {
  const options = { url: server.url, database: `t${randomUUID().slice(0, 8)}` };
  let open: MongoCatalog = await openMongoCatalog(options);
  t.after(() => open.close());
  const reopen = async () => {
    await open.close();
    open = await openMongoCatalog(options);
    return open;
  };
  return { options, catalog: open, reopen };
}

catalogSuite('MongoDB', openHere, Number(process.env.CATALOG_ROUNDS ?? 60));
catalogChangesSuite('MongoDB', openHere);

test('MongoDB: whoever has not been told of an announcement cannot append; the follower hears of it before the head covers it', async (t) => {
  const { catalog: one, options } = await openHere(t);
  // Looks for what others appended when it is asked to, and not by itself.
  const two = await openMongoCatalog({ ...options, pollMs: 3_600_000 });
  t.after(() => two.close());
  const told: [number, number][] = [];
  two.follow(({ rows }) => Promise.resolve(void told.push([two.head().seq, rows.length])));
  await one.append([entry(1, [{ id: 'a' }])]);
  await one.announce();
  assert.equal(one.head().seq, 2);
  await assert.rejects(two.append([entry(1, [{ id: 'b' }])]), AppendConflict);
  assert.deepEqual(told, [
    [0, 1],
    [1, 0],
  ]);
  await two.append([entry(3, [{ id: 'b' }])]);
  assert.deepEqual(two.head(), { seq: 3, leafCount: 2, time: 3_000 });
});

test('MongoDB: two servers that announce at once both do', async (t) => {
  const { catalog: one, options } = await openHere(t);
  const two = await openMongoCatalog(options);
  t.after(() => two.close());
  await Promise.all(
    [one, two].map(async (catalog) => {
      for (let round = 0; round < 10; round += 1) await catalog.announce();
    }),
  );
  await Promise.all([one.refresh(), two.refresh()]);
  assert.deepEqual([one.head().seq, two.head().seq], [20, 20]);
});
