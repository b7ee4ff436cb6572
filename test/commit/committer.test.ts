import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { Entry } from '../../src/commit/catalog.js';
import { fhirError } from '../../src/base/outcome.js';
import { intercept } from '../suites/intercept.js';
import { plain } from '../suites/plain.js';
import { tempFolder } from '../suites/temp.js';
import {
  commit,
  currentOf,
  deletionOf,
  draftOf,
  openStore,
  save,
  textOf,
  type Store,
  type StoreOptions,
} from '../suites/store.js';

async function openHere(t: TestContext, options: StoreOptions = {}): Promise<Store> {
  const store = await openStore(await tempFolder(), options);
  t.after(() => store.close());
  return store;
}

test('what was committed is read back, with its header', async (t) => {
  const store = await openHere(t);
  const { seq, time, versions } = await commit(store, draftOf(store, 'Patient/p', 1, 'hello'));
  assert.deepEqual([seq, versions.length, versions[0]!.leafIndex, versions[0]!.lastUpdated], [1, 1, 0, time]);
  const row = (await currentOf(store, 'Patient/p'))!;
  assert.equal(await textOf(store, row), 'hello');
  const { resourceType, id, versionId, lastUpdated, isDeleted, attributes, level } = store.records.header(row);
  assert.deepEqual([resourceType, id, versionId, lastUpdated, isDeleted, level], ['Patient', 'p', 1, time, false, 1]);
  assert.deepEqual(attributes.patients, ['p']);
});

test('the row that a commit answers is the row that the catalog holds', async (t) => {
  const store = await openHere(t);
  const { versions } = await commit(
    store,
    draftOf(store, 'Patient/p', 1, 'a'),
    draftOf(store, 'Observation/o', 1, 'b'),
  );
  for (const { row, resourceType, id } of versions) {
    const found = (await currentOf(store, `${resourceType}/${id}`))!;
    assert.deepEqual(plain(row), plain(found));
    assert.equal(await textOf(store, row), await textOf(store, found));
  }
});

test('all drafts of a procedure become visible together, under one sequence number', async (t) => {
  const store = await openHere(t);
  const drafts = Array.from({ length: 300 }, (_, index) => draftOf(store, `Observation/o${index}`, 1, 'same'));
  const { seq, versions } = await commit(store, ...drafts);
  assert.equal(versions.length, 300);
  assert.deepEqual(new Set(versions.map(({ row }) => row.seq)), new Set([seq]));
  const plan = { kind: 'term', term: store.blinder.term('text\u0000same') } as const;
  assert.equal(await store.catalog.count(plan, seq), 300);
  assert.equal(await store.catalog.count(plan, seq - 1), 0);
});

test('writers that arrive together share one write of blocks and one append; a lone writer does not wait', async (t) => {
  const groups: number[] = [];
  const puts: number[] = [];
  const store = await openHere(t, {
    catalogBehind: (real) =>
      intercept(real, { append: (entries: readonly Entry[]) => (groups.push(entries.length), real.append(entries)) }),
    blocksBehind: (real) =>
      intercept(real, {
        put: (blocks: Parameters<typeof real.put>[0]) => (puts.push(blocks.length), real.put(blocks)),
      }),
  });
  await save(store, 'Observation/alone', 'x');
  assert.deepEqual([groups, puts], [[1], [1]]);
  await Promise.all(Array.from({ length: 50 }, (_, index) => save(store, `Observation/o${index}`, 'x')));
  assert.deepEqual(groups, [1, 50]);
  assert.deepEqual(puts, [1, 50]);
  assert.equal(store.catalog.head().seq, 51);
});

test('of writers that create only if nothing matches, one creates and the others find what it created', async (t) => {
  const store = await openHere(t);
  const plan = { kind: 'term', term: store.blinder.term('text\u0000same') } as const;
  const outcomes = await Promise.all(
    Array.from({ length: 30 }, (_, index) =>
      store.committer.submit(async (state) => {
        const found = await state.search(plan, 2);
        if (found.length > 0) return { drafts: [], result: () => 'found' };
        return { drafts: [draftOf(store, `Patient/p${index}`, 1, 'same')], result: () => 'created' };
      }),
    ),
  );
  assert.equal(outcomes.filter((outcome) => outcome === 'created').length, 1);
  assert.equal(await store.catalog.count(plan, store.catalog.head().seq), 1);
});

