/** Connects the chain (the embedded one or an operator's), with its contracts: deployed once, found again later. */
import { readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { Log } from '../base/log.js';
import type { Hex } from '../chain/chain.js';
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
  const chainWith = (privateKey: Uint8Array) => createEthersChain({ url, chainId, privateKey, journal });
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
  if (chain.kind === 'rpc') return { url: chain.url, chainId: chain.chainId, stop: () => Promise.resolve() };
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
  const seed = readKeyFile(chain.keyFile);
  return {
    deployer: seed,
    anchorer: privateKeyFrom(seed, 'anchorer'),
    publisher: privateKeyFrom(seed, 'publisher'),
    validator: privateKeyFrom(seed, 'validator'),
  };
}

/** The private key in a file of mode 0600. @throws Error naming what is wrong with it. */
export function readKeyFile(file: string): Uint8Array {
  if ((statSync(file).mode & 0o077) !== 0)
    throw new Error(`${file} can be read by others than its owner: expected mode 0600`);
  const text = readFileSync(file, 'utf8').trim();
  if (!/^0x[0-9a-fA-F]{64}$/.test(text))
    throw new Error(`${file} holds no private key: expected 0x and 64 hexadecimal digits`);
  return new Uint8Array(Buffer.from(text.slice(2), 'hex'));
}
