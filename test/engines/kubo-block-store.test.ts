import assert from 'node:assert/strict';
import { createServer, request as forward } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test, type TestContext } from 'node:test';
import { sha256 } from '../../src/base/bytes.js';
import type { SealedBlock } from '../../src/ipfs/block-store.js';
import { exportCar, importCar } from '../../src/ipfs/car.js';
import { cidOf, cidText } from '../../src/ipfs/cid.js';
import { openKuboBlockStore, type KuboBlockStore } from '../../src/ipfs/kubo-block-store.js';
import { openLocalBlockStore } from '../../src/ipfs/local-block-store.js';
import { blockStoreSuite, randomBlock } from '../suites/block-store.js';
import { tempFolder } from '../suites/temp.js';
import { startKubo, type KuboNode } from './support/kubo.js';

const nodes: KuboNode[] = [];
before(async () => {
  nodes.push(...(await Promise.all([startKubo(), startKubo()])));
});
after(() => Promise.all(nodes.map((node) => node.stop())));

async function openStore(
  t: TestContext,
  urls: readonly string[],
  more: { replicas?: number; acknowledged?: number } = {},
): Promise<KuboBlockStore> {
  const options = { urls, replicas: urls.length, timeoutMs: 3_000, cacheBytes: 0, repairMs: 0, ...more };
  const store = await openKuboBlockStore(options);
  t.after(() => store.close());
  return store;
}

/** The suite counts what the store holds: each test begins with an empty one. */
async function openEmpty(t: TestContext) {
  const urls = [nodes[0]!.url];
  const store = await openStore(t, urls);
  const held = [];
  for await (const digest of store.list()) held.push(digest);
  await store.delete(held);
  return { store, reopen: () => openStore(t, urls) };
}

blockStoreSuite('Kubo', openEmpty);

test('Kubo: the same bytes have the same CID as in the embedded store, and CARs go both ways', async (t) => {
  const { store } = await openEmpty(t);
  const local = await openLocalBlockStore(await tempFolder());
  t.after(() => local.close());
  const blocks = Array.from({ length: 30 }, () => randomBlock(2_000));
  await local.put(blocks);
  assert.equal(await importCar(store, exportCar(local, local.list())), 30);
  const cids = async (from: AsyncIterable<Uint8Array>) => {
    const list: string[] = [];
    for await (const digest of from) list.push(cidText(digest));
    return list.sort();
  };
  assert.deepEqual(await cids(store.list()), await cids(local.list()));
  const { digest, bytes } = blocks[7]!;
  const raw = await fetch(`${nodes[0]!.url}/api/v0/block/get?arg=${cidText(digest)}`, { method: 'POST' });
  assert.deepEqual(Buffer.from(await raw.arrayBuffer()), bytes);
  await local.delete([digest]);
  assert.equal(await importCar(local, exportCar(store, [digest])), 1);
  assert.deepEqual(Buffer.from(await local.get(digest)), bytes);
});

test('Kubo: a second server on another node reads what the first stored, once the nodes are peers', async (t) => {
  const [first, second] = [await openStore(t, [nodes[0]!.url]), await openStore(t, [nodes[1]!.url])];
  const [one, two] = [randomBlock(), randomBlock()];
  await first.put([one, two]);
  assert.equal(await second.has(one.digest), false);
  await nodes[0]!.connect(nodes[1]!);
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  assert.deepEqual(Buffer.from(await second.get(one.digest)), one.bytes);
  await nodes[0]!.rpc(`swarm/disconnect?arg=${encodeURIComponent(nodes[1]!.address)}`);
});

test('Kubo: pinned blocks outlive a garbage collection; after a deletion neither pin nor bytes are left, neighbours are', async (t) => {
  const { store } = await openEmpty(t);
  const [one, two, three] = [randomBlock(), randomBlock(), randomBlock()];
  await store.put([one, two, three]);
  await nodes[0]!.rpc('repo/gc?quiet=true&silent=true');
  assert.deepEqual(Buffer.from(await store.get(two.digest)), two.bytes);
  await store.delete([two.digest]);
  await nodes[0]!.rpc('repo/gc?quiet=true&silent=true');
  assert.equal(await store.has(two.digest), false);
  for (const { digest, bytes } of [one, three]) assert.deepEqual(Buffer.from(await store.get(digest)), bytes);
});