test('of writers that expect the same version, one wins and the others are refused', async (t) => {
  const store = await openHere(t);
  await save(store, 'Patient/p', 'first');
  const outcomes = await Promise.allSettled(
    Array.from({ length: 20 }, (_, index) =>
      store.committer.submit(async (state) => {
        const current = await state.current(store.names.resource('Patient', 'p'));
        if (current?.versionId !== 1) throw fhirError(412, 'conflict', 'the version is another');
        return { drafts: [draftOf(store, 'Patient/p', 2, `by ${index}`)], result: () => index };
      }),
    ),
  );
  assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
  for (const outcome of outcomes)
    if (outcome.status === 'rejected') assert.equal((outcome.reason as { status: number }).status, 412);
  assert.equal((await currentOf(store, 'Patient/p'))!.versionId, 2);
});

test('writers of the same resource at the same time give versions without gaps', async (t) => {
  const store = await openHere(t);
  const committed = await Promise.all(
    Array.from({ length: 25 }, (_, index) => save(store, 'Patient/p', `text ${index}`)),
  );
  assert.deepEqual(
    committed.map(({ versions }) => versions[0]!.versionId),
    Array.from({ length: 25 }, (_, index) => index + 1),
  );
  assert.equal(await textOf(store, (await currentOf(store, 'Patient/p'))!), 'text 24');
});

test('a procedure that throws, or whose drafts cannot be rendered, is refused alone', async (t) => {
  const store = await openHere(t);
  const broken = {
    ...draftOf(store, 'Patient/new', 1),
    render: () => {
      throw new Error('cannot be rendered');
    },
  };
  const outcomes = await Promise.allSettled([
    save(store, 'Patient/a', 'x'),
    store.committer.submit(() => {
      throw fhirError(409, 'conflict', 'no');
    }),
    commit(store, broken),
    commit(store, draftOf(store, 'Patient/new', 1, 'after the broken one')),
    save(store, 'Patient/b', 'x'),
  ]);
  assert.deepEqual(
    outcomes.map(({ status }) => status),
    ['fulfilled', 'rejected', 'rejected', 'fulfilled', 'fulfilled'],
  );
  assert.equal(store.catalog.head().leafCount, 3);
  assert.equal(await textOf(store, (await currentOf(store, 'Patient/new'))!), 'after the broken one');
});

test('a wrong version number and the same resource twice are refused; the right ones are taken', async (t) => {
  const store = await openHere(t);
  await assert.rejects(commit(store, draftOf(store, 'Patient/p', 2)), /drafted as version 2, expected 1/);
  await assert.rejects(commit(store, draftOf(store, 'Patient/p', 1), draftOf(store, 'Patient/p', 2)), /drafted twice/);
  await commit(store, draftOf(store, 'Patient/p', 1));
  await assert.rejects(commit(store, draftOf(store, 'Patient/p', 1)), /expected 2/);
  await commit(store, draftOf(store, 'Patient/p', 2));
});

test('a deletion is a version without content; the resource may come back and goes on counting', async (t) => {
  const store = await openHere(t);
  await save(store, 'Patient/p', 'here');
  await commit(store, deletionOf(store, 'Patient/p', 2));
  const row = (await currentOf(store, 'Patient/p'))!;
  assert.deepEqual([row.isDeleted, row.versionId, row.block], [true, 2, undefined]);
  assert.equal(store.records.header(row).isDeleted, true);
  await assert.rejects(store.records.open(row), RangeError);
  await save(store, 'Patient/p', 'back');
  assert.equal((await currentOf(store, 'Patient/p'))!.versionId, 3);
  const history = await store.catalog.history({ type: store.names.type('Patient'), asOf: 9, limit: 9 });
  assert.deepEqual(
    history.map(({ versionId }) => versionId),
    [3, 2, 1],
  );
});

test('lastUpdated follows the clock and never goes back', async (t) => {
  let now = 5_000;
  const store = await openHere(t, { clock: { now: () => now } });
  const times: number[] = [];
  for (const next of [5_000, 6_000, 4_000, 6_500, 0]) {
    now = next;
    times.push((await save(store, 'Patient/p', 'x')).time);
  }
  assert.deepEqual(times, [5_000, 6_000, 6_000, 6_500, 6_500]);
});

