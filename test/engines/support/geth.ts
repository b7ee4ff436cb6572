/** A network of geth nodes that seal blocks by turns (clique, EIP-225): real consensus, partitions, crashes. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { computeAddress, SigningKey } from 'ethers';
import { engineBinary, EngineProcess, freePort } from './engine-process.js';

export interface GethOptions {
  /** Nodes, each of which seals; default 1. With more than one, more than half have to be connected for blocks to come. */
  readonly sealers?: number;
  /** Seconds between blocks; default 1. */
  readonly periodSeconds?: number;
  readonly chainId?: number;
  /** Addresses that have 1,000,000 ether from the first block on. */
  readonly funded?: readonly string[];
}

export interface GethNode {
  /** HTTP JSON-RPC. */
  readonly url: string;
  /** WebSocket JSON-RPC. */
  readonly wsUrl: string;
  /** Address it seals with. */
  readonly address: string;
  rpc<T>(method: string, ...params: unknown[]): Promise<T>;
  kill(): Promise<void>;
  /** Starts it again; it finds its peers by itself. */
  restart(): Promise<void>;
}

export interface GethNetwork {
  readonly chainId: number;
  readonly nodes: readonly GethNode[];
  /** Disconnects nodes that are not in one group (indexes of `nodes`); whom no group names is alone. */
  partition(...groups: readonly (readonly number[])[]): Promise<void>;
  /** Connects all nodes with each other; resolves when they are. */
  heal(): Promise<void>;
  stop(): Promise<void>;
}

interface Member extends GethNode {
  readonly enode: string;
  readonly engine: EngineProcess;
}

const password = 'test';

/**
 * A network whose sealers have begun. Those of clique may stand still at their first block, when each has sealed one of its own of the same
 * difficulty and none may seal the next; then another network is started.
 */
export async function startGeth(options: GethOptions = {}): Promise<GethNetwork> {
  for (let attempt = 1; ; attempt += 1) {
    const network = await startNodes(options);
    try {
      await network.heal();
      // Past the first blocks, about which the sealers disagree for a moment.
      await until(async () => (await lowestHead(network.nodes)) >= 3, 'no blocks come', 20_000);
      return network;
    } catch (problem) {
      await network.stop();
      if (attempt === 3) throw problem;
    }
  }
}

