/** A chain of the operator's own: an external signer, heads over WebSocket, contracts deployed and attached by `mooring chain`. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { chmod, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it, mock } from 'node:test';
import { WebSocketServer } from 'ws';
import type { AddressInfo } from 'node:net';
import { ChainUnavailable, type Hex } from '../../src/chain/chain.js';
import { createEthersChain } from '../../src/chain/ethers-chain.js';
import { HeadFeed } from '../../src/chain/head-feed.js';
import { privateKeyFrom } from '../../src/chain/keys.js';
import { addressOf } from '../../src/chain/signing.js';
import { remoteSigner, SignerRefused } from '../../src/chain/transaction-signer.js';
import { run as chainCommand } from '../../src/cli/chain.js';
import { TestServer } from '../e2e/server.js';
import { tempFolder } from '../suites/temp.js';
import { type DevChain, startDevChain } from './dev-chain.js';
import { startSigner, type TestSigner } from './signer-process.js';

const keyOf = (label: string) => privateKeyFrom(new Uint8Array(32).fill(9), label);
const payerKeys = ['deployer', 'anchorer', 'publisher'].map(keyOf);

let dev: DevChain;
let signer: TestSigner;
before(async () => {
  dev = await startDevChain();
  signer = await startSigner(payerKeys);
  const seed = new Uint8Array(32).fill(5);
  const derived = [seed, ...['anchorer', 'publisher'].map((role) => privateKeyFrom(seed, role))];
  await dev.embedded.fund([...signer.accounts, ...derived.map(addressOf)]);
});
after(async () => {
  await signer.stop();
  await dev.stop();
});

async function until(what: string, holds: () => boolean): Promise<void> {
  for (const endsAt = performance.now() + 10_000; !holds();) {
    assert.ok(performance.now() < endsAt, what);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('an external signer', () => {
  const to: Hex = `0x${'ab'.repeat(20)}`;
  const chainOf = (url: string) =>
    createEthersChain({
      url: dev.embedded.url,
      chainId: dev.embedded.chainId,
      payer: remoteSigner(url, signer.accounts[1]!, 2_000),
      journal: dev.embedded.journal,
    });

  it('signs what is sent, as Web3Signer and as Clef answer; the account is that of the signer', async () => {
    for (const manner of ['web3signer', 'clef'] as const) {
      signer.behave(manner);
      const chain = chainOf(signer.url);
      assert.equal(chain.address, signer.accounts[1]);
      const { raw, txHash } = await chain.sign(to, '0x', await chain.nextNonce());
      await chain.send(raw);
      assert.equal((await chain.mined(txHash, 10_000)).status, 'success');
      await chain.close();
    }
  });

  it('is not believed when it signs something else, and refusing is told apart from being away', async () => {
    const chain = chainOf(signer.url);
    const nonce = await chain.nextNonce();
    for (const manner of ['another nonce', 'another account', 'nonsense', 'refuses'] as const) {
      signer.behave(manner);
      await assert.rejects(chain.sign(to, '0x', nonce), SignerRefused, manner);
    }
    const away = chainOf('http://127.0.0.1:1');
    await assert.rejects(away.sign(to, '0x', nonce), ChainUnavailable);
    signer.behave('web3signer');
    await chain.sign(to, '0x', nonce);
    await Promise.all([chain.close(), away.close()]);
  });
});

describe('heads over WebSocket', () => {
  it('are told as blocks come, from the next endpoint when one refuses or is away', async () => {
    const refusing = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(refusing, 'listening');
    refusing.on('connection', (socket) =>
      socket.on('message', () =>
        socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, error: { code: -32601, message: 'no such method' } })),
      ),
    );
    const refusal = `ws://127.0.0.1:${(refusing.address() as AddressInfo).port}`;
    const [changes, heads] = [[] as boolean[], { count: 0 }];
    const feed = new HeadFeed({
      urls: ['ws://127.0.0.1:1', refusal, dev.embedded.url.replace('http', 'ws')],
      onHead: () => (heads.count += 1),
      onChange: (isLive) => changes.push(isLive),
      retryMs: 5,
    });
    assert.equal(feed.isLive, false);
    await until('the third endpoint tells', () => feed.isLive);
    const chain = dev.chainOf();
    await dev.transact(chain, `0x${'cd'.repeat(20)}`, '0x');
    await until('the block is told', () => heads.count > 0);
    assert.deepEqual(changes, [true]);
    feed.close();
    refusing.close();
  });

  it('end when the node is gone or silent, and come back with it', async () => {
    let isSilent = false;
    const node = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong: false });
    await once(node, 'listening');
    node.on('connection', (socket) => {
      socket.on('ping', () => void (isSilent || socket.pong()));
      socket.on('message', () => socket.send(JSON.stringify({ jsonrpc: '2.0', id: 1, result: '0x1' })));
    });
    const changes: string[] = [];
    const feed = new HeadFeed({
      urls: [`ws://127.0.0.1:${(node.address() as AddressInfo).port}`],
      onHead: () => undefined,
      onChange: (isLive, reason) => changes.push(`${isLive} ${reason.replace(/^ws:\S+ /, '')}`),
      ...{ retryMs: 5, pingMs: 20, timeoutMs: 500 },
    });
    await until('it is live', () => feed.isLive);
    isSilent = true;
    await until('silence ends it', () => changes.length >= 2);
    isSilent = false;
    await until('it is live again', () => feed.isLive && changes.length >= 3);
    for (const client of node.clients) client.terminate();
    await until('so does the end of the connection', () => changes.length >= 5);
    assert.deepEqual(changes.slice(0, 3), [
      'true tells of new blocks',
      'false no answer to a ping',
      'true tells of new blocks',
    ]);
    feed.close();
    node.close();
  });
});

describe('mooring chain', () => {
  let folder: string;
  let keyFile: string;
  const said: string[] = [];
  const before_ = { ...process.env };
  before(async () => {
    folder = await tempFolder();
    keyFile = path.join(folder, 'payer.key');
    await writeFile(keyFile, `0x${'05'.repeat(32)}`);
    await chmod(keyFile, 0o600);
    mock.method(console, 'log', (text: string) => void said.push(text));
    mock.method(console, 'error', (text: string) => void said.push(text));
  });
  after(() => {
    mock.restoreAll();
    process.env = before_;
  });

  /** @returns exit status, and what was printed. */
  async function chain(args: string[], env: Record<string, string> = {}): Promise<[number, string]> {
    said.length = 0;
    const own = { CHAIN_RPC_URL: dev.embedded.url, CHAIN_ID: String(dev.embedded.chainId), CHAIN_KEY_FILE: keyFile };
    process.env = { DATA_DIR: path.join(folder, 'first'), PUBLIC_URL: 'https://fhir.example.org', ...own, ...env };
    const status = await chainCommand(args);
    return [status, said.join('\n')];
  }

  it('shows the accounts to fund, deploys once, and finds what it deployed', async () => {
    const [status, list] = await chain(['accounts']);
    assert.equal(status, 0);
    assert.match(list, new RegExp(`${addressOf(new Uint8Array(32).fill(5))} .* ether  deploys`));
    assert.equal(list.split('\n').length, 3);
    assert.deepEqual(await chain(['show']).then(([code]) => code), 1, 'nothing is there yet');
    const [deployed, text] = await chain(['deploy']);
    assert.equal(deployed, 0, text);
    const file = path.join(folder, 'first', 'chain', 'contracts.json');
    const contracts = await readFile(file, 'utf8');
    const [again, words] = await chain(['deploy']);
    assert.deepEqual([again, await readFile(file, 'utf8')], [0, contracts]);
    assert.match(words, /there already/);
    assert.equal((await chain(['show']))[0], 0);
  });

  it('attaches contracts that are ours, and no others', async () => {
    const deployed = JSON.parse(
      await readFile(path.join(folder, 'first', 'chain', 'contracts.json'), 'utf8'),
    ) as Record<string, string>;
    const given = path.join(folder, 'given.json');
    const { network, anchorLog, consentRegistry } = deployed;
    const second = { DATA_DIR: path.join(folder, 'second') };
    const attach = async (content: object | string) => {
      await writeFile(given, typeof content === 'string' ? content : JSON.stringify(content));
      return chain(['attach', given], second);
    };
    for (const [content, words] of [
      [{ network, anchorLog: network, consentRegistry }, /not the AnchorLog of this version/],
      [{ network, anchorLog, consentRegistry: `0x${'12'.repeat(20)}` }, /no contract at 0x1212/],
      [{ network, anchorLog, consentRegistry: 'here' }, /consentRegistry is no address/],
      [{ ...deployed, chainId: 1 }, /is about chain 1/],
      ['{', /is no JSON/],
    ] as const) {
      const [status, text] = await attach(content);
      assert.equal(status, 2, text);
      assert.match(text, words);
    }
    assert.equal((await chain(['show'], second))[0], 1, 'nothing was kept of them');
    assert.equal((await attach({ network, anchorLog, consentRegistry, fromBlock: 1 }))[0], 0);
    const kept = JSON.parse(await readFile(path.join(folder, 'second', 'chain', 'contracts.json'), 'utf8')) as object;
    assert.deepEqual(kept, { ...deployed, fromBlock: 1 });
  });

  it('refuses a chain with another id, a chain that is away, the embedded one, and words that it does not know', async () => {
    for (const [args, env, status, words] of [
      [['deploy'], { CHAIN_ID: '1' }, 1, /has the id \d+; CHAIN_ID is 1/],
      [['deploy'], { CHAIN_RPC_URL: 'http://127.0.0.1:1' }, 1, /no endpoint of the chain answered/],
      [['deploy'], { CHAIN_RPC_URL: '', CHAIN_ID: '', CHAIN_KEY_FILE: '' }, 2, /embedded chain/],
      [['detach'], {}, 2, /expected accounts, deploy/],
      [['attach'], {}, 2, /one FILE/],
    ] as const) {
      const [code, text] = await chain([...args], env);
      assert.equal(code, status, text);
      assert.match(text, words);
    }
  });

  it('a server pays by the signer alone, and hears of blocks', async () => {
    const CHAIN_RPC_URL = `${dev.embedded.url},${dev.embedded.url.replace('http', 'ws')}`;
    const own = {
      CHAIN_RPC_URL,
      CHAIN_KEY_FILE: '',
      CHAIN_SIGNER_URL: signer.url,
      CHAIN_SIGNER_ACCOUNTS: signer.accounts.join(),
    };
    const ID = String(dev.embedded.chainId);
    const signedBefore = signer.signed();
    const server = await TestServer.start({ ...own, CHAIN_ID: ID, ANCHOR_MAX_AGE_MS: '10' });
    const made = await server.post('Patient', { resourceType: 'Patient' }, { headers: { Prefer: 'wait=20' } });
    assert.equal((await server.get(`Patient/${made.body.id}/$proof`)).status, 200);
    assert.ok(signer.signed() > signedBefore + 3, 'contracts and the anchor');
    const heads = server.logLines.filter((line) => line.includes('chain-heads'));
    assert.match(heads[0] ?? '', /tells of new blocks/);
    await server.stop();
  });
});
