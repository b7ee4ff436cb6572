/** A server that is late with what it appended: another has applied it meanwhile, and gone on. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { after, test, type TestContext } from 'node:test';
import { MongoNetworkError } from 'mongodb';
import { AppendConflict, CatalogUnavailable, type Entry } from '../../src/commit/catalog.js';
import { applyAppend } from '../../src/commit/mongo/applier.js';
import { emptyHead, headAfter, MongoLog } from '../../src/commit/mongo/log.js';
import { MongoCatalog, openMongoCatalog } from '../../src/commit/mongo/mongo-catalog.js';
import { openMongoStore, type MongoStore } from '../../src/commit/mongo/store.js';
import { entry, leavesOf, name, term } from '../suites/catalog.js';
import { intercept } from '../suites/intercept.js';
import { startWireServer } from './support/ferretdb.js';

const server = await startWireServer();
after(() => server.stop());

interface Two {
  /** What the late server writes to. */
  readonly store: MongoStore;
  readonly other: MongoCatalog;
}

async function openTwo(t: TestContext): Promise<Two> {
  const options = { url: server.url, database: `t${randomUUID().slice(0, 8)}` };
  const other = await openMongoCatalog({ ...options, pollMs: 3_600_000 });
  const store = await openMongoStore(options);
  t.after(() => Promise.all([other.close(), store.client.close()]));
  return { store, other };
}

/** The other server wants to write, finds the append, waits for a while, and applies it. */
async function otherGoesOn({ other }: Two): Promise<void> {
  await assert.rejects(other.append([entry(other.head().seq + 1, [{ id: 'lost' }])]), AppendConflict);
}

const erasure = { leaf: randomBytes(32), leaves: [0], compartments: [name('compartment')], blocks: [], states: [] };
const key = { compartment: name('compartment'), wrapped: randomBytes(44) };

test('what two servers applied at once stays, whichever of them inserted it', async (t) => {
  const two = await openTwo(t);
  const { store, other } = two;
  class Late extends MongoLog {
    override async markApplied(document: Parameters<MongoLog['markApplied']>[0]) {
      await otherGoesOn(two);
      return super.markApplied(document);
    }
  }
  const log = new Late(store);
  const first: Entry = { ...entry(1, [{ id: 'a', terms: ['x'] }]), newKeys: [key] };
  await applyAppend(store, log, await log.append([first], emptyHead), [first]);
  assert.deepEqual(await leavesOf(other, term('x')), [0]);
  assert.equal((await other.current(name('a'), 1))?.versionId, 1);
  assert.deepEqual(await other.compartmentKey(name('compartment')), key.wrapped);
});

test('what was erased while a server was late with inserting it does not come back', async (t) => {
  const two = await openTwo(t);
  const { store, other } = two;
  const late: MongoStore = {
    ...store,
    key: intercept(store.key, {
      insertMany: async (documents: Parameters<typeof store.key.insertMany>[0]) => {
        await otherGoesOn(two);
        await other.append([{ seq: 2, time: 2_000, versions: [], newKeys: [], erasure }]);
        return store.key.insertMany(documents);
      },
    }),
  };
  const log = new MongoLog(late);
  const first: Entry = {
    ...entry(1, [
      { id: 'a', terms: ['x'] },
      { id: 'b', terms: ['x'] },
    ]),
    newKeys: [key, { compartment: name('another'), wrapped: randomBytes(44) }],
  };
  await applyAppend(late, log, await log.append([first], emptyHead), [first]);
  assert.deepEqual(await leavesOf(other, term('x')), [1]);
  assert.equal(await other.current(name('a'), 2), undefined);
  assert.equal(await store.version.countDocuments({ l: 0 }), 1);
  assert.equal(await other.compartmentKey(name('compartment')), undefined);
  assert.notEqual(await other.compartmentKey(name('another')), undefined);
});

test('a server that is late with an erasure, or with an update, harms nothing of what has taken its name since', async (t) => {
  const two = await openTwo(t);
  const { store, other } = two;
  const log = new MongoLog(store);
  const first: Entry = { ...entry(1, [{ id: 'a', terms: ['x'] }]), newKeys: [key] };
  const appends: (readonly [Awaited<ReturnType<MongoLog['append']>>, Entry])[] = [];
  let head = emptyHead;
  const second = entry(2, [{ id: 'a', versionId: 2, terms: ['x'] }]);
  const third: Entry = { seq: 3, time: 3_000, versions: [], newKeys: [], erasure: { ...erasure, leaves: [0, 1] } };
  for (const one of [first, second, third]) {
    const document = await log.append([one], head);
    appends.push([document, one]);
    await otherGoesOn(two);
    head = headAfter(document);
  }
  const again: Entry = { ...entry(4, [{ id: 'a', terms: ['x'] }]), newKeys: [{ ...key, wrapped: randomBytes(44) }] };
  await other.append([again]);
  for (const [document, one] of appends) await applyAppend(store, log, document, [one]);
  assert.deepEqual(await leavesOf(other, term('x')), [3]);
  const current = await other.current(name('a'), 4);
  assert.deepEqual([current?.versionId, current?.leafIndex], [1, 3]);
  assert.deepEqual(await other.compartmentKey(name('compartment')), again.newKeys[0]!.wrapped);
  assert.equal(await other.version(name('a'), 2), undefined);
});

test('a server whose append failed after the commit point hears of it as of what others append', async (t) => {
  const two = await openTwo(t);
  const { store, other } = two;
  let isAway = true;
  const version = intercept(store.version, {
    insertMany: (documents: Parameters<typeof store.version.insertMany>[0]) => {
      if (isAway) throw new MongoNetworkError('planted');
      return store.version.insertMany(documents);
    },
  });
  const late = new MongoCatalog({ ...store, version }, 1_000, 3_600_000);
  await late.start();
  const told: (readonly [number, number])[] = [];
  late.follow(({ rows }) => Promise.resolve(void told.push([late.head().seq, rows.length])));
  await assert.rejects(late.append([entry(1, [{ id: 'a' }])]), CatalogUnavailable);
  isAway = false;
  await otherGoesOn(two);
  await late.refresh();
  assert.deepEqual([told, late.head().seq], [[[0, 1]], 1]);
  // Of what it appended and applied, its writers hear.
  await late.append([entry(2, [{ id: 'b' }])]);
  await other.refresh();
  await other.append([entry(3, [{ id: 'c' }])]);
  await late.refresh();
  assert.deepEqual(told.slice(1), [[2, 1]]);
  await late.close();
});
