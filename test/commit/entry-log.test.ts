import assert from 'node:assert/strict';
import { copyFile, mkdir, open, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import type { Catalog } from '../../src/commit/catalog.js';
import { entryLogFolder, openEntryLog, readEntryLog } from '../../src/commit/sqlite/entry-log.js';
import { packEntries } from '../../src/commit/sqlite/packed-entries.js';
import { openSqliteCatalog, type SqliteCatalog } from '../../src/commit/sqlite/sqlite-catalog.js';
import { entry, leavesOf, name, term } from '../suites/catalog.js';
import { tempFolder } from '../suites/temp.js';

async function openHere(t: TestContext) {
  const file = path.join(await tempFolder(), 'catalog.sqlite');
  const catalog = await openSqliteCatalog(file);
  t.after(() => catalog.close());
  return { file, catalog };
}

/** Opens a copy of the files as they are now: what a crash at this moment leaves. @param tables of an earlier moment: what power loss may leave. */
async function openAfterCrash(t: TestContext, file: string, tables = file): Promise<SqliteCatalog> {
  const catalog = await openSqliteCatalog(await crashed(file, tables));
  t.after(() => catalog.close());
  return catalog;
}

async function crashed(file: string, tables = file): Promise<string> {
  const copy = path.join(await tempFolder(), 'catalog.sqlite');
  for (const ending of ['', '-wal']) await copyFile(tables + ending, copy + ending).catch(() => undefined);
  await mkdir(entryLogFolder(copy));
  for (const part of ['a', 'b']) await copyFile(path.join(entryLogFolder(file), part), path.join(entryLogFolder(copy), part)); // prettier-ignore
  return copy;
}

const numbered = (seq: number, size = 1) =>
  entry(
    seq,
    Array.from({ length: size }, (_, index) => ({ id: `r${seq}-${index}`, terms: ['all', `of ${seq}`] })),
  );

async function has(catalog: Catalog, seqs: readonly number[]): Promise<void> {
  assert.equal(catalog.head().seq, seqs.length);
  assert.deepEqual(await leavesOf(catalog, term('all')), seqs.map((seq) => seq - 1).reverse());
  for (const seq of seqs) assert.equal((await catalog.current(name(`r${seq}-0`), 99))?.seq, seq);
}

test('what was appended and is not in the tables yet is read at once, and a crash does not lose it', async (t) => {
  const { file, catalog } = await openHere(t);
  const key = { compartment: name('compartment'), wrapped: Buffer.alloc(44, 7) };
  await catalog.append([{ ...numbered(1), newKeys: [key] }, numbered(2)]);
  await catalog.append([entry(3, [{ id: 'r1-0', versionId: 2, terms: ['changed'] }])]);
  assert.equal(catalog.current(name('r1-0'), 2)!.versionId, 1);
  assert.equal(catalog.current(name('r1-0'), 3)!.versionId, 2);
  assert.equal(catalog.version(name('r1-0'), 1)!.leafIndex, 0);
  assert.deepEqual(catalog.compartmentKey(name('compartment')), key.wrapped);
  const again = await openAfterCrash(t, file);
  assert.deepEqual(again.head(), { seq: 3, leafCount: 3, time: 3_000 });
  assert.deepEqual(await leavesOf(again, term('all')), [1]);
  assert.deepEqual(await leavesOf(again, term('changed')), [2]);
  assert.deepEqual(Buffer.from(again.compartmentKey(name('compartment'))!), key.wrapped);
});

test('when power loss takes the newest of the tables, the log has it', async (t) => {
  const { file, catalog } = await openHere(t);
  await catalog.append([numbered(1)]);
  await has(catalog, [1]);
  const tables = await crashed(file);
  for (const seq of [2, 3, 4]) {
    await catalog.append([numbered(seq)]);
    await has(catalog, [1, 2, 3, 4].slice(0, seq));
  }
  await has(await openAfterCrash(t, file, tables), [1, 2, 3, 4]);
});

test('a search waits for what is pending only if that can matter to it', async (t) => {
  const { catalog } = await openHere(t);
  await catalog.append([
    entry(1, [
      { id: 'a', terms: ['x', 'old'] },
      { id: 'b', terms: ['x', 'y'] },
    ]),
  ]);
  assert.deepEqual(await leavesOf(catalog, term('x')), [1, 0]);
  await catalog.append([
    entry(2, [
      { id: 'a', versionId: 2, terms: ['z'] },
      { id: 'c', terms: ['y'] },
    ]),
  ]);
  const now = (text: string) => catalog.search({ plan: term(text), asOf: 2, order: 'newest', limit: 9 });
  const both = { kind: 'and', of: [term('x'), term('y')] } as const;
  const untouched = catalog.search({ plan: both, asOf: 2, order: 'newest', limit: 9 });
  assert.ok(!(untouched instanceof Promise));
  assert.deepEqual(untouched.map(({ leafIndex }) => leafIndex), [1]); // prettier-ignore
  // `a` is another by now, although what it is now does not match.
  const changed = now('old');
  assert.ok(changed instanceof Promise);
  assert.deepEqual(await changed, []);
  assert.equal((await now('y')).length, 2);
});

test('a record that a crash tore is as if it had never been; what was before it is there, and writing goes on', async (t) => {
  const { file, catalog } = await openHere(t);
  const tables = await crashed(file);
  await catalog.append([numbered(1)]);
  await catalog.append([numbered(2)]);
  const whole = await readFile(path.join(entryLogFolder(file), 'a'));
  await catalog.append([numbered(3)]);
  const longer = await readFile(path.join(entryLogFolder(file), 'a'));
  const from = whole.findLastIndex((byte) => byte !== 0) + 1;
  const until = longer.findLastIndex((byte) => byte !== 0) + 1;
  for (const kept of [1, 4, 9, Math.floor((until - from) / 2), until - from - 1]) {
    const copy = await crashed(file, tables);
    const log = await open(path.join(entryLogFolder(copy), 'a'), 'r+');
    await log.write(Buffer.alloc(longer.byteLength - from - kept), 0, undefined, from + kept);
    await log.close();
    let again = await openSqliteCatalog(copy);
    await has(again, [1, 2]);
    await again.append([numbered(3)]);
    await again.close();
    again = await openSqliteCatalog(copy);
    await has(again, [1, 2, 3]);
    await again.close();
  }
});

test('a log that is damaged before its end, or that does not reach back to the tables, is refused', async (t) => {
  const { file, catalog } = await openHere(t);
  const empty = await crashed(file);
  for (const seq of [1, 2, 3]) await catalog.append([numbered(seq)]);
  const damaged = await crashed(file);
  const bytes = await readFile(path.join(entryLogFolder(damaged), 'a'));
  const record = 8 + bytes.readUInt32LE(0);
  bytes[record + 20]! ^= 1;
  await writeFile(path.join(entryLogFolder(damaged), 'a'), bytes);
  for (let attempt = 1; attempt <= 2; attempt += 1) {
    await assert.rejects(openSqliteCatalog(damaged), { name: 'CatalogUnavailable', message: /damaged behind entry 1/ });
  }
  assert.deepEqual(await readFile(path.join(entryLogFolder(damaged), 'a')), bytes);

  await has(catalog, [1, 2, 3]);
  await catalog.close();
  const later = await openSqliteCatalog(file);
  t.after(() => later.close());
  await later.append([numbered(4)]);
  await has(await openAfterCrash(t, file), [1, 2, 3, 4]);
  await assert.rejects(openSqliteCatalog(await crashed(file, empty)), {
    name: 'CatalogUnavailable',
    message: /entries 1 to 3 are in neither/,
  });
});

test('files are written in turn, and over only when the tables have what is in them', async (t) => {
  const folder = path.join(await tempFolder(), 'log');
  const log = (await openEntryLog(folder, 1_000))!;
  t.after(() => log.close());
  log.release(0);
  const append = (seq: number) => log.append(packEntries([numbered(seq, 3)]), seq);
  const seqs = async (after: number) =>
    (await readEntryLog(folder, after)).flatMap(({ entries }) => entries.map(({ seq }) => seq));
  for (let seq = 1; seq <= 8; seq += 1) await append(seq);
  const first = log.wantedSeq;
  assert.ok(first > 0 && first < 8);
  assert.deepEqual(await seqs(0), [1, 2, 3, 4, 5, 6, 7, 8]);
  log.release(first - 1);
  await append(9);
  assert.deepEqual(await seqs(0), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  log.release(first);
  assert.equal(log.wantedSeq, 0);
  for (let seq = 10; seq <= 12; seq += 1) await append(seq);
  assert.deepEqual(
    await seqs(first),
    Array.from({ length: 12 - first }, (_, index) => first + 1 + index),
  );
  await log.wipe();
  assert.deepEqual(await seqs(0), []);
  await append(13);
  assert.deepEqual(await seqs(12), [13]);
});

test('nobody waits for an entry of very many versions: until the tables have it, all is answered as of the entry before', async (t) => {
  const { file, catalog } = await openHere(t);
  await catalog.append([numbered(1)]);
  await has(catalog, [1]);
  let isDone = false;
  const appended = catalog.append([numbered(2, 9_000)]).then(() => (isDone = true));
  let asked = 0;
  while (!isDone) {
    const { seq } = catalog.head();
    const found = catalog.search({ plan: term('all'), asOf: seq, order: 'newest', limit: 10 });
    if (seq === 1) {
      asked += 1;
      assert.ok(Array.isArray(found), 'answered at once');
      assert.equal(found.length, 1);
      assert.equal(catalog.current(name('r2-0'), seq), undefined);
    }
    await new Promise((resolve) => setImmediate(resolve));
  }
  await appended;
  assert.ok(asked > 3);
  assert.equal(catalog.head().seq, 2);
  const found = catalog.search({ plan: term('all'), asOf: 2, order: 'newest', limit: 10 });
  assert.ok(Array.isArray(found), 'the tables have it');
  assert.equal(await catalog.count(term('all'), 2), 9_001);
  assert.equal((await openAfterCrash(t, file)).head().leafCount, 9_001);
});

for (const fault of ['lost', 'reply lost'] as const) {
  test(`the write of the log ${fault}: the writer is told, and the next entry takes the number, now and after a crash`, async (t) => {
    const { file, catalog } = await openHere(t);
    await catalog.append([numbered(1)]);
    const { log } = (catalog as unknown as { writes: { log: { active: { file: Faulty } } } }).writes;
    const real = log.active.file.append.bind(log.active.file);
    log.active.file.append = async (...pieces) => {
      log.active.file.append = real;
      if (fault === 'reply lost') {
        const end = log.active.file.endBytes;
        await real(...pieces);
        log.active.file.endBytes = end;
      }
      throw new Error('planted');
    };
    const lost = entry(2, [{ id: 'lost', terms: ['all'] }]);
    await assert.rejects(catalog.append([lost]), { name: 'CatalogUnavailable', message: /planted/ });
    assert.equal(catalog.head().seq, 1);
    // A crash right now: the entry took effect if it reached the disk, all of it.
    const crashedNow = await openAfterCrash(t, file);
    assert.equal(crashedNow.head().seq, fault === 'lost' ? 1 : 2);
    await catalog.append([numbered(2)]);
    await has(catalog, [1, 2]);
    assert.equal(catalog.current(name('lost'), 99), undefined);
    await has(await openAfterCrash(t, file), [1, 2]);
  });

  test(`a step into the tables ${fault}: reads by name go on, writers are told until it succeeds, nothing is lost`, async (t) => {
    const { file, catalog } = await openHere(t);
    await catalog.append([numbered(1)]);
    await has(catalog, [1]);
    const { writer } = (catalog as unknown as { writes: { writer: Asking } }).writes;
    const real = writer.ask.bind(writer);
    let isArmed = true;
    writer.ask = async (request) => {
      if (!isArmed) return real(request);
      if (fault === 'reply lost') await real(request);
      throw new Error('planted');
    };
    await catalog.append([numbered(2)]);
    await assert.rejects(async () => catalog.count(term('all'), 2), { name: 'CatalogUnavailable', message: /planted/ });
    assert.equal(catalog.current(name('r2-0'), 2)!.leafIndex, 1);
    await assert.rejects(catalog.append([numbered(3)]), { name: 'CatalogUnavailable' });
    const again = await openAfterCrash(t, file);
    await has(again, [1, 2]);
    isArmed = false;
    await catalog.append([numbered(3)]);
    await has(catalog, [1, 2, 3]);
  });
}

test('what the tables could not take never comes into the log: the next entry is taken, and a crash finds no trace', async (t) => {
  const { file, catalog } = await openHere(t);
  const key = { compartment: name('compartment'), wrapped: Buffer.alloc(44, 7) };
  await catalog.append([{ ...entry(1, [{ id: 'a' }]), newKeys: [key] }]);
  const wrong = [
    entry(2, [{ id: 'a' }]),
    entry(2, [{ id: 'b' }, { id: 'b' }]),
    { ...entry(2, [{ id: 'b' }]), newKeys: [key] },
  ];
  for (const one of wrong) await assert.rejects(catalog.append([one]), { name: 'RangeError' });
  await catalog.append([entry(2, [{ id: 'a', versionId: 2 }, { id: 'b' }])]);
  await catalog.append([entry(3, [{ id: 'a', versionId: 3 }])]);
  const again = await openAfterCrash(t, file);
  assert.deepEqual(again.head(), { seq: 3, leafCount: 4, time: 3_000 });
  assert.equal(again.current(name('a'), 3)!.versionId, 3);
});

test('a stop leaves everything in the tables, and a log without entries', async (t) => {
  const { file, catalog } = await openHere(t);
  for (const seq of [1, 2]) await catalog.append([numbered(seq)]);
  await catalog.close();
  assert.deepEqual(await readEntryLog(entryLogFolder(file), 0), []);
  const again = await openSqliteCatalog(file);
  t.after(() => again.close());
  await has(again, [1, 2]);
});

interface Faulty {
  endBytes: number;
  append(...pieces: [head: Uint8Array, body?: Uint8Array]): Promise<void>;
}

interface Asking {
  ask(request: object): Promise<string | undefined>;
}
