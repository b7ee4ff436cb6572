/** A real chain for tests: anvil with its state in a temp directory, contracts deployed, everything gone at the end. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Hex } from '../../src/chain/chain.js';
import { type Contracts, deployContracts } from '../../src/chain/deploy.js';
import { type EmbeddedChain, startEmbeddedChain } from '../../src/chain/embedded-anvil.js';
import { type EvmChain, createEthersChain } from '../../src/chain/ethers-chain.js';
import { type ChainKeys, chainKeys } from '../../src/chain/keys.js';
import { addressOf } from '../../src/chain/signing.js';

/** SHA-256-like digest used as the ProfileSet in force. */
export const PROFILE_SET: Hex = `0x${'51'.repeat(32)}`;

/** A ring that derives the same keys for everybody: tests hold no secrets. */
const testRing = {
  derive: (purpose: string) =>
    new Uint8Array(32).fill(7).map((byte, i) => byte ^ purpose.charCodeAt(i % purpose.length)),
};

export interface DevChain {
  readonly folder: string;
  readonly embedded: EmbeddedChain;
  readonly keys: ChainKeys;
  readonly contracts: Contracts;
  /** The Chain port with one of the keys (default: the publisher's, which is a relay). */
  chainOf(key?: Uint8Array): EvmChain;
  /** Sends a call and waits for its receipt. */
  transact(chain: EvmChain, to: Hex, data: Hex): Promise<Awaited<ReturnType<EvmChain['mined']>>>;
  stop(): Promise<void>;
}

/** @param validators addresses of the log's validators; default: the server's own. */
export async function startDevChain(validators?: readonly Hex[]): Promise<DevChain> {
  const folder = await mkdtemp(path.join(tmpdir(), 'chain-'));
  const embedded = await startEmbeddedChain({ folder });
  const keys = chainKeys(testRing);
  await embedded.fund([keys.deployer, keys.anchorer, keys.publisher].map(addressOf));
  const opened: EvmChain[] = [];
  const chainOf = (privateKey: Uint8Array = keys.publisher) => {
    const { url, chainId, journal } = embedded;
    const chain = createEthersChain({ url, chainId, payer: privateKey, journal });
    opened.push(chain);
    return chain;
  };
  const contracts = await deployContracts({
    chain: chainOf(keys.deployer),
    file: path.join(folder, 'contracts.json'),
    validators: validators ?? [addressOf(keys.validator)],
    profileSets: [PROFILE_SET],
    organisation: { identifier: 'urn:test', baseUrl: 'http://localhost/fhir', relay: addressOf(keys.publisher) },
  });
  return {
    folder,
    embedded,
    keys,
    contracts,
    chainOf,
    async transact(chain, to, data) {
      const { raw, txHash } = await chain.sign(to, data, await chain.nextNonce());
      await chain.send(raw);
      return chain.mined(txHash, 10_000);
    },
    async stop() {
      await Promise.all(opened.map((chain) => chain.close()));
      await embedded.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