async function startNodes(options: GethOptions): Promise<GethNetwork> {
  const { sealers = 1, periodSeconds = 1, chainId = 20_261_121, funded = [] } = options;
  const folder = await mkdtemp(path.join(tmpdir(), 'mooring-geth-'));
  const keys = Array.from({ length: sealers }, (_, index) => keyOf(`sealer ${index}`));
  const genesis = path.join(folder, 'genesis.json');
  await writeFile(genesis, JSON.stringify(genesisOf(chainId, periodSeconds, keys.map(addressOf), funded)));
  const ports = await Promise.all(
    keys.map(async () => ({
      p2p: await freePort(),
      http: await freePort(),
      ws: await freePort(),
      auth: await freePort(),
    })),
  );
  const enodes = ports.map(({ p2p }, index) => enodeOf(keyOf(`node ${index}`), p2p));
  const members = await Promise.all(
    keys.map((key, index) =>
      makeNode(path.join(folder, String(index)), index, key, genesis, chainId, ports[index]!, enodes),
    ),
  );
  await Promise.all(members.map(({ engine }) => engine.start()));
  const network: GethNetwork = {
    chainId,
    nodes: members,
    async partition(...groups) {
      const groupOf = (index: number) => groups.findIndex((group) => group.includes(index));
      const isCut = (a: number, b: number) => a !== b && (groupOf(a) === -1 || groupOf(a) !== groupOf(b));
      await eachPair(members, isCut, (a, b) => a.rpc('admin_removePeer', b.enode));
    },
    async heal() {
      await eachPair(
        members,
        (a, b) => a !== b,
        (a, b) => a.rpc('admin_addPeer', b.enode),
      );
      await until(() => areConnected(members), 'the nodes do not find each other');
    },
    async stop() {
      await Promise.all(members.map(({ engine }) => engine.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
  return network;
}

async function makeNode(
  folder: string,
  index: number,
  key: string,
  genesis: string,
  chainId: number,
  port: { p2p: number; http: number; ws: number; auth: number },
  enodes: readonly string[],
): Promise<Member> {
  const binary = engineBinary('geth');
  const run = promisify(execFile);
  await mkdir(folder);
  const [keyFile, passwordFile, configFile] = ['key', 'password', 'config.toml'].map((name) => path.join(folder, name));
  await writeFile(keyFile!, key.slice(2));
  await writeFile(passwordFile!, password);
  const others = enodes.filter((_, other) => other !== index);
  await writeFile(configFile!, `[Node.P2P]\nStaticNodes = ${JSON.stringify(others)}\n`);
  await run(binary, ['account', 'import', '--datadir', folder, '--lightkdf', '--password', passwordFile!, keyFile!]);
  await run(binary, ['init', '--datadir', folder, genesis]);
  const address = addressOf(key);
  const apis = 'eth,net,web3,admin,clique,txpool,debug,miner';
  const args = [
    ...['--config', configFile!, '--datadir', folder, '--networkid', String(chainId), '--verbosity', '2'],
    ...['--port', String(port.p2p), '--nodekeyhex', keyOf(`node ${index}`).slice(2), '--nodiscover', '--nat', 'none'],
    ...['--netrestrict', '127.0.0.0/8', '--syncmode', 'full', '--gcmode', 'archive', '--cache', '64', '--ipcdisable'],
    ...['--http', '--http.addr', '127.0.0.1', '--http.port', String(port.http), '--http.api', apis],
    ...['--ws', '--ws.addr', '127.0.0.1', '--ws.port', String(port.ws), '--ws.api', apis],
    ...['--authrpc.addr', '127.0.0.1', '--authrpc.port', String(port.auth)],
    ...['--mine', '--miner.etherbase', address, '--unlock', address, '--password', passwordFile!],
    '--allow-insecure-unlock',
  ];
  const url = `http://127.0.0.1:${port.http}`;
  const rpc = <T>(method: string, ...params: unknown[]) => rpcCall<T>(url, method, params);
  const engine = new EngineProcess(binary, args, {}, async () => (await rpc<string>('eth_chainId')) !== '');
  return {
    url,
    wsUrl: `ws://127.0.0.1:${port.ws}`,
    address,
    enode: enodes[index]!,
    engine,
    rpc,
    kill: () => engine.kill(),
    async restart() {
      await engine.stop();
      try {
        await engine.start();
      } catch (problem) {
        // geth does not survive every kill in the middle of a reorganisation. As its operator would: get the chain from the peers again.
        if (enodes.length === 1) throw problem;
        await rm(path.join(folder, 'geth'), { recursive: true, force: true });
        await run(binary, ['init', '--datadir', folder, genesis]);
        await engine.start();
      }
    },
  };
}

async function lowestHead(members: readonly GethNode[]): Promise<number> {
  return Math.min(...(await Promise.all(members.map(async ({ rpc }) => Number(await rpc('eth_blockNumber'))))));
}

async function rpcCall<T>(url: string, method: string, params: readonly unknown[]): Promise<T> {
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
  });
  const { result, error } = (await response.json()) as { result: T; error?: { message: string } };
  if (error !== undefined) throw new Error(`geth ${method}: ${error.message}`);
  return result;
}

/** Contracts of this repository need the rules of London and no later ones: clique knows none. */
function genesisOf(chainId: number, period: number, sealers: readonly string[], funded: readonly string[]): object {
  const blocks = ['homestead', 'eip150', 'eip155', 'eip158', 'byzantium', 'constantinople', 'petersburg', 'istanbul'];
  const rules = [...blocks, 'berlin', 'london'].map((name) => [`${name}Block`, 0] as const);
  const signers = sealers.map((address) => address.slice(2).toLowerCase()).sort();
  const rich = { balance: '0xd3c21bcecceda1000000' };
  return {
    config: { chainId, ...Object.fromEntries(rules), clique: { period, epoch: 30_000 } },
    difficulty: '0x1',
    gasLimit: '0x1c9c380',
    baseFeePerGas: '0x7',
    extradata: `0x${'00'.repeat(32)}${signers.join('')}${'00'.repeat(65)}`,
    alloc: Object.fromEntries([...sealers, ...funded].map((address) => [address, rich])),
  };
}

function keyOf(label: string): string {
  return `0x${createHash('sha256').update(`mooring test ${label}`).digest('hex')}`;
}

function addressOf(key: string): string {
  return computeAddress(key);
}

function enodeOf(key: string, port: number): string {
  const publicKey = new SigningKey(key).publicKey.slice(4);
  return `enode://${publicKey}@127.0.0.1:${port}?discport=0`;
}

async function eachPair(
  members: readonly Member[],
  isWanted: (a: number, b: number) => boolean,
  act: (a: Member, b: Member) => Promise<unknown>,
): Promise<void> {
  const pairs = members.flatMap((a, i) => members.flatMap((b, j) => (isWanted(i, j) ? [[a, b] as const] : [])));
  await Promise.all(pairs.map(([a, b]) => act(a, b)));
}

async function areConnected(members: readonly Member[]): Promise<boolean> {
  const counts = await Promise.all(members.map(async ({ rpc }) => Number(await rpc<string>('net_peerCount'))));
  return counts.every((count) => count >= members.length - 1);
}

async function until(isSo: () => Promise<boolean>, problem: string, withinMs = 60_000): Promise<void> {
  const end = performance.now() + withinMs;
  while (!(await isSo())) {
    if (performance.now() > end) throw new Error(problem);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}
