/** Accounts and tokens in a backup: every field of every entry, and what was used up stays so. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { readAccounts, writeAccounts } from '../../src/cli/transfer/accounts.js';
import { openSqliteSmartStore } from '../../src/smart/store/sqlite-smart-store.js';
import { accountEntries, contentsOf } from '../suites/accounts.js';
import { tempFolder } from '../suites/temp.js';

test('accounts and tokens come back from a backup as they were; a code that was used stays used', async (t) => {
  const folder = await tempFolder();
  const [from, to] = ['from', 'to'].map((name) => openSqliteSmartStore(path.join(folder, `${name}.sqlite`)));
  t.after(() => Promise.all([from!.close(), to!.close()]));
  for (const [kind, entry] of accountEntries) await from!.put(kind, entry);
  assert.equal(await from!.consume('AuthorizationCode', 'code', 1_700_000_000_000), true);
  await writeAccounts(from!, folder);
  assert.equal(await readAccounts(folder, to!), accountEntries.length);
  assert.deepEqual(await contentsOf(to!), await contentsOf(from!));
  assert.equal(await to!.consume('AuthorizationCode', 'code', 1_700_000_000_001), false);
  assert.equal(await to!.consume('RefreshToken', 'token', 1_700_000_000_001), true, 'the one beside it was not used');
});
