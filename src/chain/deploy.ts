/**
 * Deploys the contracts once, and finds them again: their addresses are kept in a file beside the chain's data.
 *
 * A crash in the middle leaves contracts that nobody names; the next start deploys all of them again.
 */
import { Interface, getCreateAddress } from 'ethers';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { sha256, toHex } from '../base/bytes.js';
import { decodeBoolean, encodeIsRatified } from './anchor-log.js';
import { type Artifact, type ContractName, artifact } from './artifacts.js';
import type { Hex } from './chain.js';
import { encodeSetRules } from './emergency-access.js';
import type { EvmChain } from './ethers-chain.js';

/** Where the contracts are. */
export interface Contracts {
  readonly chainId: number;
  readonly network: Hex;
  readonly anchorLog: Hex;
  readonly consentRegistry: Hex;
  /** Created by the registry, as is the next. */
  readonly groups: Hex;
  readonly emergency: Hex;
  /** Block of the first of them: no event is older. */
  readonly fromBlock: number;
}

export interface DeployOptions {
  /** With the key that deploys; it becomes the first member of the network. */
  readonly chain: EvmChain;
  /** E.g. DATA_DIR/chain/contracts.json. */
  readonly file: string;
  /** Addresses of the first validators. */
  readonly validators: readonly Hex[];
  /** SHA-256 digests of the ProfileSets in force. */
  readonly profileSets: readonly Hex[];
  /** Our entry in the directory; `relay` is the account that registers patients' keys. */
  readonly organisation: {
    readonly identifier: string;
    readonly baseUrl: string;
    readonly publicKeys?: string;
    readonly relay: Hex;
  };
  /** Bound on the wait for each transaction; default 60,000. */
  readonly timeoutMs?: number;
}

/** The contracts of the file if they are on this chain and are ours; else new ones. @throws ChainUnavailable. */
export async function deployContracts(options: DeployOptions): Promise<Contracts> {
  const known = await readContracts(options.file);
  if (known !== undefined && (await areDeployed(options.chain, known))) return known;
  const contracts = await deployAll(options);
  await keepContracts(options.file, contracts);
  return contracts;
}

/** Writes where the contracts are. On the disk before the name is: a power cut leaves the file of before, or this one. */
export async function keepContracts(file: string, contracts: Contracts): Promise<void> {
  await writeFile(`${file}.new`, JSON.stringify(contracts, null, 2), { mode: 0o600, flush: true });
  await rename(`${file}.new`, file);
}

