import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sha256, toHex } from '../../src/base/bytes.js';
import {
  isConsistent,
  rootFromInclusion,
  treeRoot,
  hashChildren,
  type NodeSource,
} from '../../src/anchoring/merkle.js';
import { TileStore } from '../../src/anchoring/tile-store.js';
import { entriesPath, parseTilePath, tilePath, tilesAt } from '../../src/anchoring/tiles.js';

const count = 70_000;
const leaves = Buffer.concat(Array.from({ length: count }, (_, index) => sha256(Buffer.from(`leaf ${index}`))));
const source = { leaves: (from: number, until: number) => leaves.subarray(from * 32, until * 32) };
const folders: string[] = [];
function folder(): string {
  folders.push(mkdtempSync(path.join(tmpdir(), 'mooring-tiles-')));
  return folders[folders.length - 1];
}
after(() => folders.forEach((each) => rmSync(each, { recursive: true })));

const memory = new Map<string, Uint8Array>();
const plain: NodeSource = (level, index) => {
  if (level === 0) return leaves.subarray(index * 32, index * 32 + 32);
  const key = `${level}/${index}`;
  const known = memory.get(key) ?? hashChildren(plain(level - 1, 2 * index), plain(level - 1, 2 * index + 1));
  memory.set(key, known);
  return known;
};

describe('tile names', () => {
  it('are those of the specification', () => {
    assert.equal(tilePath({ level: 0, index: 1234067, width: 256 }), 'tile/0/x001/x234/067');
    assert.equal(tilePath({ level: 1, index: 0, width: 17 }), 'tile/1/000.p/17');
    assert.equal(entriesPath(5, 256), 'tile/entries/005');
    assert.deepEqual(tilesAt(0, 70_000), { full: 273, partial: 112 });
    assert.deepEqual(tilesAt(1, 70_000), { full: 1, partial: 17 });
    assert.deepEqual(tilesAt(2, 70_000), { full: 0, partial: 1 });
  });

  it('are read back, and nothing else is', () => {
    assert.deepEqual(parseTilePath('0/x001/x234/067'), { level: 0, index: 1234067, width: 256 });
    assert.deepEqual(parseTilePath('1/000.p/17'), { level: 1, index: 0, width: 17 });
    assert.deepEqual(parseTilePath('entries/000.p/1'), { level: 'entries', index: 0, width: 1 });
    for (const wrong of [
      '00/000',
      '64/000',
      '0/00',
      '0/x000/000',
      '0/1000',
      '0/000.p/0',
      '0/000.p/256',
      '0/../000',
      '0/x1/000',
    ])
      assert.equal(parseTilePath(wrong), undefined, wrong);
  });
});

describe('the log kept as tiles', () => {
  it('has the roots, paths and consistency proofs of the plain tree at any size, however it grew', async () => {
    const store = await TileStore.open(folder(), source, 0);
    const roots = new Map<number, Uint8Array>();
    for (const size of [1, 255, 256, 257, 511, 5_000, 65_535, 65_536, 65_537, count]) {
      await store.advance(size);
      roots.set(size, await store.root());
      assert.equal(toHex(roots.get(size) ?? Buffer.of()), toHex(treeRoot(size, plain)), `size ${size}`);
    }
    const sizes = [...roots.keys()];
    for (const [at, size] of sizes.entries()) {
      for (const index of [0, Math.floor(size / 2), size - 1]) {
        const proof = await store.inclusion(index, size);
        const leaf = leaves.subarray(index * 32, index * 32 + 32);
        assert.deepEqual(rootFromInclusion(leaf, index, size, proof), roots.get(size));
      }
      const next = sizes[at + 1];
      if (next === undefined) continue;
      const [oldRoot, newRoot] = [roots.get(size), roots.get(next)];
      assert.ok(oldRoot && newRoot && isConsistent(size, oldRoot, next, newRoot, await store.consistency(size, next)));
    }
  });

  it('gives the paths of many leaves at once as it gives each, in the order that was asked for', async () => {
    const store = await TileStore.open(folder(), source, count);
    for (const size of [1, 257, 65_537, count]) {
      const indexes = [size - 1, 0, Math.floor(size / 3), 0, Math.floor(size / 2)];
      const each = await Promise.all(indexes.map((index) => store.inclusion(index, size)));
      assert.deepEqual(await store.inclusions(indexes, size), each);
      await assert.rejects(store.inclusions([0, size], size), RangeError);
    }
  });

  it('serves full and partial tiles of the specification, and no tile that the tree has not', async () => {
    const store = await TileStore.open(folder(), source, count);
    assert.equal((await store.tile({ level: 0, index: 272, width: 256 }))?.byteLength, 8192);
    assert.equal((await store.tile({ level: 0, index: 273, width: 112 }))?.byteLength, 112 * 32);
    assert.deepEqual(await store.tile({ level: 1, index: 0, width: 1 }), plain(8, 0));
    assert.deepEqual(await store.tile({ level: 2, index: 0, width: 1 }), plain(16, 0));
    assert.equal(await store.tile({ level: 0, index: 273, width: 113 }), undefined);
    assert.equal(await store.tile({ level: 0, index: 274, width: 1 }), undefined);
    assert.equal(await store.tile({ level: 9, index: 0, width: 1 }), undefined);
  });

  it('is the same after it is opened again, also when tiles are gone or torn', async () => {
    const place = folder();
    const first = await TileStore.open(place, source, count);
    const [root, path5] = [await first.root(), await first.inclusion(5, count)];
    rmSync(path.join(place, 'tile/0/000'));
    rmSync(path.join(place, 'tile/1/000'));
    writeFileSync(path.join(place, 'tile/0/001'), 'torn');
    const again = await TileStore.open(place, source, count);
    assert.deepEqual(await again.root(), root);
    assert.deepEqual(await again.inclusion(5, count), path5);
    assert.equal(readFileSync(path.join(place, 'tile/0/000')).byteLength, 8192);
  });

  it('goes on from fewer leaves than it has tiles for, as the catalog says', async () => {
    const place = folder();
    await TileStore.open(place, source, 1000);
    const shorter = await TileStore.open(place, source, 300);
    assert.equal(shorter.size, 300);
    assert.deepEqual(await shorter.root(), treeRoot(300, plain));
    await assert.rejects(shorter.root(301), RangeError);
  });

  it('is made again from the catalog when a tile was damaged', async () => {
    const place = folder();
    await TileStore.open(place, source, 1000);
    writeFileSync(path.join(place, 'tile/0/001'), Buffer.alloc(8192));
    const store = await TileStore.open(place, source, 1000);
    assert.notDeepEqual(await store.root(), treeRoot(1000, plain));
    await store.rebuild();
    assert.deepEqual(await store.root(), treeRoot(1000, plain));
    const leaf = leaves.subarray(300 * 32, 301 * 32);
    assert.deepEqual(rootFromInclusion(leaf, 300, 1000, await store.inclusion(300, 1000)), treeRoot(1000, plain));
    await store.advance(1100);
    assert.deepEqual(await store.root(), treeRoot(1100, plain));
  });
});
