import assert from 'node:assert/strict';
import { appendFile, copyFile, open, readFile, readdir, stat, truncate, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { CarReader } from '@ipld/car';
import { importCar, exportCar } from '../../src/ipfs/car.js';
import { cidText } from '../../src/ipfs/cid.js';
import { openLocalBlockStore, type LocalBlockStore } from '../../src/ipfs/local-block-store.js';
import { blockOf, blockStoreSuite, randomBlock } from '../suites/block-store.js';
import { tempFolder } from '../suites/temp.js';

async function openHere(t: TestContext, segmentBytes?: number) {
  const folder = await tempFolder();
  const options = segmentBytes === undefined ? {} : { segmentBytes };
  let open: LocalBlockStore = await openLocalBlockStore(folder, options);
  const opened = [open];
  t.after(() => Promise.all(opened.map((store) => store.close())));
  const reopen = async () => {
    await open.close();
    open = await openLocalBlockStore(folder, options);
    opened.push(open);
    return open;
  };
  /** Opens what a process that was killed now would leave: nothing is closed, no summary is written. */
  const crash = async () => {
    const copy = await tempFolder();
    for (const name of await readdir(folder)) {
      if (name.endsWith('.car')) await copyFile(path.join(folder, name), path.join(copy, name));
    }
    const store = await openLocalBlockStore(copy, options);
    opened.push(store);
    return { copy, store };
  };
  return { folder, store: open, reopen, crash };
}

blockStoreSuite('local block store', (t) => openHere(t));
blockStoreSuite('local block store with tiny segments', (t) => openHere(t, 500));

const segment = (folder: string, number: number) => path.join(folder, `${String(number).padStart(8, '0')}.car`);

test('small blocks are given at once, large ones are left to the thread pool', async (t) => {
  const { store } = await openHere(t);
  const [small, large] = [randomBlock(1000), randomBlock(100_000)];
  await store.put([small, large]);
  assert.deepEqual(store.getNow(small.digest), small.bytes);
  assert.equal(store.getNow(large.digest), undefined);
  assert.deepEqual(Buffer.from(await store.get(large.digest)), large.bytes);
});

test('a segment file is a CAR that IPFS tools read, holes included', async (t) => {
  const { folder, store } = await openHere(t);
  const blocks = [randomBlock(), randomBlock(5_000), randomBlock(5)];
  await store.put(blocks);
  await store.delete([blocks[1]!.digest, blocks[2]!.digest]);
  const reader = await CarReader.fromBytes(await readFile(segment(folder, 1)));
  const found: string[] = [];
  for await (const { cid, bytes } of reader.blocks()) {
    found.push(cid.toString());
    assert.equal(cidText(blockOf(bytes).digest), cid.toString());
  }
  assert.equal(found.length, 3);
  assert.equal(found[0], cidText(blocks[0]!.digest));
});

test('bytes of a deleted block are gone from the disk', async (t) => {
  const { folder, store } = await openHere(t);
  const block = randomBlock(2_000);
  await store.put([block, randomBlock()]);
  assert.ok((await readFile(segment(folder, 1))).includes(Buffer.from(block.bytes).subarray(100, 200)));
  await store.delete([block.digest]);
  const after = await readFile(segment(folder, 1));
  for (let at = 0; at + 16 < 2_000; at += 16)
    assert.equal(after.includes(Buffer.from(block.bytes).subarray(at, at + 16)), false);
});

test('a block whose bytes were altered on disk is refused by name; its neighbour is not', async (t) => {
  const { folder, store } = await openHere(t);
  const [good, bad] = [randomBlock(), randomBlock()];
  await store.put([good, bad]);
  const at = (await readFile(segment(folder, 1))).indexOf(bad.bytes);
  const handle = await open(segment(folder, 1), 'r+');
  await handle.write(Buffer.of(bad.bytes[50]! ^ 1), 0, 1, at + 50);
  await handle.close();
  await assert.rejects(store.get(bad.digest), { name: 'BlockCorrupt', cid: cidText(bad.digest) });
  assert.throws(() => store.getNow(bad.digest), { name: 'BlockCorrupt', cid: cidText(bad.digest) });
  assert.deepEqual(Buffer.from(await store.get(good.digest)), good.bytes);
});

test('after a crash a torn tail is cut off wherever it was torn, and what was acknowledged is there', async (t) => {
  const { folder, store, crash } = await openHere(t);
  const kept = [randomBlock(), randomBlock(700)];
  await store.put(kept);
  const whole = (await stat(segment(folder, 1))).size;
  const torn = randomBlock(400);
  await store.put([torn]);
  const bytes = (await readFile(segment(folder, 1))).subarray(whole);
  for (const length of [1, 2, 3, 30, 38, 39, 200, bytes.byteLength - 1]) {
    await truncate(segment(folder, 1), whole);
    await appendFile(segment(folder, 1), bytes.subarray(0, length));
    const { copy, store: again } = await crash();
    assert.equal((await stat(segment(copy, 1))).size, whole, `torn after ${length} bytes`);
    assert.equal(await again.has(torn.digest), false);
    await again.put([torn]);
    for (const { digest, bytes } of [...kept, torn]) assert.deepEqual(Buffer.from(await again.get(digest)), bytes);
  }
});

test('a write that fails half-way is refused; the next one takes its place, and both starts find everything', async (t) => {
  const { store, crash, reopen } = await openHere(t);
  const [kept, failed, after] = [randomBlock(), randomBlock(3_000), randomBlock(300)];
  await store.put([kept]);
  const opened = store as unknown as { tail: FileHandle };
  const { tail } = opened;
  // Half of the bytes arrive, then the system says no.
  const { size } = await tail.stat();
  await tail.write(failed.bytes, 0, 1_500, size);
  opened.tail = { fd: -1, truncate: () => Promise.reject(new Error('planted')) } as unknown as FileHandle;
  await assert.rejects(store.put([failed]), { name: 'BlockStoreUnavailable', message: /EBADF|out of range/ });
  opened.tail = tail;
  assert.equal(await store.has(failed.digest), false);
  await store.put([after]);
  const check = async (opened: LocalBlockStore) => {
    for (const { digest, bytes } of [kept, after]) assert.deepEqual(Buffer.from(await opened.get(digest)), bytes);
    await assert.rejects(opened.get(failed.digest), { name: 'BlockMissing' });
  };
  await check(store);
  await check((await crash()).store);
  await check(await reopen());
});

test('a tail whose bytes never reached the disk is not offered, and can be put again', async (t) => {
  const { folder, store, crash } = await openHere(t);
  const kept = randomBlock();
  await store.put([kept]);
  const whole = (await stat(segment(folder, 1))).size;
  const lost = randomBlock(1_000);
  await store.put([lost]);
  const handle = await open(segment(folder, 1), 'r+');
  await handle.write(Buffer.alloc(500), 0, 500, whole + 200);
  await handle.close();
  const { store: again } = await crash();
  assert.equal(await again.has(lost.digest), false);
  await again.put([lost]);
  assert.deepEqual(Buffer.from(await again.get(lost.digest)), lost.bytes);
  assert.deepEqual(Buffer.from(await again.get(kept.digest)), kept.bytes);
});

test('segments that are mostly holes are compacted, and nothing that is held is lost', async (t) => {
  const { folder, store, reopen } = await openHere(t, 20_000);
  const blocks = Array.from({ length: 100 }, () => randomBlock(1_000));
  for (const block of blocks) await store.put([block]);
  const before = (await store.size()).sizeBytes;
  const [kept, gone] = [blocks.filter((_, i) => i % 4 === 0), blocks.filter((_, i) => i % 4 !== 0)];
  const reading = Promise.all(
    Array.from({ length: 20 }, async () => {
      for (const { digest, bytes } of kept) assert.deepEqual(Buffer.from(await store.get(digest)), bytes);
    }),
  );
  await store.delete(gone.map(({ digest }) => digest));
  await reading;
  assert.ok((await store.size()).sizeBytes < before / 2);
  const again = await reopen();
  assert.equal((await again.size()).blocks, 25);
  for (const { digest, bytes } of kept) assert.deepEqual(Buffer.from(await again.get(digest)), bytes);
  assert.ok((await readdir(folder)).length < 10);
});

test('a summary that is damaged or out of date is passed over', async (t) => {
  const { folder, store, reopen } = await openHere(t, 2_000);
  const blocks = Array.from({ length: 10 }, () => randomBlock(500));
  for (const block of blocks) await store.put([block]);
  await store.close();
  const [summary] = (await readdir(folder)).filter((name) => name.endsWith('.index'));
  await truncate(path.join(folder, summary!), 60);
  const again = await reopen();
  for (const { digest, bytes } of blocks) assert.deepEqual(Buffer.from(await again.get(digest)), bytes);
});

test('a folder that is in use is refused; once it is closed it is taken', async (t) => {
  const { folder, store } = await openHere(t);
  await assert.rejects(openLocalBlockStore(folder), {
    name: 'BlockStoreUnavailable',
    message: /is in use by the process with id/,
  });
  await store.close();
  await (await openLocalBlockStore(folder)).close();
});

test('blocks go out as a CAR and come in again elsewhere', async (t) => {
  const [{ store: from }, { store: to }] = [await openHere(t), await openHere(t)];
  const blocks = Array.from({ length: 30 }, (_, index) => randomBlock(index * 100 + 1));
  await from.put(blocks);
  const car: Uint8Array[] = [];
  for await (const piece of exportCar(from, from.list(), [blocks[0]!.digest])) car.push(piece);
  const whole = Buffer.concat(car);
  assert.equal((await (await CarReader.fromBytes(whole)).getRoots())[0]!.toString(), cidText(blocks[0]!.digest));
  assert.equal(await importCar(to, pieces(whole)), 30);
  for (const { digest, bytes } of blocks) assert.deepEqual(Buffer.from(await to.get(digest)), bytes);
});

test('a CAR with a block that does not match its CID is refused', async (t) => {
  const { store } = await openHere(t);
  const block = randomBlock(1_000);
  await store.put([block]);
  const car: Uint8Array[] = [];
  for await (const piece of exportCar(store, [block.digest])) car.push(piece);
  const whole = Buffer.concat(car);
  whole[whole.byteLength - 1]! ^= 1;
  const { store: other } = await openHere(t);
  await assert.rejects(importCar(other, pieces(whole)), { name: 'BlockCorrupt' });
  assert.equal((await other.size()).blocks, 0);
});

async function* pieces(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.byteLength; at += 1_000) yield bytes.subarray(at, at + 1_000);
}
