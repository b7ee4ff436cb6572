/**
 * The table of faults: each durable step of a write fails in two ways, lost (nothing happened) and with its reply lost (it happened, and the
 * caller does not know). After each, the store is whole, goes on, and keeps every promise that it made.
 */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { CatalogUnavailable } from '../../src/commit/catalog.js';
import { BlockStoreUnavailable } from '../../src/ipfs/block-store.js';
import { intercept } from '../suites/intercept.js';
import { commit, currentOf, draftOf, openStore, save, textOf, type Store } from '../suites/store.js';
import { tempFolder } from '../suites/temp.js';

type Fault = 'lost' | 'reply lost';
type Step = 'blocks.put' | 'catalog.append';

/** A store whose `step` fails with `fault` when `switchOn()` was called, once. */
async function openFaulty(t: TestContext, step: Step, fault: Fault) {
  const folder = await tempFolder();
  let armed = false;
  const around = async (failure: Error, run: () => Promise<void>) => {
    if (!armed) return run();
    armed = false;
    if (fault === 'reply lost') await run();
    throw failure;
  };
  const store = await openStore(folder, {
    blocksBehind: (real) =>
      step !== 'blocks.put'
        ? real
        : intercept(real, { put: (blocks) => around(new BlockStoreUnavailable('planted'), () => real.put(blocks)) }),
    catalogBehind: (real) =>
      step !== 'catalog.append'
        ? real
        : intercept(real, {
            append: (entries) => around(new CatalogUnavailable('planted'), () => real.append(entries)),
          }),
  });
  const stores = [store];
  t.after(() => Promise.all(stores.map((opened) => opened.close())));
  const reopen = async () => {
    await store.close();
    const again = await openStore(folder);
    stores.push(again);
    return again;
  };
  return { store, reopen, switchOn: () => (armed = true) };
}

/** Every version that the log names can be opened, and numbers have no gaps. */
async function isWhole(store: Store): Promise<void> {
  const { seq, leafCount } = store.catalog.head();
  const rows = await store.catalog.versionsByLeaf(0, leafCount + 10);
  assert.deepEqual(
    rows.map(({ leafIndex }) => leafIndex),
    Array.from({ length: leafCount }, (_, index) => index),
  );
  assert.equal(rows.at(-1)?.seq ?? 0, seq);
  for (const row of rows) if (!row.isDeleted) await store.records.open(row);
}

const table: readonly { step: Step; fault: Fault; survives: boolean }[] = [
  { step: 'blocks.put', fault: 'lost', survives: false },
  { step: 'blocks.put', fault: 'reply lost', survives: false },
  { step: 'catalog.append', fault: 'lost', survives: false },
  { step: 'catalog.append', fault: 'reply lost', survives: true },
];

for (const { step, fault, survives } of table) {
  test(`${step} ${fault}: the writers are told, no half of a transaction is visible, the next write succeeds`, async (t) => {
    const { store, reopen, switchOn } = await openFaulty(t, step, fault);
    await save(store, 'Patient/before', 'before');
    switchOn();
    const failed = Promise.allSettled([
      commit(store, draftOf(store, 'Patient/a', 1, 'a'), draftOf(store, 'Observation/a', 1, 'a')),
      commit(store, draftOf(store, 'Patient/b', 1, 'b')),
    ]);
    for (const outcome of await failed) {
      // A reply of the commit point that was lost is found out.
      assert.equal(outcome.status, survives ? 'fulfilled' : 'rejected');
      if (outcome.status === 'rejected') {
        assert.match((outcome.reason as Error).name, /^(BlockStore|Catalog)Unavailable$/);
      }
    }
    const check = async (opened: Store) => {
      for (const reference of ['Patient/a', 'Observation/a', 'Patient/b']) {
        assert.equal((await currentOf(opened, reference)) !== undefined, survives, reference);
      }
      assert.equal(await textOf(opened, (await currentOf(opened, 'Patient/before'))!), 'before');
      await isWhole(opened);
    };
    await check(store);
    // Same compartments again: a key that was made for the failed write must be neither lost nor used without being stored.
    const { versions } = await save(store, 'Patient/a', 'again');
    assert.equal(versions[0]!.versionId, survives ? 2 : 1);
    await save(store, 'Observation/a', 'again');
    await save(store, 'Patient/b', 'again');
    const again = await reopen();
    for (const reference of ['Patient/a', 'Observation/a', 'Patient/b']) {
      assert.equal(await textOf(again, (await currentOf(again, reference))!), 'again');
    }
    await isWhole(again);
  });

  test(`${step} ${fault}: a writer that had looked at a write before it looks again`, async (t) => {
    const { store, switchOn } = await openFaulty(t, step, fault);
    await save(store, 'Patient/p', 'one');
    switchOn();
    const [first, second] = await Promise.allSettled([
      save(store, 'Patient/p', 'two'),
      save(store, 'Patient/p', 'three'),
    ]);
    assert.equal(first.status, survives ? 'fulfilled' : 'rejected');
    assert.equal(second.status, 'fulfilled');
    const row = (await currentOf(store, 'Patient/p'))!;
    assert.equal(row.versionId, survives ? 3 : 2);
    assert.equal(await textOf(store, row), 'three');
    await isWhole(store);
  });
}
