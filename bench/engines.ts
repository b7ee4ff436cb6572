/**
 * `npm run bench -- engines [--resources N]`: the same load of transactions on the embedded block store and chain, and on Kubo and geth, in turn. Needs
 * Go, once, to build the engines (tools/engines).
 *
 * Figures of a run are comparable with each other alone: the engines take their share of the same processors.
 */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { computeAddress } from 'ethers';
import { privateKeyFrom } from '../src/chain/keys.js';
import { addressOf } from '../src/chain/signing.js';
import { startGeth } from '../test/engines/support/geth.js';
import { startKubo } from '../test/engines/support/kubo.js';
import { ServerProcess } from './lib/process.js';
import { number, printTable, type Row } from './lib/table.js';
import { loadTransactions, type LoadedTransactions } from './lib/transactions.js';

const { values: options } = parseArgs({
  args: process.argv.slice(2).filter((argument) => argument !== 'engines'),
  options: { resources: { type: 'string', default: '6000' } },
});
const wanted = Number(options.resources);
const payer = `0x${'5a'.repeat(32)}`;
async function transactionLoad(env: Record<string, string>): Promise<LoadedTransactions> {
  const dataDir = mkdtempSync(path.join(tmpdir(), 'mooring-bench-'));
  const server = await ServerProcess.start(dataDir, env);
  try {
    return await loadTransactions(server, dataDir, wanted);
  } finally {
    await server.stop();
    rmSync(dataDir, { recursive: true, force: true });
  }
}

async function onEngines(): Promise<LoadedTransactions> {
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
const described = (name: string, { perSecond, processorMs }: LoadedTransactions): Row => ({
  name,
  value: `${number(perSecond)}/s`,
  note: `${number(processorMs)} ms of the server's processor time a resource`,
});
printTable(`Transaction load, ${wanted} resources, 8 connections`, [
  described('embedded block store and chain', embedded),
  described('Kubo and geth', engines),
  { name: 'Kubo and geth / embedded', value: (engines.perSecond / embedded.perSecond).toFixed(2), note: 'aim: 0.6' },
]);
