import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import path from 'node:path';
import { after, test } from 'node:test';
import { MongoClient } from 'mongodb';
import { readAccounts, writeAccounts } from '../../src/cli/transfer/accounts.js';
import { openMongoSmartStore } from '../../src/smart/store/mongo-smart-store.js';
import { openSqliteSmartStore } from '../../src/smart/store/sqlite-smart-store.js';
import { accountEntries, contentsOf } from '../suites/accounts.js';
import { smartStoreSuite } from '../suites/smart-store.js';
import { tempFolder } from '../suites/temp.js';
import { startWireServer } from './support/ferretdb.js';

const server = await startWireServer();
after(() => server.stop());

smartStoreSuite('SmartStore on MongoDB', async () => {
  const options = { url: server.url, database: `t${randomUUID().slice(0, 8)}` };
  const [store, second] = await Promise.all([openMongoSmartStore(options), openMongoSmartStore(options)]);
  return { store, second, close: async () => void (await Promise.all([store.close(), second.close()])) };
});

test('a backup of accounts on MongoDB comes back on SQLite and on MongoDB; a code that was used is used there too', async (t) => {
  const database = `t${randomUUID().slice(0, 8)}`;
  const from = await openMongoSmartStore({ url: server.url, database });
  const again = await openMongoSmartStore({ url: server.url, database: `${database}b` });
  const folder = await tempFolder();
  const sqlite = openSqliteSmartStore(path.join(folder, 'smart.sqlite'));
  const client = await MongoClient.connect(server.url);
  t.after(() => Promise.all([from.close(), again.close(), sqlite.close(), client.close()]));
  for (const [kind, entry] of accountEntries) await from.put(kind, entry);
  await from.consume('AuthorizationCode', 'code', 1_700_000_000_000);
  // As a server leaves it that dies while it uses a token up: the mark alone.
  const _id = 'RefreshToken/token';
  await client.db(database).collection<{ _id: string }>('smartUsed').insertOne({ _id });
  await writeAccounts(from, folder);
  for (const store of [sqlite, again]) {
    assert.equal(await readAccounts(folder, store), accountEntries.length);
    assert.deepEqual(await contentsOf(store), await contentsOf(from));
    for (const [kind, key] of [
      ['AuthorizationCode', 'code'],
      ['RefreshToken', 'token'],
    ] as const)
      assert.equal(await store.consume(kind, key, 1_700_000_000_001), false, kind);
  }
});
