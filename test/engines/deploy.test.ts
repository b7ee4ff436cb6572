/** deploy/ as far as it goes without a container engine: members that Kubernetes knows, and the chain's start script with the real geth. */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { createEthersChain } from '../../src/chain/ethers-chain.js';
import { privateKeyFrom } from '../../src/chain/keys.js';
import { addressOf } from '../../src/chain/signing.js';
import { remoteSigner, SignerRefused } from '../../src/chain/transaction-signer.js';
import { kubernetes, objectOf, type Manifest } from '../deploy/manifests.js';
import { TestServer } from '../e2e/server.js';
import { engineBinary, freePort } from './support/engine-process.js';
import { startGeth, type GethNetwork } from './support/geth.js';

const repository = fileURLToPath(new URL('../../../', import.meta.url));

/** Unknown and misspelt members: each object as a literal of its own type, which the compiler checks for excess members. */
function excessMembers(manifests: readonly Manifest[]): string[] {
  const lines = manifests.map((manifest, index) => {
    const object = objectOf(manifest);
    const { apiVersion, kind } = object;
    return `import type { I${kind} as T${index} } from 'kubernetes-models/${apiVersion}';\nexport const o${index}: T${index} = ${JSON.stringify(object)};`;
  });
  const name = path.join(repository, 'test', 'deploy', 'generated.ts');
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    strict: true,
    skipLibCheck: true,
    noEmit: true,
    types: [],
  };
  const host = ts.createCompilerHost(options);
  const { getSourceFile, fileExists } = host;
  host.fileExists = (file) => file === name || fileExists(file);
  host.getSourceFile = (file, version) =>
    file === name ? ts.createSourceFile(file, lines.join('\n'), version) : getSourceFile(file, version);
  return ts
    .getPreEmitDiagnostics(ts.createProgram([name], options, host))
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
}

it('the Kubernetes manifests have no member that Kubernetes does not know', () => {
  const all = kubernetes();
  assert.deepEqual(excessMembers(all), []);
  const set = all.find(({ kind }) => kind === 'StatefulSet')!;
  assert.match(excessMembers([{ ...set, spec: { ...set.spec, replcias: 2 } }]).join(), /replcias/);
});

describe('deploy/chain/start.sh with geth', () => {
  const payer = new Uint8Array(32).fill(11);
  const funded = [payer, ...['anchorer', 'publisher'].map((role) => privateKeyFrom(payer, role))].map(addressOf);
  let folder: string;
  let geth: ChildProcess | undefined;
  let url: string;
  let wsUrl: string;

  async function start(): Promise<void> {
    const [http, ws] = [await freePort(), await freePort()];
    url = `http://127.0.0.1:${http}`;
    wsUrl = `ws://127.0.0.1:${ws}`;
    geth = spawn('/bin/sh', [path.join(repository, 'deploy', 'chain', 'start.sh')], {
      env: {
        PATH: `${path.join(folder, 'bin')}:${process.env.PATH}`,
        GETH_DATA: path.join(folder, 'data'),
        SECRETS: path.join(folder, 'secrets'),
        FUNDED: funded.join(),
        CHAIN_ID: '20261121',
        BIND: '127.0.0.1',
        HTTP_PORT: String(http),
        WS_PORT: String(ws),
      },
      stdio: 'ignore',
    });
    const chain = createEthersChain({ url, chainId: 20_261_121, payer, retries: 0 });
    for (const endsAt = performance.now() + 60_000; ;) {
      const head = await chain.head().catch(() => undefined);
      if (head !== undefined && head.number > 0) break;
      assert.ok(performance.now() < endsAt && geth.exitCode === null, 'geth seals no block');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    await chain.close();
  }

  async function stop(): Promise<void> {
    if (geth === undefined || geth.exitCode !== null) return;
    const ended = new Promise((resolve) => geth!.once('exit', resolve));
    geth.kill('SIGTERM');
    await ended;
  }

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'mooring-deploy-'));
    await mkdir(path.join(folder, 'bin'));
    await mkdir(path.join(folder, 'secrets'));
    await symlink(engineBinary('geth'), path.join(folder, 'bin', 'geth'));
    await writeFile(path.join(folder, 'secrets', 'sealer-key'), '22'.repeat(32));
    await writeFile(path.join(folder, 'secrets', 'sealer-password'), 'test');
    await writeFile(path.join(folder, 'payer.key'), `0x${Buffer.from(payer).toString('hex')}`);
    await chmod(path.join(folder, 'payer.key'), 0o600);
    await start();
  });
  after(async () => {
    await stop();
    await rm(folder, { recursive: true, force: true });
  });

  it('makes a chain that seals, that a server deploys on, hears of and anchors on, also after a restart of the chain', async () => {
    const own = { CHAIN_ID: '20261121', CHAIN_KEY_FILE: path.join(folder, 'payer.key'), ANCHOR_MAX_AGE_MS: '10' };
    const server = await TestServer.start({ ...own, CHAIN_RPC_URL: `${url},${wsUrl}` });
    const anchor = async () => {
      const made = await server.post('Patient', { resourceType: 'Patient' }, { headers: { Prefer: 'wait=60' } });
      assert.equal((await server.get(`Patient/${made.body.id}/$proof`)).status, 200);
    };
    await anchor();
    assert.ok(server.logLines.some((line) => line.includes('chain-heads') && line.includes('tells of new blocks')));
    await stop();
    await start();
    await server.restartWith({ CHAIN_RPC_URL: `${url},${wsUrl}` });
    await anchor();
    await server.stop();
    const genesis = JSON.parse(await readFile(path.join(folder, 'data', 'genesis.json'), 'utf8')) as { alloc: object };
    assert.deepEqual(Object.keys(genesis.alloc), funded);
  });
});

describe('geth as an external signer', () => {
  let network: GethNetwork;
  before(async () => {
    network = await startGeth({ sealers: 1 });
  });
  after(() => network.stop());

  it('signs with an account that it keeps, and not with one that it does not', async () => {
    const [{ url, address }] = network.nodes as [GethNetwork['nodes'][number]];
    const account = address.toLowerCase() as `0x${string}`;
    const { chainId } = network;
    const chain = createEthersChain({ url, chainId, payer: remoteSigner(url, account) });
    const { raw, txHash } = await chain.sign(account, '0x', await chain.nextNonce());
    await chain.send(raw);
    assert.equal((await chain.mined(txHash, 30_000)).status, 'success');
    const stranger = createEthersChain({ url, chainId, payer: remoteSigner(url, addressOf(payerOfNobody)) });
    await assert.rejects(stranger.sign(account, '0x', 0), SignerRefused);
    await Promise.all([chain.close(), stranger.close()]);
  });
});

const payerOfNobody = new Uint8Array(32).fill(12);
