import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { ChainUnavailable } from '../../src/chain/chain.js';
import { LogDiverged, type AnchorEvent } from '../../src/anchoring/anchorer.js';
import type { AnchorChain } from '../../src/anchoring/batch-sender.js';
import type { StateStore } from '../../src/anchoring/outbox.js';
import { TileStore } from '../../src/anchoring/tile-store.js';
import { anchoredSizes, anchorerOf, settle, startNetwork, type Network } from './harness.js';

describe('the anchorer', () => {
  let network: Network;
  before(async () => {
    network = await startNetwork();
  });
  after(() => network.close());

  it('anchors what the log has in one batch, and nothing when nothing is new', async () => {
    network.log.addMany(5);
    const events: AnchorEvent[] = [];
    const anchorer = anchorerOf(network, { onEvent: (event) => events.push(event) });
    await settle(anchorer);
    await settle(anchorer);
    assert.deepEqual(await anchoredSizes(network), [5]);
    assert.deepEqual(anchorer.status(), { anchoredSize: 5, batch: 1, logSize: 5 });
    assert.deepEqual(
      events.map((event) => event.kind === 'anchored' && [event.batch, event.size, event.leaves]),
      [[1, 5, 5]],
    );
  });

  it('makes a batch when the oldest leaf is old enough or there are enough leaves, not before', async () => {
    const patient = anchorerOf(network, { maxAgeMs: 60_000, maxLeaves: 3 });
    network.log.addMany(2);
    assert.equal(await patient.step(), 'idle');
    assert.deepEqual(await anchoredSizes(network), [5]);
    network.log.addMany(1);
    await settle(patient);
    assert.deepEqual(await anchoredSizes(network), [5, 8]);
    network.log.addMany(1);
    await settle(anchorerOf(network, { maxAgeMs: 0 }));
    assert.deepEqual(await anchoredSizes(network), [5, 8, 9]);
  });

  it('anchors at once what somebody waits for, and tells when it is done or the time is over', async (t) => {
    const anchorer = anchorerOf(network, { maxAgeMs: 60_000 });
    t.after(() => anchorer.close());
    anchorer.start();
    network.log.addMany(1);
    anchorer.notify();
    assert.equal(await anchorer.waitForAnchor(9, 30_000), true);
    assert.equal(await anchorer.waitForAnchor(9, 0), true);
    assert.equal(await anchorer.waitForAnchor(10, 50), false);
    await anchorer.close();
    assert.deepEqual((await anchoredSizes(network)).at(-1), 10);
  });

  it('cuts a batch where the ProfileSet changes', async () => {
    const { openLeafContext } = await import('../../src/anchoring/leaf-context.js');
    const { batchFacts } = await import('../../src/anchoring/batch-facts.js');
    const other = await openLeafContext(network.state, new Uint8Array(32).fill(7), 'https://ehr.example/fhir');
    const header = network.log.versions[0].header;
    const later = { ...header, leafOpening: Buffer.concat([other.id, header.leafOpening.subarray(8)]) };
    const source = {
      state: network.state,
      versionsByLeaf: (from: number, until: number) => network.log.versions.slice(from, until).map(({ row }) => row),
      header: ({ leafIndex }: { leafIndex: number }) => (leafIndex < 3 ? header : later),
    };
    assert.equal((await batchFacts(source, 0, 6)).until, 3);
    assert.equal((await batchFacts(source, 3, 6)).until, 6);
  });

  it('goes on when a tile was damaged: the catalog has the leaves', async () => {
    network.log.addMany(300);
    await settle(anchorerOf(network));
    writeFileSync(path.join(network.folder, 'log', 'tile', '0', '000'), Buffer.alloc(8192));
    network.tiles = await TileStore.open(path.join(network.folder, 'log'), network.log, 310);
    network.log.addMany(1);
    await settle(anchorerOf(network));
    assert.equal((await anchoredSizes(network)).at(-1), 311);
  });

  it('refuses to anchor onto a head that its log does not lead to', async () => {
    const empty = await TileStore.open(`${network.folder}/other`, network.log, 0);
    await assert.rejects(anchorerOf(network, { tiles: empty, leafCount: () => 3 }).step(), LogDiverged);
    const forged = { leaves: (from: number, until: number) => Buffer.alloc(32 * (until - from), 1) };
    const forked = await TileStore.open(`${network.folder}/forked`, forged, 20);
    await assert.rejects(anchorerOf(network, { tiles: forked, leafCount: () => 20 }).step(), LogDiverged);
  });
});

