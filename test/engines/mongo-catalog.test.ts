import { randomUUID } from 'node:crypto';
import { after, type TestContext } from 'node:test';
import { openMongoCatalog, type MongoCatalog } from '../../src/commit/mongo/mongo-catalog.js';
import { catalogChangesSuite } from '../suites/catalog-changes.js';
import { catalogSuite } from '../suites/catalog.js';
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
