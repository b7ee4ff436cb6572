/** What every SmartStore does: run by each adapter's test. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { SmartStore, StoredEntry } from '../../src/smart/store/smart-store.js';

export interface OpenedSmartStore {
  readonly store: SmartStore;
  /** Another store on the same data, as a second server has it. */
  readonly second: SmartStore;
  close(): Promise<void>;
}

const entry = (key: string, text: string, more: Partial<StoredEntry> = {}): StoredEntry => ({
  key,
  sealed: Buffer.from(text),
  ...more,
});

const textOf = (found: StoredEntry | undefined) => found && Buffer.from(found.sealed).toString();

export function smartStoreSuite(title: string, open: () => Promise<OpenedSmartStore>): void {
  describe(title, () => {
    let opened: OpenedSmartStore;
    let store: SmartStore;
    let second: SmartStore;
    before(async () => {
      opened = await open();
      ({ store, second } = opened);
    });
    after(() => opened.close());

    it('gives back what was put, by key and alias, on another server too; a second put replaces', async () => {
      await store.put('Session', entry('k', 'one', { alias: 'a', group: 'g', expiresAt: 5 }));
      const found = await second.get('Session', 'k');
      assert.deepEqual([textOf(found), found?.alias, found?.group, found?.expiresAt], ['one', 'a', 'g', 5]);
      await second.put('Session', entry('k', 'two', { alias: 'b' }));
      assert.equal(textOf(await store.get('Session', 'k')), 'two');
      assert.equal(textOf(await store.getByAlias('Session', 'b')), 'two');
      assert.equal(await store.getByAlias('Session', 'a'), undefined);
      assert.equal(await store.get('Grant', 'k'), undefined, 'kinds are apart');
    });

    it('putNew: of many at the same time one wins; what has expired makes room', async () => {
      const one = (from: SmartStore) => from.putNew('UsedProof', entry('p', 'x', { expiresAt: 100 }), 50);
      const won = await Promise.all([one(store), one(second), one(store), one(second)]);
      assert.equal(won.filter(Boolean).length, 1);
      assert.equal(await store.putNew('UsedProof', entry('p', 'y', { expiresAt: 300 }), 100), true);
      assert.equal(textOf(await second.get('UsedProof', 'p')), 'y');
      assert.equal(await store.putNew('Client', entry('c', 'for good'), 1), true);
      assert.equal(await store.putNew('Client', entry('c', 'again'), 10 ** 12), false);
    });

    it('consume: of many at the same time one wins, and it shows', async () => {
      for (let round = 0; round < 20; round += 1) {
        const code = `code${round}`;
        await store.put('AuthorizationCode', entry(code, 'x', { group: 'codes' }));
        const callers = [store, second, store, second, second];
        const won = await Promise.all(callers.map((from) => from.consume('AuthorizationCode', code, 7)));
        assert.equal(won.filter(Boolean).length, 1);
        assert.equal((await second.get('AuthorizationCode', code))?.consumedAt, 7);
        assert.equal(await second.consume('AuthorizationCode', code, 8), false, 'nor ever again');
      }
      await store.removeGroup('codes');
      assert.deepEqual(await second.list('AuthorizationCode'), []);
      assert.equal(await store.consume('AuthorizationCode', 'missing', 7), false);
    });

    it('removes one, a group of whatever kind, and what has expired; nothing else', async () => {
      await store.put('AccessToken', entry('t1', 'x', { group: 'grant' }));
      await store.put('RefreshToken', entry('t2', 'x', { group: 'grant' }));
      await store.put('AccessToken', entry('t3', 'x', { group: 'other', expiresAt: 10 }));
      await store.put('AccessToken', entry('t4', 'x'));
      await store.removeGroup('grant');
      assert.equal(await second.get('AccessToken', 't1'), undefined);
      assert.equal(await second.get('RefreshToken', 't2'), undefined);
      assert.equal((await second.list('AccessToken')).length, 2);
      await store.removeExpired(10);
      assert.deepEqual(
        (await second.list('AccessToken')).map(({ key }) => key),
        ['t4'],
      );
      assert.ok((await second.kinds()).includes('AccessToken'));
      await store.remove('AccessToken', 't4');
      assert.deepEqual(await second.list('AccessToken'), []);
      assert.ok(!(await second.kinds()).includes('AccessToken'));
    });
  });
}
