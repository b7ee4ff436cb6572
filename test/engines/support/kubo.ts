/** Kubo nodes on loopback: no bootstrap peers, no discovery; they know whom `connect` tells them. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { engineBinary, EngineProcess, freePort } from './engine-process.js';

export interface KuboNode {
  /** `http://127.0.0.1:PORT`, where its RPC API is. */
  readonly url: string;
  readonly peerId: string;
  /** `/ip4/127.0.0.1/tcp/PORT/p2p/ID` */
  readonly address: string;
  /** Makes the two nodes peers of each other; forgotten when one of them restarts. */
  connect(other: KuboNode): Promise<void>;
  /** One call of its RPC API, e.g. `id` or `swarm/peers`. */
  rpc(call: string): Promise<unknown>;
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startKubo(): Promise<KuboNode> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mooring-kubo-'));
  const binary = engineBinary('ipfs');
  const env = { IPFS_PATH: folder, IPFS_TELEMETRY: 'off' };
  const run = promisify(execFile);
  await run(binary, ['init', '--profile=test', '--algorithm=ed25519'], { env: { ...process.env, ...env } });
  const [api, swarm] = [await freePort(), await freePort()];
  const peerId = await configure(path.join(folder, 'config'), api, swarm);
  const url = `http://127.0.0.1:${api}`;
  const rpc = async (call: string): Promise<unknown> => {
    const response = await fetch(`${url}/api/v0/${call}`, { method: 'POST' });
    if (!response.ok) throw new Error(`Kubo ${call}: ${await response.text()}`);
    const text = await response.text();
    return text === '' ? undefined : (JSON.parse(text) as unknown);
  };
  const engine = new EngineProcess(binary, ['daemon', '--migrate=false'], env, async () => {
    await rpc('id');
    return true;
  });
  await engine.start();
  return {
    url,
    peerId,
    address: `/ip4/127.0.0.1/tcp/${swarm}/p2p/${peerId}`,
    rpc,
    async connect({ address }) {
      await rpc(`swarm/connect?arg=${encodeURIComponent(address)}`);
    },
    kill: () => engine.kill(),
    async restart() {
      await engine.stop();
      await rm(path.join(folder, 'repo.lock'), { force: true });
      await engine.start();
    },
    async stop() {
      await engine.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** @returns the peer's id. */
async function configure(file: string, api: number, swarm: number): Promise<string> {
  const config = JSON.parse(await readFile(file, 'utf8')) as Record<string, Record<string, unknown>>;
  config.Addresses = {
    ...config.Addresses,
    API: `/ip4/127.0.0.1/tcp/${api}`,
    Gateway: [],
    Swarm: [`/ip4/127.0.0.1/tcp/${swarm}`],
  };
  Object.assign(config, {
    Bootstrap: [],
    AutoConf: { Enabled: false },
    AutoTLS: { Enabled: false },
    DNS: { Resolvers: {} },
    Routing: { Type: 'none', DelegatedRouters: [] },
    Ipns: { ...config.Ipns, DelegatedPublishers: [] },
    Discovery: { MDNS: { Enabled: false } },
    Provide: { Enabled: false },
    Swarm: { ...config.Swarm, DisableNatPortMap: true, Transports: { Network: { QUIC: false, WebTransport: false } } },
  });
  await writeFile(file, JSON.stringify(config));
  return (config.Identity as { PeerID: string }).PeerID;
}
