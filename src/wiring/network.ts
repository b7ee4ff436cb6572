/** Connects the chain (the embedded one or an operator's), with its contracts: deployed once, found again later. */
import { readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '../base/log.js';
import { Wallet } from 'ethers';
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
import { chainKeys, privateKeyFrom, type ChainKeys } from '../chain/keys.js';
import { addressOf } from '../chain/signing.js';
import { reconcileValidators } from '../chain/validator-set.js';
import { organisationKey } from '../anchoring/sd-jwt.js';
import type { ValidatorDescription } from '../anchoring/validator-node/validator-keys.js';
import type { Catalog } from '../commit/catalog.js';
import type { Config } from '../config.js';
import type { KeyRing } from '../vault/key-ring.js';
import { readValidators } from './validators.js';

export interface Network {
  readonly url: string;
  readonly chainId: number;
  readonly keys: ChainKeys;
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
): Promise<Network> {
  const folder = path.join(config.dataDir, 'chain');
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const keys = keysFor(config, keyRing);
  const endpoint = await connect(config, keys, log);
  const { url, chainId, journal } = endpoint;
  const chainWith = (privateKey: Uint8Array) =>
    createEthersChain({ url: endpoint.urls ?? url, chainId, privateKey, journal });
  const deployer = chainWith(keys.deployer);
  const { validators: file } = config.anchoring;
  const { publicJwk } = await organisationKey(keyRing.derive('organisation'));
  const validators = file === undefined ? undefined : readValidators(file);
  try {
    const deployment = {
      validators: validators?.map(({ address }) => address) ?? [addressOf(keys.validator)],
      profileSets: [`0x${profileSetDigest}` as Hex],
      organisation: {
        identifier: config.organization,
        baseUrl,
        relay: addressOf(keys.publisher),
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
    const chains = [chainWith(keys.anchorer), chainWith(keys.publisher)] as const;
    return {
      url,
      chainId,
      keys,
      contracts,
      deployment,
      ...(validators && { validators }),
      anchorerChain: chains[0],
      publisherChain: chains[1],
      ratify,
      nameEmergencyRoles: (named, maxDurationS) => nameEmergencyRoles(deployer, contracts, { named, maxDurationS }),
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

/** Servers that share a log share the contracts: where they are stands in the catalog too. */
async function sharedContracts(
  catalog: Pick<Catalog, 'getState' | 'putState' | 'locks'>,
  chainId: number,
  file: string,
  deploy: () => Promise<Contracts>,
): Promise<Contracts> {
  if (catalog.locks === undefined) return deploy();
  const key = `chain/contracts/${chainId}`;
  const stored = await catalog.getState(key);
  if (stored !== undefined) await writeFile(file, stored, { mode: 0o600 });
  const contracts = await deploy();
  const text = JSON.stringify(contracts, null, 2);
  if (stored === undefined || Buffer.from(stored).toString('utf8') !== text)
    await catalog.putState(key, Buffer.from(text));
  return contracts;
}

async function connect({ chain }: Config, keys: ChainKeys, log: Log): Promise<Endpoint> {
  if (chain.kind === 'rpc') {
    await checkChainId(chain.urls, chain.chainId);
    return { url: chain.url, urls: chain.urls, chainId: chain.chainId, stop: () => Promise.resolve() };
  }
  const embedded = await startEmbeddedChain({
    folder: chain.folder,
    onEvent: (event) =>
      log.write({ event: 'dependency', name: 'chain', isAway: event === 'chain-ended', reason: `embedded ${event}` }),
  });
  await embedded.fund(sendersOf(keys));
  return embedded;
}

function sendersOf(keys: ChainKeys): Hex[] {
  return [keys.deployer, keys.anchorer, keys.publisher].map(addressOf);
}

/** Of an operator's chain: derived from the key that the operator funded; it deploys, the others are told at start. */
function keysFor({ chain }: Config, keyRing: KeyRing): ChainKeys {
  if (chain.kind === 'embedded') return chainKeys(keyRing);
  const seed = readKeyFile(chain.keyFile, chain.passwordFile);
  return {
    deployer: seed,
    anchorer: privateKeyFrom(seed, 'anchorer'),
    publisher: privateKeyFrom(seed, 'publisher'),
    validator: privateKeyFrom(seed, 'validator'),
  };
}

/** One endpoint of another chain would take our transactions to where nobody looks. @throws Error naming it. */
async function checkChainId(urls: readonly string[], expected: number): Promise<void> {
  for (const url of urls) {
    const rpc = new JsonRpc({ urls: [url], timeoutMs: 5_000 });
    try {
      const found = Number(await rpc.call<Hex>('eth_chainId'));
      if (found !== expected) throw new Error(`the chain at ${url} has the id ${found}; CHAIN_ID is ${expected}`);
    } catch (error) {
      // One that is away is checked when the others are away too: nothing is signed for another id anyway.
      if (!(error instanceof ChainUnavailable) || urls.length === 1) throw error;
    } finally {
      rpc.close();
    }
  }
}

/**
 * The private key in a file of mode 0600: 0x and 64 digits, or a keystore (Web3 Secret Storage, JSON) with the password of another file.
 * @throws Error naming what is wrong with it.
 */
export function readKeyFile(file: string, passwordFile?: string): Uint8Array {
  const text = secretText(file);
  const isKeystore = text.startsWith('{');
  if (isKeystore && passwordFile === undefined)
    throw new Error(`${file} is an encrypted keystore: its password is expected in CHAIN_KEY_PASSWORD_FILE`);
  const key = isKeystore ? Wallet.fromEncryptedJsonSync(text, secretText(passwordFile!)).privateKey : text;
  if (!/^0x[0-9a-fA-F]{64}$/.test(key))
    throw new Error(`${file} holds no private key: expected 0x and 64 hexadecimal digits, or a keystore`);
  return new Uint8Array(Buffer.from(key.slice(2), 'hex'));
}

function secretText(file: string): string {
  if ((statSync(file).mode & 0o077) !== 0)
    throw new Error(`${file} can be read by others than its owner: expected mode 0600`);
  return readFileSync(file, 'utf8').trim();
}
