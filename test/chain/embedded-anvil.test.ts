import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { Hex } from '../../src/chain/chain.js';
import { type EmbeddedChain, startEmbeddedChain } from '../../src/chain/embedded-anvil.js';
import { createEthersChain } from '../../src/chain/ethers-chain.js';
import { JsonRpc } from '../../src/chain/json-rpc.js';
import { addressOf } from '../../src/chain/signing.js';

const privateKey = new Uint8Array(32).fill(3);
const other: Hex = `0x${'ab'.repeat(20)}`;

async function inFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(path.join(tmpdir(), 'anvil-'));
  try {
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function sendSome(embedded: EmbeddedChain, count: number): Promise<Hex[]> {
  const chain = createEthersChain({ ...pick(embedded), payer: privateKey, journal: embedded.journal });
  const hashes: Hex[] = [];
  for (let i = 0; i < count; i += 1) {
    const { raw, txHash } = await chain.sign(other, '0x', await chain.nextNonce());
    await chain.send(raw);
    hashes.push(txHash);
  }
  await chain.close();
  return hashes;
}

const pick = ({ url, chainId }: EmbeddedChain) => ({ url, chainId });

async function blockOf(embedded: EmbeddedChain, txHash: Hex): Promise<string> {
  const chain = createEthersChain({ ...pick(embedded), payer: privateKey });
  const receipt = await chain.receipt(txHash);
  await chain.close();
  return receipt === undefined ? 'missing' : `${receipt.blockNumber} ${receipt.blockHash}`;
}

/** Process id of the anvil that listens on the port of `url`. */
function anvilPid(embedded: EmbeddedChain): number {
  const processes = execFileSync('ps', ['-eo', 'pid,ppid,args'], { encoding: 'utf8' }).split('\n');
  const shells = processes.filter(
    (line) => line.includes('sh -c exec 3<&0') && Number(line.trim().split(/\s+/)[1]) === process.pid,
  );
  const pids = shells.map((line) => line.trim().split(/\s+/)[0] as string);
  const anvil = processes.find(
    (line) => pids.includes(line.trim().split(/\s+/)[1] as string) && /bin\/anvil/.test(line),
  );
  assert.ok(anvil !== undefined, `no anvil for ${embedded.url}`);
  return Number(anvil.trim().split(/\s+/)[0]);
}

describe('the embedded chain', () => {
  it('has every block again after a clean stop', () =>
    inFolder(async (folder) => {
      const first = await startEmbeddedChain({ folder });
      await first.fund([addressOf(privateKey)]);
      const hashes = await sendSome(first, 3);
      const blocks = await Promise.all(hashes.map((hash) => blockOf(first, hash)));
      await first.stop();

      const second = await startEmbeddedChain({ folder });
      assert.deepEqual(await Promise.all(hashes.map((hash) => blockOf(second, hash))), blocks);
      assert.equal(blocks.includes('missing'), false);
      assert.equal((await sendSome(second, 1)).length, 1);
      await second.stop();
    }));

  it('comes back by itself, with the same blocks on the same port, when anvil is killed', () =>
    inFolder(async (folder) => {
      let restarted: () => void = () => undefined;
      const isBack = new Promise<void>((resolve) => (restarted = resolve));
      const onEvent = (event: string) => event === 'chain-restarted' && restarted();
      // A snapshot in the middle, so that both it and the journal are used.
      const embedded = await startEmbeddedChain({ folder, snapshotEvery: 4, onEvent });
      await embedded.fund([addressOf(privateKey)]);
      const hashes = await sendSome(embedded, 6);
      const blocks = await Promise.all(hashes.map((hash) => blockOf(embedded, hash)));
      const { url } = embedded;
      process.kill(anvilPid(embedded), 'SIGKILL');
      await isBack;
      assert.equal(embedded.url, url);
      assert.deepEqual(await Promise.all(hashes.map((hash) => blockOf(embedded, hash))), blocks);
      const [next] = await sendSome(embedded, 1);
      assert.notEqual(await blockOf(embedded, next as Hex), 'missing');
      await embedded.stop();
    }));

  it('drops a journal line that a crash cut, and keeps those before it', () =>
    inFolder(async (folder) => {
      const first = await startEmbeddedChain({ folder });
      await first.fund([addressOf(privateKey)]);
      const hashes = await sendSome(first, 2);
      const journal = path.join(folder, 'journal.ndjson');
      const written = await readFile(journal, 'utf8');
      await first.stop();
      await rm(path.join(folder, 'state.json'));
      await writeFile(journal, `${written}{"kind":"transaction","ti`);

      const second = await startEmbeddedChain({ folder });
      assert.notEqual(await blockOf(second, hashes[0] as Hex), 'missing');
      assert.notEqual(await blockOf(second, hashes[1] as Hex), 'missing');
      await second.stop();
    }));

  it('ends anvil when it stops, and when its owner is killed', () =>
    inFolder(async (folder) => {
      const module = new URL('../../src/chain/embedded-anvil.js', import.meta.url).href;
      const script = `const { startEmbeddedChain } = await import(${JSON.stringify(module)});
        const chain = await startEmbeddedChain({ folder: ${JSON.stringify(folder)} });
        process.stdout.write(chain.url);
        setTimeout(() => process.kill(process.pid, 'SIGKILL'), 10);`;
      let output = '';
      try {
        execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
      } catch (problem) {
        output = (problem as { stdout: string }).stdout;
      }
      assert.match(output, /^http:\/\/127\.0\.0\.1:\d+$/);
      const rpc = new JsonRpc({ urls: [output], timeoutMs: 500, retries: 0 });
      let isGone = false;
      for (let attempt = 0; attempt < 200 && !isGone; attempt += 1) {
        isGone = await rpc.call('eth_chainId').then(
          () => false,
          () => true,
        );
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      assert.equal(isGone, true);
      rpc.close();
    }));
});