test('a procedure that writes nothing is answered from the state it saw', async (t) => {
  const store = await openHere(t);
  await save(store, 'Patient/p', 'x');
  const committed = await store.committer.submit(() => ({ drafts: [], result: (nothing) => nothing }));
  assert.deepEqual(committed, { seq: 1, time: 0, versions: [] });
  assert.equal(store.catalog.head().seq, 1);
});

test('listeners hear of every entry, in log order', async (t) => {
  const heard: number[] = [];
  const store = await openHere(t, { onCommit: ({ seq, versions }) => heard.push(seq * 10 + versions.length) });
  await Promise.all([
    save(store, 'Patient/a', 'x'),
    commit(store, draftOf(store, 'Patient/b', 1), draftOf(store, 'Patient/c', 1)),
  ]);
  await save(store, 'Patient/d', 'x');
  assert.deepEqual(heard, [11, 22, 31]);
});

test('while a large transaction is sealed, the event loop goes on', async (t) => {
  const store = await openHere(t);
  const drafts = Array.from({ length: 3_000 }, (_, index) =>
    draftOf(store, `Observation/o${index}`, 1, 'x'.repeat(500)),
  );
  let turns = 0;
  const counting = setInterval(() => (turns += 1), 1);
  await commit(store, ...drafts);
  clearInterval(counting);
  assert.ok(turns > 5, `${turns} turns`);
  assert.equal(store.catalog.head().leafCount, 3_000);
});

test('when another committer wrote first, the procedure runs again on what it wrote', async (t) => {
  const folder = await tempFolder();
  const here = await openStore(folder);
  const there = await openStore(folder, { sharedBlocks: here.blocks, sharedCatalog: here.catalog });
  t.after(() => Promise.all([here.close(), there.close()]));
  for (let round = 0; round < 5; round += 1) {
    await save(here, 'Patient/p', `here ${round}`);
    await Promise.all([save(there, 'Patient/p', `there ${round}`), save(there, 'Patient/q', 'x')]);
  }
  assert.equal((await currentOf(there, 'Patient/p'))!.versionId, 10);
  assert.equal(await textOf(there, (await currentOf(there, 'Patient/p'))!), 'there 4');
  const rows = await there.catalog.history({ resource: there.names.resource('Patient', 'p'), asOf: 99, limit: 99 });
  assert.deepEqual(
    rows.map(({ versionId }) => versionId),
    [10, 9, 8, 7, 6, 5, 4, 3, 2, 1],
  );
});

test('what was looked up before another committer wrote is not written behind it: the procedure runs again', async (t) => {
  const folder = await tempFolder();
  const here = await openStore(folder);
  const [reached, held] = [signal(), signal()];
  let isFirst = true;
  const there = await openStore(folder, {
    sharedBlocks: here.blocks,
    sharedCatalog: here.catalog,
    catalogBehind: (real) =>
      intercept(real, {
        append: async (entries: readonly Entry[]) => {
          if (isFirst) {
            isFirst = false;
            reached.give();
            await held.given;
          }
          return real.append(entries);
        },
      }),
  });
  t.after(() => Promise.all([here.close(), there.close()]));
  await save(here, 'Patient/p', 'first');
  const other = save(there, 'Patient/q', 'x');
  await reached.given;
  // Decides while the group with Patient/q is on its way; that group loses the race after the look at Patient/p.
  let runs = 0;
  const late = there.committer.submit(async (state) => {
    runs += 1;
    const current = (await state.current(there.names.resource('Patient', 'p')))!;
    if (runs === 1) {
      await save(here, 'Patient/p', 'second');
      held.give();
      for (let turn = 0; turn < 20; turn += 1) await nextTurn();
    }
    return { drafts: [draftOf(there, 'Patient/p', current.versionId + 1, 'third')], result: () => current.versionId };
  });
  assert.deepEqual([await late, runs], [2, 2]);
  await other;
  const rows = await there.catalog.history({ resource: there.names.resource('Patient', 'p'), asOf: 99, limit: 99 });
  assert.deepEqual(
    rows.map(({ versionId }) => versionId),
    [3, 2, 1],
  );
});

/** Something that is waited for until it is given. */
function signal() {
  let give = () => {};
  const given = new Promise<void>((resolve) => {
    give = resolve;
  });
  return { given, give };
}