/** The file's contents; undefined when there is none. @throws SyntaxError when it is no JSON. */
export async function readContracts(file: string): Promise<Contracts | undefined> {
  try {
    return JSON.parse(await readFile(file, 'utf8')) as Contracts;
  } catch (problem) {
    if ((problem as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw problem;
  }
}

/** True when the code at every address is what this version compiles to, immutable values aside. */
export async function areDeployed(chain: Pick<EvmChain, 'chainId' | 'code'>, contracts: Contracts): Promise<boolean> {
  return (await unfitContracts(chain, contracts)).length === 0;
}

/** What is wrong with the contracts as this chain has them, one line each; nothing when they are ours. @throws ChainUnavailable */
export async function unfitContracts(
  chain: Pick<EvmChain, 'chainId' | 'code'>,
  contracts: Contracts,
): Promise<string[]> {
  if (contracts.chainId !== chain.chainId)
    return [`the contracts are on chain ${contracts.chainId}; this is chain ${chain.chainId}`];
  const expected: [Hex | undefined, ContractName][] = [
    [contracts.network, 'Network'],
    [contracts.anchorLog, 'AnchorLog'],
    [contracts.consentRegistry, 'ConsentRegistry'],
    [contracts.groups, 'GroupRegistry'],
    [contracts.emergency, 'EmergencyAccess'],
  ];
  const problems = expected.map(async ([address, name]) => {
    if (address === undefined) return `${name} has no address`;
    const [code, known] = [await chain.code(address), artifact(name)];
    if (code === '0x') return `there is no contract at ${address}, where ${name} is expected`;
    const isOurs = masked(code, known) === masked(known.deployedBytecode, known);
    return isOurs ? undefined : `the code at ${address} is not the ${name} of this version`;
  });
  return (await Promise.all(problems)).filter((problem) => problem !== undefined);
}

/** With the contracts that the registry has created. */
export function completed(
  chainId: number,
  deployed: Pick<Contracts, 'network' | 'anchorLog' | 'consentRegistry'>,
): Omit<Contracts, 'fromBlock'> {
  const { consentRegistry } = deployed;
  return { chainId, ...deployed, groups: createdBy(consentRegistry, 2), emergency: createdBy(consentRegistry, 3) };
}

/**
 * Makes a ProfileSet one that heads may name; does nothing when it is. With several members this only proposes it.
 *
 * @param chain with the key of a member of the network.
 */
export async function ratifyProfileSet(
  chain: EvmChain,
  { network, anchorLog }: Pick<Contracts, 'network' | 'anchorLog'>,
  profileSet: Hex,
  timeoutMs = 60_000,
): Promise<void> {
  if (decodeBoolean(await chain.call(anchorLog, encodeIsRatified(profileSet)))) return;
  const action = abiOf('AnchorLog').encodeFunctionData('ratifyProfileSet', [profileSet]);
  const proposal = abiOf('Network').encodeFunctionData('propose', [anchorLog, action]) as Hex;
  await transact(chain, network, proposal, await chain.nextNonce(), timeoutMs);
}

/**
 * Names the roles (blinded terms, 32 digits) that may break the glass, and for how long at most. With several members this only proposes it.
 *
 * @param chain with the key of a member of the network.
 */
export async function nameEmergencyRoles(
  chain: EvmChain,
  { network, emergency }: Pick<Contracts, 'network' | 'emergency'>,
  roles: { readonly named: readonly string[]; readonly unnamed?: readonly string[]; readonly maxDurationS: number },
  timeoutMs = 60_000,
): Promise<void> {
  const action = encodeSetRules(roles.named, roles.unnamed ?? [], roles.maxDurationS);
  const proposal = abiOf('Network').encodeFunctionData('propose', [emergency, action]) as Hex;
  await transact(chain, network, proposal, await chain.nextNonce(), timeoutMs);
}

async function transact(chain: EvmChain, to: Hex | undefined, data: Hex, nonce: number, timeoutMs: number) {
  const { raw, txHash } = await chain.sign(to, data, nonce);
  await chain.send(raw);
  const receipt = await chain.mined(txHash, timeoutMs);
  if (receipt.status !== 'success') throw new Error(`transaction ${txHash} reverted`);
  return receipt;
}

async function deployAll(options: DeployOptions): Promise<Contracts> {
  const { chain, validators, profileSets, organisation, timeoutMs = 60_000 } = options;
  let nonce = await chain.nextNonce();
  const first = await chain.head();
  const network = await create('Network', [[chain.address]]);
  const anchorLog = await create('AnchorLog', [network, validators, profileSets]);
  const consentRegistry = await create('ConsentRegistry', [network]);
  const entry = [organisation.baseUrl, Buffer.from(organisation.publicKeys ?? ''), organisation.relay, 1];
  const identifier = `0x${toHex(sha256(Buffer.from(organisation.identifier)))}`;
  const action = abiOf('Network').encodeFunctionData('setOrganisation', [identifier, entry]);
  await send(network, abiOf('Network').encodeFunctionData('propose', [network, action]) as Hex);
  return { ...completed(chain.chainId, { network, anchorLog, consentRegistry }), fromBlock: first.number };

  function send(to: Hex | undefined, data: Hex) {
    nonce += 1;
    return transact(chain, to, data, nonce - 1, timeoutMs);
  }

  async function create(name: ContractName, args: readonly unknown[]): Promise<Hex> {
    const code = artifact(name).bytecode + abiOf(name).encodeDeploy(args).slice(2);
    const { txHash, blockNumber } = await send(undefined, code as Hex);
    const address = await chain.createdBy(txHash);
    if (address === undefined) throw new Error(`${name} was not created in block ${blockNumber}`);
    return address;
  }
}

/** Address of the contract that another created as its `n`th (from 1). */
function createdBy(from: Hex, n: number): Hex {
  return getCreateAddress({ from, nonce: n }).toLowerCase() as Hex;
}

function abiOf(name: ContractName): Interface {
  return new Interface(JSON.stringify(artifact(name).abi));
}

function masked(code: Hex, { deployedBytecode, immutables }: Artifact): string {
  const bytes = Buffer.from(code.slice(2), 'hex');
  // Another code: the places of immutable values may lie beyond its end.
  if (code.length !== deployedBytecode.length) return code;
  for (const { start, length } of immutables) bytes.fill(0, start, start + length);
  return bytes.toString('hex');
}
