/** Random searches over HTTP against the plain evaluator. `SEARCH_QUERIES=2000` asks as many; SEARCH_SEED begins elsewhere. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { askRandomly, loadSearchCorpus } from '../suites/search-property.js';
import { TestServer } from './server.js';

const queries = Number(process.env.SEARCH_QUERIES ?? 100);
const seed = Number(process.env.SEARCH_SEED ?? 20261121);

describe('random searches', () => {
  let server: TestServer;
  before(async () => {
    server = await TestServer.start({ REFERENTIAL_INTEGRITY: 'off' });
    await loadSearchCorpus(server, queries > 500 ? 2 : 1);
  });
  after(() => server.stop());

  test('find over HTTP exactly what the plain evaluator finds on the resources, in order, with what they include', async () => {
    const { wrong, findSomething, refused } = await askRandomly(server, queries, seed);
    assert.deepEqual(wrong, [], `seed ${seed}`);
    assert.ok(refused <= queries / 50, `${refused} of ${queries} searches were too costly`);
    assert.ok(findSomething > queries / 2, `only ${findSomething} of ${queries} find something`);
  });
});
