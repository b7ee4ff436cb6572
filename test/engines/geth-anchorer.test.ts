import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { toHex } from '../../src/base/bytes.js';
import { decodeHead, encodeHeadCall } from '../../src/chain/anchor-log.js';
import type { Hex } from '../../src/chain/chain.js';
import { deployContracts } from '../../src/chain/deploy.js';
import { createEthersChain, type EvmChain } from '../../src/chain/ethers-chain.js';
import { addressOf } from '../../src/chain/signing.js';
import { Outbox } from '../../src/anchoring/outbox.js';
import { TileStore } from '../../src/anchoring/tile-store.js';
import {
  anchoredSizes,
  anchorerOf,
  fileState,
  privateKeyOf,
  profileSet,
  TestLog,
  type Network,
} from '../anchoring/harness.js';
import { startGeth, type GethNetwork } from './support/geth.js';

describe('four geth nodes that seal by turns', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mooring-geth-anchorer-'));
  let geth: GethNetwork;
  let network: Network;
  const opened: EvmChain[] = [];

  before(async () => {
    const sender = privateKeyOf('anchorer');
    geth = await startGeth({ sealers: 4, funded: [addressOf(sender)] });
    const chainAt = (index: number) => {
      const chain = createEthersChain({ url: geth.nodes[index].url, chainId: geth.chainId, payer: sender });
      opened.push(chain);
      return chain;
    };
    const chain = chainAt(0);
    const contracts = await deployContracts({
      chain,
      file: path.join(folder, 'contracts.json'),
      validators: [addressOf(privateKeyOf('validator'))],
      profileSets: [`0x${toHex(profileSet)}`],
      organisation: { identifier: 'test', baseUrl: 'https://ehr.example/fhir', relay: addressOf(sender) },
      timeoutMs: 120_000,
    });
    const state = fileState(path.join(folder, 'state'));
    const log = await TestLog.open(state);
    const tiles = await TileStore.open(path.join(folder, 'log'), log, 0);
    network = { folder, contracts, state, log, tiles, chain } as unknown as Network;
  });
  after(async () => {
    await Promise.all(opened.map((chain) => chain.close()));
    await geth.stop();
    rmSync(folder, { recursive: true });
  });

  it('end with each batch once, whichever blocks a partition takes back', async (t) => {
    const { chain, contracts, log, state } = network;
    const anchorer = anchorerOf(network, { confirmations: 4, bumpAfterMs: 10_000 });
    const outbox = new Outbox(state, geth.chainId, contracts.anchorLog);
    anchorer.start();
    t.after(() => anchorer.close());
    const headAt = async () => decodeHead(await chain.call(contracts.anchorLog, encodeHeadCall()));
    log.addMany(10);
    anchorer.notify();
    assert.equal(await anchorer.waitForAnchor(9, 120_000), true);
    let reorganised = 0;
    for (let round = 0; round < 20 && reorganised === 0; round += 1) {
      log.addMany(10);
      anchorer.notify();
      await new Promise((resolve) => setTimeout(resolve, (round % 4) * 250));
      // Cut in two, or alone: a part that is too small seals a block or two more, in which the batch may be.
      await (round % 2 === 0 ? geth.partition([0, 1], [2, 3]) : geth.partition([0], [1, 2, 3]));
      const until = performance.now() + 5_000;
      let inFork: { number: number; hash: Hex } | undefined;
      while (inFork === undefined && performance.now() < until) {
        const { size, batch } = await headAt();
        const mined = size === log.versions.length ? (await outbox.get(batch))?.mined : undefined;
        if (mined !== undefined) inFork = { number: mined.blockNumber, hash: mined.blockHash };
        await new Promise((resolve) => setTimeout(resolve, 200));
      }
      await new Promise((resolve) => setTimeout(resolve, 2_500));
      await geth.heal();
      assert.equal(await anchorer.waitForAnchor(log.versions.length - 1, 120_000), true);
      if (inFork === undefined) continue;
      const block = await geth.nodes[1].rpc<{ hash: Hex }>(
        'eth_getBlockByNumber',
        `0x${inFork.number.toString(16)}`,
        false,
      );
      if (block.hash !== inFork.hash) reorganised += 1;
    }
    assert.ok(reorganised > 0, 'no batch was ever in a block that was taken back');
    const sizes = await anchoredSizes(network);
    assert.deepEqual(
      sizes,
      [...new Set(sizes)].sort((a, b) => a - b),
      'each batch once, in order',
    );
    assert.equal(sizes.at(-1), log.versions.length);
    t.diagnostic(`${sizes.length} batches; ${reorganised} taken back and anchored again`);
  });
});