/** Each durable step fails in two ways: it did not happen, or it happened and the answer was lost. */
const faults: { at: 'putState' | 'send' | 'sign' | 'call' | 'receipt' | 'head'; times: number }[] = [
  { at: 'call', times: 1 },
  { at: 'sign', times: 1 },
  { at: 'putState', times: 2 },
  { at: 'send', times: 1 },
  { at: 'receipt', times: 2 },
  { at: 'head', times: 2 },
];

describe('the anchorer after a fault', () => {
  let network: Network;
  before(async () => {
    network = await startNetwork();
  });
  after(() => network.close());

  for (const { at, times } of faults)
    for (let nth = 1; nth <= times; nth += 1)
      for (const way of ['is lost', 'takes effect but its answer is lost'] as const)
        it(`anchors every leaf exactly once when call ${nth} of ${at} ${way}, and the process ends there`, async () => {
          const sizes = await anchoredSizes(network);
          network.log.addMany(3);
          const total = network.log.versions.length;
          const failing = failingAt(network, at, nth, way === 'is lost');
          const broken = anchorerOf(network, failing);
          await assert.rejects(settle(broken), /injected/);
          // A new process: another anchorer, tiles opened from disk.
          network.tiles = await TileStore.open(`${network.folder}/log`, network.log, total);
          await settle(anchorerOf(network));
          assert.deepEqual(await anchoredSizes(network), [...sizes, total]);
        });

  it('goes on by itself, in the same process, after each of them', async () => {
    for (const { at } of faults) {
      network.log.addMany(1);
      const anchorer = anchorerOf(network, failingAt(network, at, 1, false));
      anchorer.start();
      assert.equal(await anchorer.waitForAnchor(network.log.versions.length - 1, 20_000), true, at);
      await anchorer.close();
    }
    const sizes = await anchoredSizes(network);
    assert.equal(new Set(sizes).size, sizes.length);
    assert.equal(sizes.at(-1), network.log.versions.length);
  });
});

function failingAt(network: Network, at: string, nth: number, isLost: boolean) {
  let left = nth;
  const wrap = <Target extends object>(target: Target): Target =>
    new Proxy(target, {
      get(object, name: string) {
        const member = Reflect.get(object, name) as unknown;
        if (typeof member !== 'function') return member;
        return async (...args: unknown[]) => {
          const fails = name === at && (left -= 1) === 0;
          if (fails && isLost) throw new ChainUnavailable(`injected: ${at} did not happen`);
          const result = (await Reflect.apply(member, object, args)) as unknown;
          if (fails) throw new ChainUnavailable(`injected: the answer of ${at} was lost`);
          return result;
        };
      },
    });
  return { chain: wrap<AnchorChain>(network.chain), state: wrap<StateStore>(network.state) };
}

