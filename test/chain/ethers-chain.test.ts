import assert from 'node:assert/strict';
import { type Server, createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { decodeHead, encodeHeadCall } from '../../src/chain/anchor-log.js';
import { CallReverted, ChainUnavailable, type Hex } from '../../src/chain/chain.js';
import { type Contracts, areDeployed, deployContracts, ratifyProfileSet } from '../../src/chain/deploy.js';
import { type EvmChain, createEthersChain } from '../../src/chain/ethers-chain.js';
import { addressOf } from '../../src/chain/signing.js';
import { type DevChain, PROFILE_SET, startDevChain } from './dev-chain.js';

const other: Hex = `0x${'ab'.repeat(20)}`;

/** An HTTP server that answers with `status`, or never. */
async function endpoint(status: number | 'never'): Promise<{ url: string; server: Server; calls: () => number }> {
  let calls = 0;
  const server = createServer((_, response) => {
    calls += 1;
    if (status !== 'never') response.writeHead(status).end('not a node');
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return { url, server, calls: () => calls };
}

describe('the chain over JSON-RPC', () => {
  let dev: DevChain;
  let chain: EvmChain;

  before(async () => {
    dev = await startDevChain();
    chain = dev.chainOf();
  });
  after(() => dev.stop());

  const chainAt = (url: string | readonly string[], timeoutMs = 100) =>
    createEthersChain({ url, chainId: dev.embedded.chainId, payer: dev.keys.publisher, timeoutMs, retries: 0 });

  it('goes on at the next endpoint when one does not answer, and stays with the one that does', async () => {
    for (const status of [500, 'never'] as const) {
      const broken = await endpoint(status);
      const chosen = chainAt([broken.url, dev.embedded.url], 2_000);
      assert.equal((await chosen.head()).number, (await chain.head()).number);
      await chosen.head();
      assert.equal(broken.calls(), 1);
      await chosen.close();
      broken.server.closeAllConnections();
      broken.server.close();
    }
  });

  it('is unavailable when no endpoint answers within the bound', async () => {
    const [silent, broken] = [await endpoint('never'), await endpoint(503)];
    const away = chainAt([silent.url, broken.url, 'http://127.0.0.1:1']);
    await assert.rejects(away.head(), ChainUnavailable);
    await assert.rejects(away.call(other, '0x'), ChainUnavailable);
    await assert.rejects(away.send('0x00'), ChainUnavailable);
    await away.close();
    for (const { server } of [silent, broken]) {
      server.closeAllConnections();
      server.close();
    }
  });

  it('sends a transaction once, however often it is sent', async () => {
    const nonce = await chain.nextNonce();
    const { raw, txHash } = await chain.sign(other, '0x', nonce);
    assert.equal(await chain.receipt(txHash), undefined);
    await chain.send(raw);
    const receipt = await chain.mined(txHash, 5_000);
    await chain.send(raw);
    const direct = chainAt(dev.embedded.url, 2_000);
    await direct.send(raw);
    await direct.close();
    assert.deepEqual(await chain.receipt(txHash), receipt);
    assert.equal(await chain.nextNonce(), nonce + 1);
  });

  it('offers more for a transaction that replaces one', async () => {
    const nonce = await chain.nextNonce();
    const first = await chain.sign(other, '0x', nonce);
    const again = await chain.sign(other, '0x', nonce);
    const replacement = await chain.sign(other, '0x', nonce, 150);
    assert.equal(first.txHash, again.txHash);
    assert.notEqual(first.txHash, replacement.txHash);
  });

  it('tells a revert apart from a chain that is away, with its data', async () => {
    const pause: Hex = `0x16c38b3c${'1'.padStart(64, '0')}`;
    await assert.rejects(chain.call(dev.contracts.anchorLog, pause), (problem) => {
      assert.ok(problem instanceof CallReverted);
      assert.match(problem.message, /^AnchorLogNotNetwork\(/);
      assert.equal(problem.data.length, 2 + 8 + 64);
      return true;
    });
    await assert.rejects(chain.sign(dev.contracts.anchorLog, pause, await chain.nextNonce()), CallReverted);
  });

  it('reads state as of an older block', async () => {
    const { number } = await chain.head();
    const now = decodeHead(await chain.call(dev.contracts.anchorLog, encodeHeadCall()));
    assert.deepEqual(decodeHead(await chain.call(dev.contracts.anchorLog, encodeHeadCall(), number)), now);
  });
});

describe('deployment', () => {
  let dev: DevChain;
  let deployer: EvmChain;
  let file: string;

  before(async () => {
    dev = await startDevChain();
    deployer = dev.chainOf(dev.keys.deployer);
    file = path.join(dev.folder, 'contracts.json');
  });
  after(() => dev.stop());

  const deploy = () =>
    deployContracts({
      chain: deployer,
      file,
      validators: [addressOf(dev.keys.validator)],
      profileSets: [PROFILE_SET],
      organisation: { identifier: 'urn:test', baseUrl: 'http://localhost/fhir', relay: addressOf(dev.keys.publisher) },
    });

  it('happens once: the next start finds the same contracts and sends nothing', async () => {
    const nonce = await deployer.nextNonce();
    assert.deepEqual(await deploy(), dev.contracts);
    assert.equal(await deployer.nextNonce(), nonce);
  });

  it('happens again when the file names another chain, or code that is not ours', async () => {
    const known = JSON.parse(await readFile(file, 'utf8')) as Contracts;
    assert.equal(await areDeployed(deployer, known), true);
    assert.equal(await areDeployed(deployer, { ...known, chainId: 1 }), false);
    assert.equal(await areDeployed(deployer, { ...known, anchorLog: known.network }), false);
    assert.equal(await areDeployed(deployer, { ...known, consentRegistry: other }), false);
    await writeFile(file, JSON.stringify({ ...known, anchorLog: other }));
    const fresh = await deploy();
    assert.notEqual(fresh.anchorLog, known.anchorLog);
    assert.equal(await areDeployed(deployer, fresh), true);
  });

  it('ratifies a ProfileSet once', async () => {
    const contracts = JSON.parse(await readFile(file, 'utf8')) as Contracts;
    const digest: Hex = `0x${'77'.repeat(32)}`;
    await ratifyProfileSet(deployer, contracts, digest);
    const nonce = await deployer.nextNonce();
    await ratifyProfileSet(deployer, contracts, digest);
    assert.equal(await deployer.nextNonce(), nonce);
  });
});
