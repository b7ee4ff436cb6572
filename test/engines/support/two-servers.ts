/** Two servers on one log: one MongoDB wire server, one chain, a Kubo node each, one key ring. */
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { computeAddress } from 'ethers';
import { createLog } from '../../../src/base/log.js';
import { privateKeyFrom } from '../../../src/chain/keys.js';
import { addressOf } from '../../../src/chain/signing.js';
import { createServer, type Server } from '../../../src/server.js';
import { testConfig } from '../../e2e/server.js';
import { startWireServer, type WireServer } from './ferretdb.js';
import { startGeth, type GethNetwork } from './geth.js';
import { startKubo, type KuboNode } from './kubo.js';

/** A private key that pays on the test chain. */
export const payer = `0x${'5a'.repeat(32)}`;

export interface Engines {
  readonly mongo: WireServer;
  readonly kubo: readonly [KuboNode, KuboNode];
  readonly geth: GethNetwork;
  /** Environment of a server by number. */
  env(server: 0 | 1): NodeJS.ProcessEnv;
  readonly folder: string;
  stop(): Promise<void>;
}

export interface EnginesOptions {
  /** Nodes of the chain; default 1. Servers know them all. */
  readonly sealers?: number;
  /** Each server stores on both Kubo nodes, its own first; default: on its own alone. */
  readonly everyKubo?: boolean;
}

/** @param more environment of both servers. */
export async function startEngines(
  more: NodeJS.ProcessEnv = {},
  { sealers = 1, everyKubo = false }: EnginesOptions = {},
): Promise<Engines> {
  const folder = await mkdtemp(path.join(tmpdir(), 'mooring-two-'));
  const seed = new Uint8Array(Buffer.from(payer.slice(2), 'hex'));
  const senders = ['anchorer', 'publisher'].map((role) => addressOf(privateKeyFrom(seed, role)));
  const [mongo, one, two, geth] = await Promise.all([
    startWireServer(),
    startKubo(),
    startKubo(),
    startGeth({ sealers, funded: [computeAddress(payer), ...senders] }),
  ]);
  await one.connect(two);
  const keyFile = path.join(folder, 'payer');
  await writeFile(keyFile, payer);
  await chmod(keyFile, 0o600);
  const kuboUrls = (server: 0 | 1) => {
    const urls = server === 0 ? [one.url, two.url] : [two.url, one.url];
    return everyKubo ? urls.join(',') : urls[0]!;
  };
  return {
    mongo,
    kubo: [one, two],
    geth,
    folder,
    env: (server) => ({
      DATA_DIR: path.join(folder, String(server)),
      KEYS_DIR: path.join(folder, 'keys'),
      MONGODB_URL: mongo.url,
      MONGODB_DATABASE: path.basename(folder),
      KUBO_URLS: kuboUrls(server),
      KUBO_TIMEOUT_MS: '5000',
      CHAIN_RPC_URL: geth.nodes.map(({ url }) => url).join(','),
      CHAIN_ID: String(geth.chainId),
      CHAIN_KEY_FILE: keyFile,
      PUBLIC_URL: 'http://fhir.example',
      ...more,
    }),
    async stop() {
      await Promise.all([mongo.stop(), one.stop(), two.stop(), geth.stop()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A server in this process, and how to speak with it. */
export interface Speaker {
  readonly server: Server;
  send(method: string, url: string, body?: unknown, headers?: Record<string, string>): Promise<Reply>;
}

export interface Reply {
  readonly status: number;
  readonly headers: Headers;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
}

/** @param logLines takes what the server logs. */
export async function startSpeaker(env: NodeJS.ProcessEnv, logLines: string[] = []): Promise<Speaker> {
  const config = testConfig(env.DATA_DIR!, env);
  const server = await createServer(
    config,
    createLog('info', (line) => void logLines.push(line)),
  );
  const token = await server.token();
  return {
    server,
    async send(method, url, body, headers = {}) {
      const response = await fetch(url.startsWith('http') ? url : `${server.url}/fhir/${url}`, {
        method,
        headers: {
          Authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'Content-Type': 'application/fhir+json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      const text = await response.text();
      return { status: response.status, headers: response.headers, body: text === '' ? undefined : JSON.parse(text) };
    },
  };
}
