import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MongoClient } from 'mongodb';
import { startWireServer } from './support/ferretdb.js';
import { startGeth } from './support/geth.js';
import { startKubo } from './support/kubo.js';

test('a Mongo wire server keeps documents over kill -9 and refuses a second one with the same _id', async (t) => {
  const server = await startWireServer();
  t.after(() => server.stop());
  const insert = async (n: number) => {
    const client = new MongoClient(server.url, { serverSelectionTimeoutMS: 5_000 });
    try {
      await client.db('engines').collection<{ _id: string; n: number }>('thing').insertOne({ _id: 'one', n });
    } finally {
      await client.close();
    }
  };
  await insert(1);
  await server.kill();
  await server.restart();
  await assert.rejects(insert(2), { code: 11_000 });
});

test('Kubo: what one node stores, its peer reads', async (t) => {
  const nodes = await Promise.all([startKubo(), startKubo()]);
  t.after(() => Promise.all(nodes.map((node) => node.stop())));
  const [one, two] = nodes as [(typeof nodes)[0], (typeof nodes)[0]];
  await one.connect(two);
  const form = new FormData();
  form.append('data', new Blob(['sealed']));
  const stored = await fetch(`${one.url}/api/v0/block/put?cid-codec=raw`, { method: 'POST', body: form });
  const { Key } = (await stored.json()) as { Key: string };
  const read = await fetch(`${two.url}/api/v0/block/get?arg=${Key}`, { method: 'POST' });
  assert.equal(await read.text(), 'sealed');
});

test('geth: four sealers go on with one away, stop when cut in half, and agree again afterwards', async (t) => {
  const network = await startGeth({ sealers: 4 });
  t.after(() => network.stop());
  const head = async (index: number) => Number(await network.nodes[index]!.rpc<string>('eth_blockNumber'));
  const grows = async (index: number, byMs: number) => {
    const before = await head(index);
    for (const end = performance.now() + byMs; performance.now() < end; await pause(100)) {
      if ((await head(index)) > before + 1) return true;
    }
    return false;
  };
  await network.nodes[3]!.kill();
  assert.equal(await grows(0, 20_000), true);
  await network.nodes[3]!.restart();
  await network.heal();
  await network.partition([0, 1], [2, 3]);
  await pause(3_000);
  assert.equal(await grows(0, 5_000), false);
  await network.heal();
  assert.equal(await grows(0, 20_000), true);
  assert.equal(await grows(3, 20_000), true);
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