describe('the anchorer and a chain that', () => {
  it('is away for a while catches up with one batch when it is back', async () => {
    const network = await startNetwork();
    try {
      let isAway = true;
      const chain = new Proxy<AnchorChain>(network.chain, {
        get: (object, name) => {
          const member = Reflect.get(object, name) as unknown;
          if (typeof member !== 'function') return member;
          return (...args: unknown[]) =>
            isAway ? Promise.reject(new ChainUnavailable('away')) : (Reflect.apply(member, object, args) as unknown);
        },
      });
      const problems: AnchorEvent[] = [];
      const anchorer = anchorerOf(network, {
        chain,
        onEvent: (event) => event.kind === 'problem' && problems.push(event),
      });
      anchorer.start();
      network.log.addMany(4);
      assert.equal(await anchorer.waitForAnchor(0, 300), false);
      network.log.addMany(4);
      assert.deepEqual(problems, [{ kind: 'problem', message: 'away', isChainAway: true }]);
      assert.equal(anchorer.status().problem, 'away');
      isAway = false;
      assert.equal(await anchorer.waitForAnchor(7, 20_000), true);
      assert.equal(anchorer.status().problem, undefined);
      await anchorer.close();
      assert.deepEqual(await anchoredSizes(network), [8]);
    } finally {
      await network.close();
    }
  });

  it('lost its newest blocks gets the same batches again, in order, each once', async () => {
    const network = await startNetwork();
    try {
      const rpc = async (method: string, ...params: unknown[]) => {
        const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
        const response = await fetch(network.embedded.url, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
        });
        return ((await response.json()) as { result: unknown }).result;
      };
      // A chain without journal: what a reverted block held is gone.
      const { createEthersChain } = await import('../../src/chain/ethers-chain.js');
      const { privateKeyOf } = await import('./harness.js');
      const { url, chainId } = network.embedded;
      const chain = createEthersChain({ url, chainId, payer: privateKeyOf('anchorer') });
      const anchorer = anchorerOf(network, { chain });
      network.log.addMany(1);
      await settle(anchorer);
      const snapshot = await rpc('evm_snapshot');
      for (let round = 0; round < 3; round += 1) {
        network.log.addMany(2);
        await settle(anchorer);
      }
      assert.deepEqual(await anchoredSizes(network), [1, 3, 5, 7]);
      assert.equal(await rpc('evm_revert', snapshot), true);
      assert.deepEqual(await anchoredSizes(network), [1]);
      await settle(anchorer);
      assert.deepEqual(await anchoredSizes(network), [1, 3, 5, 7]);
      const record = await anchorer.batchOf(4);
      assert.equal(record?.batch, 3);
      const receipt = record?.mined && (await chain.receipt(record.mined.txHash));
      assert.equal(receipt?.blockHash, record?.mined?.blockHash);

      network.log.addMany(1);
      await settle(anchorerOf(network, { chain }));
      assert.deepEqual(await anchoredSizes(network), [1, 3, 5, 7, 8]);
      await chain.close();
    } finally {
      await network.close();
    }
  });

  it('does not mine a transaction gets it again with a higher fee, and takes one of them', async () => {
    const network = await startNetwork();
    try {
      const rpc = async (method: string, ...params: unknown[]) => {
        const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
        await fetch(network.embedded.url, { method: 'POST', headers: { 'content-type': 'application/json' }, body });
      };
      const { createEthersChain } = await import('../../src/chain/ethers-chain.js');
      const { privateKeyOf } = await import('./harness.js');
      const { url, chainId } = network.embedded;
      const chain = createEthersChain({ url, chainId, payer: privateKeyOf('anchorer') });
      await rpc('evm_setAutomine', false);
      const sent: string[] = [];
      const counting: AnchorChain = new Proxy(chain, {
        get: (object, name) =>
          name === 'send'
            ? (raw: `0x${string}`) => (sent.push(raw), object.send(raw))
            : (Reflect.get(object, name) as unknown),
      });
      const anchorer = anchorerOf(network, { chain: counting, bumpAfterMs: 50 });
      network.log.addMany(2);
      anchorer.start();
      assert.equal(await anchorer.waitForAnchor(1, 700), false);
      assert.ok(sent.length >= 2, 'it was sent again');
      assert.equal(new Set(sent).size, sent.length);
      await rpc('evm_setAutomine', true);
      await rpc('evm_mine');
      assert.equal(await anchorer.waitForAnchor(1, 20_000), true);
      await anchorer.close();
      await chain.close();
      assert.deepEqual(await anchoredSizes(network), [2]);
    } finally {
      await network.close();
    }
  });

  it('asks for more confirmations than there are is waited for', async () => {
    const network = await startNetwork();
    try {
      const anchorer = anchorerOf(network, { confirmations: 3 });
      network.log.addMany(1);
      anchorer.start();
      assert.equal(await anchorer.waitForAnchor(0, 300), false);
      assert.deepEqual(await anchoredSizes(network), [1]);
      await fetch(network.embedded.url, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'anvil_mine', params: ['0x2'] }),
      });
      assert.equal(await anchorer.waitForAnchor(0, 20_000), true);
      await anchorer.close();
    } finally {
      await network.close();
    }
  });
});
