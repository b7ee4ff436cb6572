/** Random searches on a MongoDB wire server against the plain evaluator. SEARCH_QUERIES: how many (default 100); SEARCH_SEED begins elsewhere. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TestServer } from '../e2e/server.js';
import { askRandomly, loadSearchCorpus } from '../suites/search-property.js';
import { startWireServer } from './support/ferretdb.js';

const queries = Number(process.env.SEARCH_QUERIES ?? 100);
const seed = Number(process.env.SEARCH_SEED ?? 20261121);

test('MongoDB: random searches find over HTTP exactly what the plain evaluator finds, in order, with what they include', async (t) => {
  const mongo = await startWireServer();
  const server = await TestServer.start({
    REFERENTIAL_INTEGRITY: 'off',
    MONGODB_URL: mongo.url,
    MONGODB_DATABASE: `property${process.pid}`,
  });
  t.after(async () => {
    await server.stop();
    await mongo.stop();
  });
  await loadSearchCorpus(server, 1);
  const { wrong, findSomething, refused } = await askRandomly(server, queries, seed);
  t.diagnostic(`${queries} searches, ${findSomething} found something, ${refused} were too costly`);
  assert.deepEqual(wrong, [], `seed ${seed}`);
  assert.ok(refused <= queries / 50);
  assert.ok(findSomething > queries / 2);
});
