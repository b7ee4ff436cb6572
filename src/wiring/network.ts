/** Connects the chain (the embedded one or an operator's), with its contracts: deployed once, found again later. */
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '../base/log.js';
import { ChainUnavailable, type Hex } from '../chain/chain.js';
import { JsonRpc } from '../chain/json-rpc.js';
import {
  deployContracts,
  nameEmergencyRoles,
  ratifyProfileSet,
  type Contracts,
  type DeployOptions,
} from '../chain/deploy.js';
import { startEmbeddedChain } from '../chain/embedded-anvil.js';
import { createEthersChain, type EvmChain, type TransactionJournal } from '../chain/ethers-chain.js';
import { HeadFeed } from '../chain/head-feed.js';
import { addressOf } from '../chain/signing.js';
import { reconcileValidators } from '../chain/validator-set.js';
import { organisationKey } from '../anchoring/sd-jwt.js';
import type { ValidatorDescription } from '../anchoring/validator-node/validator-keys.js';
import type { Catalog } from '../commit/catalog.js';
import type { Config } from '../config.js';
import type { KeyRing } from '../vault/key-ring.js';
import type { PortsBetween } from './ports.js';
import { accountOf, payersOf, type Payer, type Payers } from './payers.js';
import { readValidators } from './validators.js';

export interface Network {
  readonly url: string;
  readonly chainId: number;
  /** Signs heads of the log. */
  readonly validatorKey: Uint8Array;
  readonly contracts: Contracts;
  /** What the contracts were made with: the same on further chains. */
  readonly deployment: Pick<DeployOptions, 'validators' | 'profileSets' | 'organisation'>;
  /** Of VALIDATORS; absent: the validator inside the server attests. */
  readonly validators?: readonly ValidatorDescription[];
  /** Each sends with a key of its own, so that nonces never race. */
  readonly anchorerChain: EvmChain;
  readonly publisherChain: EvmChain;
  /** Makes a ProfileSet (SHA-256, hexadecimal) one that heads may name. Does nothing when it is. */
  ratify(profileSetDigest: string): Promise<void>;
  /** Proposes that holders of these roles (blinded terms) may declare emergencies of at most so long. */
  nameEmergencyRoles(roles: readonly string[], maxDurationS: number): Promise<void>;
  /** Calls back for each new block that the chain tells of. @returns whether it does tell: where not, loops poll. */
  followHeads(onHead: () => void): { isLive(): boolean; close(): void };
  close(): Promise<void>;
}

interface Endpoint {
  readonly url: string;
  /** Where there are several of the same chain. */
  readonly urls?: readonly string[];
  readonly chainId: number;
  readonly journal?: TransactionJournal;
  stop(): Promise<void>;
}

/** @param baseUrl of the FHIR door, for the directory of organisations. */
export async function connectNetwork(
  config: Config,
  keyRing: KeyRing,
  baseUrl: string,
  profileSetDigest: string,
  log: Log,
  catalog: Pick<Catalog, 'getState' | 'putState' | 'locks'>,
  between: PortsBetween = {},
): Promise<Network> {
  const folder = path.join(config.dataDir, 'chain');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const payers = payersOf(config.chain, keyRing);
  const endpoint = await connect(config, payers, log);
  const { url, chainId, journal } = endpoint;
  const chainWith = (payer: Payer) => {
    const chain = createEthersChain({ url: endpoint.urls ?? url, chainId, payer, journal });
    return between.chain?.(chain) ?? chain;
  };
  const deployer = chainWith(payers.deployer);
  const { validators: file } = config.anchoring;
  const { publicJwk } = await organisationKey(keyRing.derive('organisation'));
  const validators = file === undefined ? undefined : readValidators(file);
  try {
    const deployment = {
      validators: validators?.map(({ address }) => address) ?? [addressOf(payers.validator)],
      profileSets: [`0x${profileSetDigest}` as Hex],
      organisation: {
        identifier: config.organization,
        baseUrl,
        relay: accountOf(payers.publisher),
        publicKeys: JSON.stringify({ keys: [publicJwk] }),
      },
    };
    const file = path.join(folder, 'contracts.json');
    const contracts = await asOnlySender(catalog, () =>
      sharedContracts(catalog, chainId, file, async () => {
        const deployed = await deployContracts({ ...deployment, chain: deployer, file });
        await reconcileValidators(deployer, deployed, deployment.validators);
        return deployed;
      }),
    );
    const ratify = (digest: string) =>
      asOnlySender(catalog, () => ratifyProfileSet(deployer, contracts, `0x${digest}`));
    await ratify(profileSetDigest);
    const chains = [chainWith(payers.anchorer), chainWith(payers.publisher)] as const;
    return {
      url,
      chainId,
      validatorKey: payers.validator,
      contracts,
      deployment,
      ...(validators && { validators }),
      anchorerChain: chains[0],
      publisherChain: chains[1],
      ratify,
      nameEmergencyRoles: (named, maxDurationS) => nameEmergencyRoles(deployer, contracts, { named, maxDurationS }),
      followHeads: (onHead) => followHeads(config, log, onHead),
      async close() {
        await Promise.all([deployer, ...chains].map((chain) => chain.close()));
        await endpoint.stop();
      },
    };
  } catch (error) {
    await deployer.close();
    await endpoint.stop();
    throw error;
  }
}

