/** `mooring chain`: puts the contracts on a chain, or takes those that are there, before any server starts. */
import { mkdir, readFile } from 'node:fs/promises';
import path from 'node:path';
import { createLog, type Log } from '../base/log.js';
import type { Hex } from '../chain/chain.js';
import { completed, keepContracts, readContracts, unfitContracts, type Contracts } from '../chain/deploy.js';
import { createEthersChain, type EvmChain } from '../chain/ethers-chain.js';
import { readConfig, type ChainConfig, type Config } from '../config.js';
import type { Catalog } from '../commit/catalog.js';
import { loadActiveDefinitions } from '../wiring/definitions.js';
import { checkChainId, connectNetwork, contractsKey } from '../wiring/network.js';
import { accountOf, payersOf, type Payers } from '../wiring/payers.js';
import { openConfiguredRing } from '../wiring/ring-form.js';
import { openCatalog } from '../wiring/storage.js';
import { argumentsOf, command, CommandRefused } from './command.js';

const usage = `Usage: mooring chain accounts       the accounts that send, what each is for, and what it has: give them funds first
       mooring chain deploy         deploys the contracts with the payer's account, and keeps their addresses in DATA_DIR/chain/contracts.json
       mooring chain attach FILE    takes contracts that are there: FILE has their addresses (JSON: network, anchorLog, consentRegistry, fromBlock)
       mooring chain show           where the contracts are, and whether their code is ours
For a chain of yours (CHAIN_RPC_URL, CHAIN_ID, CHAIN_KEY_FILE or CHAIN_SIGNER_URL); the embedded one does all of it by itself.`;

type OwnChain = Extract<ChainConfig, { kind: 'rpc' }>;

interface Parts {
  readonly config: Config;
  readonly own: OwnChain;
  readonly payers: Payers;
  readonly chain: EvmChain;
  /** DATA_DIR/chain/contracts.json. */
  readonly file: string;
}

export function run(args: string[]): Promise<number> {
  return command(usage, async () => {
    const parsed = argumentsOf(usage, args, {});
    if (parsed === undefined) return 0;
    const [verb, ...rest] = parsed.positionals;
    const known = { accounts, deploy, show, attach } as const;
    if (verb === undefined || !Object.hasOwn(known, verb))
      throw new CommandRefused('expected accounts, deploy, attach or show');
    if (rest.length !== (verb === 'attach' ? 1 : 0))
      throw new CommandRefused(verb === 'attach' ? 'one FILE is expected' : `${verb} takes nothing more`);
    return withChain((parts) => known[verb as keyof typeof known](parts, rest[0]!));
  });
}

/** @throws CommandRefused for the embedded chain; Error for a chain with another id. */
async function withChain(work: (parts: Parts) => Promise<number>): Promise<number> {
  const config = readConfig(process.env);
  const { chain: own, dataDir } = config;
  if (own.kind === 'embedded')
    throw new CommandRefused('CHAIN_RPC_URL is not set: the embedded chain has its contracts from its first start on');
  const payers = payersOf(own, await openConfiguredRing(config));
  const chain = createEthersChain({ url: own.urls, chainId: own.chainId, payer: payers.deployer });
  try {
    await checkChainId(own.urls, own.chainId);
    return await work({ config, own, payers, chain, file: path.join(dataDir, 'chain', 'contracts.json') });
  } finally {
    await chain.close();
  }
}

async function accounts({ payers, chain }: Parts): Promise<number> {
  const uses = {
    deployer: 'deploys, and is the first member',
    anchorer: 'anchors',
    publisher: 'publishes consents',
  } as const;
  for (const [name, use] of Object.entries(uses)) {
    const address = accountOf(payers[name as keyof typeof uses]);
    console.log(`${address}  ${(Number(await chain.balance(address)) / 1e18).toFixed(6).padStart(14)} ether  ${use}`);
  }
  return 0;
}