test('Kubo: with two replicas one node may be away; when it is back it gets what it missed', async (t) => {
  const store = await openStore(
    t,
    nodes.map(({ url }) => url),
  );
  await nodes[1]!.kill();
  const blocks = Array.from({ length: 5 }, () => randomBlock());
  await store.put(blocks);
  for (const { digest, bytes } of blocks) assert.deepEqual(Buffer.from(await store.get(digest)), bytes);
  await nodes[1]!.restart();
  const alone = await openStore(t, [nodes[1]!.url]);
  await arrived(alone, blocks);
  for (let tries = 0; store.repair.pending > 0 && tries < 100; tries += 1) await pause(100);
  assert.equal(store.repair.pending, 0);
  for (const { digest, bytes } of blocks) assert.deepEqual(Buffer.from(await alone.get(digest)), bytes);
});

test('Kubo: what one node lost is found by comparing pins, and copied from the other', async (t) => {
  const store = await openStore(
    t,
    nodes.map(({ url }) => url),
  );
  const blocks = Array.from({ length: 5 }, () => randomBlock());
  await store.put(blocks);
  await arrived(await openStore(t, [nodes[1]!.url]), blocks);
  const alone = await openStore(t, [nodes[0]!.url]);
  await alone.delete(blocks.map(({ digest }) => digest));
  assert.equal(await alone.has(blocks[0]!.digest), false);
  assert.ok((await store.repair.run()) >= 1);
  assert.equal(await alone.has(blocks[0]!.digest), true);
  assert.equal(await store.repair.run(), 0);
});

test('Kubo: a write that must be on two nodes is refused while one is away; one that may be on one is taken', async (t) => {
  const urls = nodes.map(({ url }) => url);
  const strict = await openStore(t, urls, { acknowledged: 2 });
  const lenient = await openStore(t, urls);
  await nodes[1]!.kill();
  await assert.rejects(strict.put([randomBlock()]), { name: 'BlockStoreUnavailable' });
  await lenient.put([randomBlock()]);
  await nodes[1]!.restart();
  await strict.put([randomBlock()]);
});

test('Kubo: when no node answers, reads and writes say so; a block that is away is not called missing', async (t) => {
  const store = await openStore(t, ['http://127.0.0.1:9']);
  await assert.rejects(store.put([randomBlock()]), { name: 'BlockStoreUnavailable' });
  await assert.rejects(store.get(sha256(Buffer.from('x'))), { name: 'BlockStoreUnavailable' });
  await assert.rejects(store.ping(), { name: 'BlockStoreUnavailable' });
});

test('Kubo: bytes other than the CID says are refused', async (t) => {
  const { store } = await openEmpty(t);
  const { digest, bytes } = randomBlock();
  await store.put([{ digest, bytes }]);
  const [node] = store.nodes;
  t.mock.method(node!, 'local', () => Promise.resolve(Buffer.from('other')));
  t.mock.method(node!, 'fromPeers', () => Promise.resolve(undefined));
  await assert.rejects(store.get(digest), { name: 'BlockCorrupt', message: new RegExp(cidOf(digest).toString()) });
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until a node has the blocks: a write resolves when enough nodes have it, and goes on to the others. */
async function arrived(alone: KuboBlockStore, blocks: readonly SealedBlock[]): Promise<void> {
  const has = async () => (await Promise.all(blocks.map(({ digest }) => alone.has(digest)))).every(Boolean);
  for (let tries = 0; tries < 100 && !(await has()); tries += 1) await pause(100);
}

test('Kubo: what a scrape asks for looks at no pin, and is asked of the node once in five minutes', async (t) => {
  const asked: string[] = [];
  const target = new URL(nodes[0]!.url);
  const spy = createServer((request, response) => {
    asked.push(request.url!.replace(/^\/api\/v0\/([^?]*).*/, '$1'));
    const { method, headers, url } = request;
    request.pipe(
      forward({ host: target.hostname, port: target.port, method, headers, path: url }, (answer) => {
        response.writeHead(answer.statusCode!, answer.headers);
        answer.pipe(response);
      }),
    );
  });
  await new Promise<void>((resolve) => spy.listen(0, '127.0.0.1', resolve));
  t.after(() => spy.close());
  const store = await openStore(t, [`http://127.0.0.1:${(spy.address() as AddressInfo).port}`]);
  await store.put([randomBlock(), randomBlock()]);
  asked.length = 0;
  const first = await store.usage();
  assert.ok(first.blocks >= 3, 'two blocks and the manifest that names them');
  assert.ok(first.sizeBytes > 200);
  assert.deepEqual(await store.usage(), first);
  assert.deepEqual(asked, ['repo/stat']);
  await store.size();
  assert.ok(asked.includes('pin/ls'), 'the exact count does look at pins');
});
