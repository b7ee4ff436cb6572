/**
 * `npm run bench -- engines [--resources N]`: the same load of transactions on the embedded block store and chain, and on Kubo and geth, in turn. Needs
 * Go, once, to build the engines (tools/engines).
 *
 * Figures of a run are comparable with each other alone: the engines take their share of the same processors.
 */
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { computeAddress } from 'ethers';
import { systemClock } from '../src/base/clock.js';
import { privateKeyFrom } from '../src/chain/keys.js';
import { addressOf } from '../src/chain/signing.js';
import { TokenIssuer } from '../src/smart/token-issuer.js';
import { startGeth } from '../test/engines/support/geth.js';
import { startKubo } from '../test/engines/support/kubo.js';
import { load, type LoadRequest } from './lib/load.js';
import { ServerProcess } from './lib/process.js';
import { number, printTable, type Row } from './lib/table.js';

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'engines'),
  options: { resources: { type: 'string', default: '6000' } },
});
const wanted = Number(options.resources);
const connections = 8;
const payer = `0x${'5a'.repeat(32)}`;
const folder = fileURLToPath(new URL('../../../shared/corpus/synthea/', import.meta.url));
const bundles = readdirSync(folder)
  .sort()
  .map((file) => readFileSync(path.join(folder, file), 'utf8'));
const sizes = bundles.map((text) => (JSON.parse(text) as { entry: unknown[] }).entry.length);

interface Measured {
  readonly perSecond: number;
  /** Milliseconds of the server's processor time for each resource. */
  readonly processorMs: number;
}

/** Loads `wanted` resources into a fresh server. */
async function transactionLoad(env: Record<string, string>): Promise<Measured> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'mooring-bench-'));
  const server = await ServerProcess.start(dataDir, env);
  try {
    const issuer = await TokenIssuer.open(path.join(dataDir, 'keys'));
    const claims = { actor: 'Organization/self', scope: 'system/*.cruds', purpose: 'TREAT', expiresInSeconds: 86_400 };
    const token = await issuer.issue(claims, systemClock);
    const send = async (next: () => LoadRequest | undefined) => {
      const result = await load(server.origin, token, connections, next);
      if (result.failures > 0) throw new Error(`${result.failures} requests failed: ${result.firstFailure}`);
      return result;
    };
    // Hospitals and practitioners, to which the patients refer; the first patient, to be warm.
    for (const body of bundles.slice(0, 3)) {
      const once = [{ method: 'POST', path: '/fhir', body } as const];
      await send(() => once.shift());
    }
    let loaded = 0;
    let turn = 0;
    const before = server.processorMs().all;
    const { seconds } = await send(() => {
      if (loaded >= wanted) return undefined;
      const index = 2 + (turn % (bundles.length - 2));
      turn += 1;
      loaded += sizes[index];
      return { method: 'POST', path: '/fhir', body: bundles[index] };
    });
    return { perSecond: loaded / seconds, processorMs: (server.processorMs().all - before) / loaded };
  } finally {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function onEngines(): Promise<Measured> {
  const seed = new Uint8Array(Buffer.from(payer.slice(2), 'hex'));
  const senders = ['anchorer', 'publisher'].map((role) => addressOf(privateKeyFrom(seed, role)));
  const [kubo, geth] = await Promise.all([startKubo(), startGeth({ funded: [computeAddress(payer), ...senders] })]);
  const keys = mkdtempSync(path.join(tmpdir(), 'mooring-bench-key-'));
  try {
    const file = path.join(keys, 'payer');
    writeFileSync(file, payer);
    chmodSync(file, 0o600);
    return await transactionLoad({
      KUBO_URLS: kubo.url,
      CHAIN_RPC_URL: geth.nodes[0].url,
      CHAIN_ID: String(geth.chainId),
      CHAIN_KEY_FILE: file,
    });
  } finally {
    await Promise.all([kubo.stop(), geth.stop()]);
    rmSync(keys, { recursive: true, force: true });
  }
}

const embedded = await transactionLoad({});
const engines = await onEngines();
const described = (name: string, { perSecond, processorMs }: Measured): Row => ({
  name,
  value: `${number(perSecond)}/s`,
  note: `${number(processorMs)} ms of the server's processor time a resource`,
});
printTable(`Transaction load, ${wanted} resources, ${connections} connections`, [
  described('embedded block store and chain', embedded),
  described('Kubo and geth', engines),
  { name: 'Kubo and geth / embedded', value: (engines.perSecond / embedded.perSecond).toFixed(2), note: 'aim: 0.6' },
]);
