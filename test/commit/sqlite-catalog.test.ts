import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { Connection } from '../../src/commit/sqlite/connection.js';
import { openSqliteCatalog, type SqliteCatalog } from '../../src/commit/sqlite/sqlite-catalog.js';
import { catalogChangesSuite } from '../suites/catalog-changes.js';
import { catalogSuite, entry, name, term, type VersionSketch } from '../suites/catalog.js';
import { tempFolder } from '../suites/temp.js';

async function openHere(t: TestContext, options: { scanLimit?: number } = {}) {
  const file = path.join(await tempFolder(), 'catalog.sqlite');
  let open: SqliteCatalog = await openSqliteCatalog(file, options);
  t.after(() => open.close());
  const reopen = async () => {
    await open.close();
    open = await openSqliteCatalog(file, options);
    return open;
  };
  return { file, catalog: open, reopen };
}

catalogSuite('SQLite', openHere);
catalogChangesSuite('SQLite', openHere);

/** Every version carries `all`; every tenth `tenth`; only the oldest `rare`. */
function manySketches(count: number): VersionSketch[] {
  return Array.from({ length: count }, (_, index) => ({
    id: `r${index}`,
    terms: ['all', ...(index % 10 === 0 ? ['tenth'] : []), ...(index === 5 ? ['rare'] : []), `one ${index % 1000}`],
    links: [['subject', `r${index % 7}`]],
  }));
}

test('SQLite: searches that need many windows find the same as those that need one', async (t) => {
  const { catalog } = await openHere(t);
  for (let seq = 1; seq <= 6; seq += 1) {
    await catalog.append([entry(seq, manySketches(6_000).slice((seq - 1) * 1_000, seq * 1_000))]);
  }
  const found = async (
    plan: Parameters<typeof catalog.count>[0],
    order: 'newest' | 'oldest' = 'newest',
    limit = 10_000,
  ) => (await catalog.search({ plan, asOf: 6, order, limit })).map(({ leafIndex }) => leafIndex);
  const tenth = Array.from({ length: 600 }, (_, index) => 5_990 - 10 * index);
  assert.deepEqual(
    await found({ kind: 'and', of: [term('all'), { kind: 'not', of: { kind: 'not', of: term('tenth') } }] }),
    tenth,
  );
  assert.deepEqual(await found({ kind: 'or', of: [term('tenth'), term('rare')] }, 'oldest'), [
    0,
    5,
    ...tenth.toReversed().slice(1),
  ]);
  assert.deepEqual(
    await found({
      kind: 'and',
      of: [term('all'), { kind: 'or', of: [term('rare'), { kind: 'not', of: term('all') }] }],
    }),
    [5],
  );
  assert.equal(await catalog.count(term('all'), 6), 6_000);
  assert.equal(await catalog.count(term('all'), 6, 1_500), 1_500);
  assert.equal(await catalog.count({ kind: 'link-to', params: [name('subject')], target: term('tenth') }, 6), 858);
  assert.equal(
    await catalog.count(
      { kind: 'and', of: [term('all'), { kind: 'linked-from', params: [name('subject')], source: term('tenth') }] },
      6,
    ),
    7,
  );
  const many = Array.from({ length: 40 }, (_, index) => term(`one ${index}`));
  assert.equal((await found({ kind: 'or', of: many })).length, 240);
  assert.equal((await found({ kind: 'or', of: [...many, term('all')] }, 'newest', 20)).length, 20);
});

test('SQLite: a search that looks at too many candidates ends; one that stops early does not', async (t) => {
  const { catalog } = await openHere(t, { scanLimit: 1_500 });
  await catalog.append([entry(1, manySketches(4_000))]);
  const all = { kind: 'term', term: name('all') } as const;
  const nothing = { kind: 'and', of: [all, { kind: 'not', of: all }] } as const;
  await assert.rejects(async () => catalog.search({ plan: nothing, asOf: 1, order: 'newest', limit: 1 }), {
    name: 'SearchTooCostly',
  });
  assert.equal((await catalog.search({ plan: all, asOf: 1, order: 'newest', limit: 10 })).length, 10);
});