async function deploy({ config, chain, file }: Parts): Promise<number> {
  const before = await readContracts(file);
  const isThere = before !== undefined && (await unfitContracts(chain, before)).length === 0;
  if (isThere) return told(file, before, 'The contracts are there already');
  if (config.port === 0 && config.publicUrl === undefined)
    throw new CommandRefused('PUBLIC_URL is expected: the directory of the network names the address of this server');
  const baseUrl = `${config.publicUrl ?? `http://${config.host}:${config.port}`}/fhir`;
  const { current } = loadActiveDefinitions(config, silent);
  return withCatalog(config, async (catalog) => {
    const ring = await openConfiguredRing(config);
    const network = await connectNetwork(config, ring, baseUrl, current.profileSet.digest, silent, catalog);
    await network.close();
    return told(file, network.contracts, 'Deployed');
  });
}

async function attach({ config, own, chain, file }: Parts, given: string): Promise<number> {
  const contracts = await contractsIn(given, own.chainId);
  const unfit = await unfitContracts(chain, contracts);
  if (unfit.length > 0) throw new CommandRefused(`not attached: ${unfit.join('; ')}`);
  await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
  const text = JSON.stringify(contracts, null, 2);
  await keepContracts(file, contracts);
  return withCatalog(config, async (catalog) => {
    // Servers that share a log look there first.
    if (catalog.locks !== undefined) await catalog.putState(contractsKey(own.chainId), Buffer.from(text));
    return told(file, contracts, 'Attached');
  });
}

async function show({ chain, file }: Parts): Promise<number> {
  const contracts = await readContracts(file);
  if (contracts === undefined) {
    console.error(`There are no contracts yet: ${file} is missing.`);
    return 1;
  }
  const unfit = await unfitContracts(chain, contracts);
  for (const problem of unfit) console.error(problem);
  return unfit.length > 0 ? 1 : told(file, contracts, 'On the chain, with our code');
}

function told(file: string, contracts: Contracts, what: string): number {
  console.error(`${what}; the addresses are in ${file}`);
  console.log(JSON.stringify(contracts, null, 2));
  return 0;
}

/** @throws CommandRefused when the file names other things than contracts of this chain. */
async function contractsIn(file: string, chainId: number): Promise<Contracts> {
  const text = await readFile(file, 'utf8').catch((error: Error) => {
    throw new CommandRefused(`${file} cannot be read: ${error.message}`);
  });
  let given: Partial<Contracts>;
  try {
    given = JSON.parse(text) as Partial<Contracts>;
  } catch {
    throw new CommandRefused(`${file} is no JSON`);
  }
  for (const name of ['network', 'anchorLog', 'consentRegistry'] as const) {
    if (!/^0x[0-9a-fA-F]{40}$/.test(given[name] ?? '')) throw new CommandRefused(`${file}: ${name} is no address`);
  }
  if ((given.chainId ?? chainId) !== chainId)
    throw new CommandRefused(`${file} is about chain ${given.chainId}; CHAIN_ID is ${chainId}`);
  const { network, anchorLog, consentRegistry } = given as Record<'network' | 'anchorLog' | 'consentRegistry', Hex>;
  return { ...completed(chainId, { network, anchorLog, consentRegistry }), fromBlock: given.fromBlock ?? 0 };
}

/** Where servers share a log, its catalog has the contracts' addresses and the lock of who deploys; else nobody needs it. */
async function withCatalog<T>(
  config: Config,
  work: (catalog: Pick<Catalog, 'getState' | 'putState' | 'locks'>) => Promise<T>,
): Promise<T> {
  if (config.catalog.kind === 'sqlite') {
    return work({ getState: () => undefined, putState: () => Promise.resolve() });
  }
  const catalog = await openCatalog(config.catalog);
  try {
    return await work(catalog);
  } finally {
    await catalog.close();
  }
}

const silent: Log = createLog('silent', () => undefined);
