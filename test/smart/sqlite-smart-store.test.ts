import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { SealedStore } from '../../src/smart/store/sealed-store.js';
import { openSqliteSmartStore } from '../../src/smart/store/sqlite-smart-store.js';
import { openKeyRing } from '../../src/vault/file-key-ring.js';
import { SealBroken } from '../../src/vault/xchacha.js';
import { smartStoreSuite } from '../suites/smart-store.js';

const folder = mkdtempSync(path.join(tmpdir(), 'mooring-smart-'));
after(() => rmSync(folder, { recursive: true }));
const file = path.join(folder, 'store.sqlite');

smartStoreSuite('SmartStore on SQLite', () => {
  const store = openSqliteSmartStore(file);
  const second = openSqliteSmartStore(file);
  const close = async () => void (await Promise.all([store.close(), second.close()]));
  return Promise.resolve({ store, second, close });
});

describe('the sealed store', () => {
  it('opens an entry only where it was put, and with the same key ring', async () => {
    const store = openSqliteSmartStore(file);
    const sealed = new SealedStore(store, await openKeyRing(path.join(folder, 'ring.json')));
    await sealed.put('Grant', 'g', { patient: 'ada' }, { group: 'g' });
    assert.deepEqual((await sealed.get('Grant', 'g'))?.value, { patient: 'ada' });
    const [entry] = await store.list('Grant');
    await store.put('Session', entry);
    assert.throws(() => sealed.open('Session', entry), SealBroken, 'moved to another kind');
    const other = new SealedStore(store, await openKeyRing(path.join(folder, 'other.json')));
    assert.equal(await other.get('Grant', 'g'), undefined);
    assert.throws(() => other.open('Grant', entry), SealBroken);
    await sealed.close();
    assert.equal(statSync(file).mode & 0o077, 0);
  });
});