test('SQLite: while one process has the files another one reads what was appended before, and is refused when it writes', async (t) => {
  const { file, catalog } = await openHere(t);
  await catalog.append([entry(1, [{ id: 'a', terms: ['x'] }])]);
  const other = await openSqliteCatalog(file);
  t.after(() => other.close());
  assert.deepEqual(other.head(), { seq: 1, leafCount: 1, time: 1_000 });
  assert.equal((await other.search({ plan: term('x'), asOf: 1, order: 'newest', limit: 9 })).length, 1);
  await assert.rejects(other.append([entry(2, [{ id: 'b' }])]), { name: 'CatalogUnavailable', message: /another/ });
  await assert.rejects(other.putState('key', Buffer.from('value')), { name: 'CatalogUnavailable' });
  await catalog.append([entry(2, [{ id: 'b' }])]);
  assert.equal(catalog.head().seq, 2);
});

test('SQLite: a second process that comes while entries are appended sees at least what was appended before it came', async (t) => {
  const { file, catalog } = await openHere(t);
  let isOver = false;
  const appending = async () => {
    const sketches = (seq: number) => manySketches(20).map((sketch) => ({ ...sketch, versionId: seq }));
    for (let seq = 1; !isOver; seq += 1) await catalog.append([entry(seq, sketches(seq))]);
  };
  const appended = appending();
  for (let round = 0; round < 4; round += 1) {
    const { seq } = catalog.head();
    const other = await openSqliteCatalog(file);
    assert.ok(other.head().seq >= seq);
    assert.equal(await other.count(term('rare'), other.head().seq), seq === 0 ? Math.min(1, other.head().seq) : 1);
    await other.close();
  }
  isOver = true;
  await appended;
});

test('SQLite: when the writing thread ends, nothing is lost: the next one takes what the log has', async (t) => {
  const { catalog } = await openHere(t);
  await catalog.append([entry(1, [{ id: 'a' }])]);
  const { worker } = (catalog as unknown as { writes: { writer: { worker: Worker } } }).writes.writer;
  await catalog.append([entry(2, manySketches(3_000))]);
  await worker.terminate();
  await assert.rejects(async () => catalog.count(term('all'), 2), { name: 'CatalogUnavailable' });
  assert.equal(await catalog.count(term('all'), 2), 3_000);
  await catalog.append([entry(3, [{ id: 'b', terms: ['all'] }])]);
  assert.equal(catalog.current(name('b'), 3)?.leafIndex, 3_001);
  assert.equal(await catalog.count(term('all'), 3), 3_001);
});

test('SQLite: after a sweep the bytes of what was erased are in no file of the catalog; those of others are', async (t) => {
  const { file, catalog } = await openHere(t);
  const sketches = manySketches(200).map((sketch) => ({ ...sketch, terms: [`own ${sketch.id}`, 'all'] }));
  const one = entry(1, sketches);
  const key = { compartment: name('compartment'), wrapped: randomBytes(44) };
  await catalog.append([{ ...one, newKeys: [key] }]);
  const gone = [50, 51, 52, 150];
  const erasure = { leaf: randomBytes(32), leaves: gone, compartments: [name('compartment')], blocks: [], states: [] };
  await catalog.append([{ seq: 2, time: 2_000, versions: [], newKeys: [], erasure }]);
  await catalog.sweep();
  const files = await Promise.all(['', '-wal', '-log/a', '-log/b'].map((ending) => readFile(file + ending)));
  const isThere = (bytes: Uint8Array) => files.some((content) => content.includes(Buffer.from(bytes)));
  one.versions.forEach(({ keyWraps, header, block, resource }, index) => {
    const expected = !gone.includes(index);
    const own = name(`own r${index}`).subarray(0, 10);
    for (const bytes of [keyWraps[0]!.wrapped, header, block!, resource, own]) assert.equal(isThere(bytes), expected);
  });
  assert.equal(isThere(key.wrapped), false);
});

test('SQLite: tables of another version are refused and left alone', async () => {
  const file = path.join(await tempFolder(), 'catalog.sqlite');
  await (await openSqliteCatalog(file)).close();
  const connection = new Connection(file, 1_000);
  connection.exec('PRAGMA user_version = 99');
  connection.close();
  await assert.rejects(openSqliteCatalog(file), { name: 'CatalogUnavailable', message: /version 99/ });
});

test('SQLite: a file that is no database is refused', async () => {
  const file = path.join(await tempFolder(), 'catalog.sqlite');
  await writeFile(file, 'this is no database, and it is longer than a header of a hundred bytes. '.repeat(10));
  await assert.rejects(openSqliteCatalog(file), { name: 'CatalogUnavailable' });
});
