import { randomUUID } from 'node:crypto';
import { after } from 'node:test';
import { openMongoSmartStore } from '../../src/smart/store/mongo-smart-store.js';
import { smartStoreSuite } from '../suites/smart-store.js';
import { startWireServer } from './support/ferretdb.js';

const server = await startWireServer();
after(() => server.stop());

smartStoreSuite('SmartStore on MongoDB', async () => {
  const options = { url: server.url, database: `t${randomUUID().slice(0, 8)}` };
  const [store, second] = await Promise.all([openMongoSmartStore(options), openMongoSmartStore(options)]);
  return { store, second, close: async () => void (await Promise.all([store.close(), second.close()])) };
});
