import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { sha256 } from '../../src/base/bytes.js';
import type { VersionRow } from '../../src/commit/catalog.js';
import { CompartmentScan, erase, finishErasures, type ErasureServices } from '../../src/commit/erase.js';
import { intercept } from '../suites/intercept.js';
import { commit, currentOf, deletionOf, draftOf, openStore, save, textOf, type Store } from '../suites/store.js';
import { tempFolder } from '../suites/temp.js';

async function openHere(t: TestContext): Promise<{ store: Store; reopen: () => Promise<Store> }> {
  const folder = await tempFolder();
  let store = await openStore(folder);
  t.after(() => store.close());
  const reopen = async () => {
    await store.close();
    return (store = await openStore(folder));
  };
  return { store, reopen };
}

function servicesOf(store: Store): ErasureServices {
  const { catalog, blocks, vault, records, committer } = store;
  const tombstone = (leaves: readonly number[], time: number) => sha256(Buffer.from(`${leaves.join()} ${time}`));
  return { catalog, blocks, vault, records, committer, clock: { now: () => Date.now() }, tombstone };
}

/** Erases patient `id`. */
async function erasePatient(store: Store, id: string, services = servicesOf(store)) {
  const compartment = store.names.compartment(id);
  const scan = new CompartmentScan(services, compartment, id);
  return erase(services, async () => ({ rows: await scan.read(), compartments: [compartment], states: [] }));
}

async function blocksHeld(store: Store): Promise<number> {
  return (await store.blocks.size()).blocks;
}

test('an erased patient leaves neither blocks, chunks of large contents included, nor keys', async (t) => {
  const { store, reopen } = await openHere(t);
  const large = randomBytes(1_500_000).toString('hex');
  await save(store, 'Patient/p', 'one');
  await save(store, 'Observation/o', large);
  await save(store, 'Patient/q', 'other');
  const held = await blocksHeld(store);
  assert.ok(held > 4, `${held} blocks`);
  const row = (await currentOf(store, 'Observation/o'))!;
  assert.equal(await textOf(store, row), large);
  const erased = await erasePatient(store, 'p');
  assert.deepEqual([erased.versions, erased.resources, erased.leafIndex], [2, 2, 3]);
  assert.equal(await blocksHeld(store), 1);
  // Who kept the row, wraps and all, opens nothing: the compartment's key is gone.
  await assert.rejects(store.vault.dataKey(row.keyWraps), { name: 'KeyUnavailable' });
  assert.equal(await textOf(store, (await currentOf(store, 'Patient/q'))!), 'other');
  const again = await reopen();
  assert.equal(await currentOf(again, 'Patient/p'), undefined);
  assert.deepEqual(await erasePatient(again, 'p'), { versions: 0, resources: 0 });
});

test('deletions go with their patient; versions from when a resource belonged to somebody else stay, unless its newest one goes', async (t) => {
  const { store } = await openHere(t);
  const of = (patient: string, reference: string, versionId: number) => ({
    ...draftOf(store, reference, versionId, patient),
    patients: [patient],
  });
  await commit(
    store,
    of('p', 'Observation/leaves', 1),
    of('q', 'Observation/comes', 1),
    of('p', 'Observation/gone', 1),
  );
  await commit(store, of('q', 'Observation/leaves', 2), of('p', 'Observation/comes', 2));
  const deletion = deletionOf(store, 'Observation/gone', 2);
  await commit(store, { ...deletion, attributes: { ...deletion.attributes, patients: ['p'] } });
  const { versions, resources } = await erasePatient(store, 'p');
  assert.deepEqual([versions, resources], [5, 3]);
  assert.equal(await textOf(store, (await currentOf(store, 'Observation/leaves'))!), 'q');
  assert.equal(await currentOf(store, 'Observation/comes'), undefined);
  assert.equal(await currentOf(store, 'Observation/gone'), undefined);
  const name = store.names.resource('Observation', 'leaves');
  const history = await store.catalog.history({ resource: name, asOf: store.catalog.head().seq, limit: 9 });
  assert.deepEqual(
    history.map(({ versionId }) => versionId),
    [2],
  );
});

test('what is written while an erasure runs is either erased with it or written after it, under a new key', async (t) => {
  const { store, reopen } = await openHere(t);
  await save(store, 'Patient/p', 'one');
  const writes = Array.from({ length: 40 }, (_, index) => save(store, `Observation/o${index % 10}`, `text ${index}`));
  const erased = await erasePatient(store, 'p');
  await Promise.all(writes);
  await Promise.all(Array.from({ length: 10 }, (_, index) => save(store, `Observation/o${index}`, 'last')));
  assert.ok(erased.versions >= 1);
  const again = await reopen();
  const rows: VersionRow[] = await again.catalog.versionsByLeaf(0, 999);
  for (const row of rows) if (!row.isErased) await again.records.open(row);
  assert.equal(rows.filter(({ isErased }) => isErased).length, erased.versions + 1);
  for (let index = 0; index < 10; index += 1) {
    assert.equal(await textOf(again, (await currentOf(again, `Observation/o${index}`))!), 'last');
  }
});

test('an erasure whose blocks could not be deleted is finished by the next start', async (t) => {
  const { store, reopen } = await openHere(t);
  await save(store, 'Patient/p', 'one');
  await save(store, 'Patient/q', 'other');
  const services = servicesOf(store);
  const failing = intercept(store.blocks, { delete: () => Promise.reject(new Error('planted')) });
  await assert.rejects(erasePatient(store, 'p', { ...services, blocks: failing }), /planted/);
  assert.equal(await currentOf(store, 'Patient/p'), undefined);
  assert.equal(await blocksHeld(store), 2);
  const again = await reopen();
  await finishErasures(again);
  await finishErasures(again);
  assert.equal(await blocksHeld(again), 1);
  assert.equal(await textOf(again, (await currentOf(again, 'Patient/q'))!), 'other');
});

test('a task alone runs when all before it is committed, and everything after it waits', async (t) => {
  const { store } = await openHere(t);
  const order: string[] = [];
  const before = save(store, 'Patient/p', 'one').then(() => order.push('before'));
  const task = store.committer.alone(async () => {
    order.push('begins');
    const { seq } = store.catalog.head();
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.equal(store.catalog.head().seq, seq);
    order.push('ends');
  });
  const after = save(store, 'Patient/q', 'two').then(() => order.push('after'));
  await Promise.all([before, task, after]);
  assert.deepEqual(order, ['before', 'begins', 'ends', 'after']);
  await assert.rejects(
    store.committer.alone(() => Promise.reject(new Error('refused'))),
    /refused/,
  );
  await save(store, 'Patient/r', 'three');
});