/** Servers that share a log share the keys that send: one of them sends at a time. */
function asOnlySender<T>({ locks }: Pick<Catalog, 'locks'>, task: () => Promise<T>): Promise<T> {
  return locks === undefined ? task() : locks.exclusively('chain/deployer', task);
}

/** Small state of the catalog that has the contracts' addresses. */
export const contractsKey = (chainId: number) => `chain/contracts/${chainId}`;

/** Servers that share a log share the contracts: where they are stands in the catalog too. */
async function sharedContracts(
  catalog: Pick<Catalog, 'getState' | 'putState' | 'locks'>,
  chainId: number,
  file: string,
  deploy: () => Promise<Contracts>,
): Promise<Contracts> {
  if (catalog.locks === undefined) return deploy();
  const key = contractsKey(chainId);
  const stored = await catalog.getState(key);
  if (stored !== undefined) await writeFile(file, stored, { mode: 0o600 });
  const contracts = await deploy();
  const text = JSON.stringify(contracts, null, 2);
  if (stored === undefined || Buffer.from(stored).toString('utf8') !== text)
    await catalog.putState(key, Buffer.from(text));
  return contracts;
}

async function connect({ chain }: Config, payers: Payers, log: Log): Promise<Endpoint> {
  if (chain.kind === 'rpc') {
    await checkChainId(chain.urls, chain.chainId);
    return { url: chain.url, urls: chain.urls, chainId: chain.chainId, stop: () => Promise.resolve() };
  }
  const embedded = await startEmbeddedChain({
    folder: chain.folder,
    onEvent: (event) =>
      log.write({ event: 'dependency', name: 'chain', isAway: event === 'chain-ended', reason: `embedded ${event}` }),
  });
  await embedded.fund(sendersOf(payers));
  return embedded;
}

function followHeads({ chain }: Config, log: Log, onHead: () => void) {
  if (chain.kind === 'embedded' || chain.headUrls.length === 0) return { isLive: () => false, close: () => undefined };
  const feed = new HeadFeed({
    urls: chain.headUrls,
    onHead,
    onChange: (isLive, reason) => log.write({ event: 'dependency', name: 'chain-heads', isAway: !isLive, reason }),
  });
  return { isLive: () => feed.isLive, close: () => feed.close() };
}

function sendersOf({ deployer, anchorer, publisher }: Payers): Hex[] {
  return [deployer, anchorer, publisher].map(accountOf);
}

export class WrongChain extends Error {
  override readonly name = 'WrongChain';
}

/** One endpoint of another chain would take our transactions to where nobody looks. @throws WrongChain naming it. */
export async function checkChainId(urls: readonly string[], expected: number): Promise<void> {
  for (const url of urls) {
    const rpc = new JsonRpc({ urls: [url], timeoutMs: 5_000 });
    try {
      const found = Number(await rpc.call<Hex>('eth_chainId'));
      if (found !== expected) throw new WrongChain(`the chain at ${url} has the id ${found}; CHAIN_ID is ${expected}`);
    } catch (error) {
      // One that is away is checked when the others are away too: nothing is signed for another id anyway.
      if (!(error instanceof ChainUnavailable) || urls.length === 1) throw error;
    } finally {
      rpc.close();
    }
  }
}
