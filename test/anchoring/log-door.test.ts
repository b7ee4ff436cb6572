import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sha256, toHex } from '../../src/base/bytes.js';
import { openCheckpoint } from '../../src/anchoring/checkpoint.js';
import { createLogDoor, originOf } from '../../src/anchoring/log-door.js';
import {
  hashChildren,
  hashRow,
  isConsistent,
  treeRoot,
  consistencyProof,
  inclusionProof,
  rootFromInclusion,
  type NodeSource,
} from '../../src/anchoring/merkle.js';
import { noteSigner, parseVerifierKey } from '../../src/anchoring/note.js';
import { TileStore } from '../../src/anchoring/tile-store.js';
import { tilePath, tilesAt } from '../../src/anchoring/tiles.js';

const leaves = Buffer.concat(Array.from({ length: 700 }, (_, n) => sha256(Buffer.from(`leaf ${n}`))));
const source = { leaves: (from: number, until: number) => leaves.subarray(from * 32, until * 32) };

describe('the log over HTTP', () => {
  let [folder, base] = ['', ''];
  let tiles: TileStore;
  let server: Server;
  before(async () => {
    folder = mkdtempSync(path.join(tmpdir(), 'mooring-log-'));
    tiles = await TileStore.open(folder, source, 600);
    const door = createLogDoor(tiles, noteSigner(originOf('https://ehr.example/'), Buffer.alloc(32, 3)));
    server = createServer((request, response) => {
      if (!door.serve(request, response)) response.writeHead(418).end();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/log`;
  });
  after(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });
  const get = async (name: string) => fetch(`${base}/${name}`);
  const checkpoint = async () => {
    const key = parseVerifierKey((await (await get('key')).text()).trim());
    return openCheckpoint(await (await get('checkpoint')).text(), 'ehr.example/log', [key]);
  };

  it('gives a monitor a signed checkpoint and all tiles from which every proof can be made', async () => {
    const { size, root } = await checkpoint();
    assert.equal(size, 600);
    const rows: Buffer[] = [];
    for (let level = 0; tilesAt(level, size).full + tilesAt(level, size).partial > 0; level += 1) {
      const { full, partial } = tilesAt(level, size);
      const names = Array.from({ length: full }, (_, index) => ({ level, index, width: 256 }));
      if (partial > 0) names.push({ level, index: full, width: partial });
      const parts = await Promise.all(
        names.map(async (name) => Buffer.from(await (await get(tilePath(name))).arrayBuffer())),
      );
      rows.push(Buffer.concat(parts));
    }
    const node: NodeSource = (level, index) =>
      level % 8 === 0
        ? rows[level / 8].subarray(index * 32, index * 32 + 32)
        : hashChildren(node(level - 1, 2 * index), node(level - 1, 2 * index + 1));
    assert.equal(toHex(treeRoot(size, node)), toHex(root));
    assert.equal(toHex(hashRow(rows[0].subarray(0, 64))), toHex(node(1, 0)));
    const leaf = leaves.subarray(32 * 599, 32 * 600);
    assert.deepEqual(
      toHex(rootFromInclusion(leaf, 599, size, inclusionProof(599, size, node)) ?? Buffer.of()),
      toHex(root),
    );
  });

  it('grows by an extension of what it signed before', async () => {
    const old = await checkpoint();
    await tiles.advance(700);
    const now = await checkpoint();
    assert.equal(now.size, 700);
    assert.ok(isConsistent(old.size, old.root, now.size, now.root, await tiles.consistency(old.size, now.size)));
    assert.throws(() => consistencyProof(701, 700, () => leaves), RangeError);
  });

  it('says how long each thing may be kept', async () => {
    assert.match((await get('tile/0/000')).headers.get('cache-control') ?? '', /immutable/);
    assert.equal((await get('tile/0/000')).headers.get('content-type'), 'application/octet-stream');
    assert.match((await get('checkpoint')).headers.get('cache-control') ?? '', /max-age=2$/);
  });

  it('has nothing else: 404 beside what there is, 405 for other methods', async () => {
    assert.equal((await get('tile/0/001.p/1')).status, 200);
    for (const absent of [
      'tile/0/003',
      'tile/0/002.p/255',
      'tile/9/000',
      'tile/entries/000',
      'tile/0/..%2f..%2fetc',
      'tile/',
      'other',
    ])
      assert.equal((await get(absent)).status, 404, absent);
    assert.equal((await fetch(`${base}/checkpoint`, { method: 'POST' })).status, 405);
    assert.equal((await fetch(base.replace('/log', '/fhir'))).status, 418);
  });
});
