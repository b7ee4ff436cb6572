/** A log on real parts: anvil, the contract, tiles on disk; the state store is a folder of files, so that a new anchorer finds what an old one left. */
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { sha256, toHex } from '../../src/base/bytes.js';
import { parseJson, stringifyJson } from '../../src/base/json.js';
import type { Hex } from '../../src/chain/chain.js';
import { deployContracts, type Contracts } from '../../src/chain/deploy.js';
import { startEmbeddedChain, type EmbeddedChain } from '../../src/chain/embedded-anvil.js';
import { createEthersChain, type EvmChain } from '../../src/chain/ethers-chain.js';
import { addressOf } from '../../src/chain/signing.js';
import { Anchorer, type AnchorerOptions } from '../../src/anchoring/anchorer.js';
import { LocalAttestor } from '../../src/anchoring/attestation.js';
import { batchFacts } from '../../src/anchoring/batch-facts.js';
import { openLeafContext } from '../../src/anchoring/leaf-context.js';
import { createLeafOf } from '../../src/anchoring/leaf-of.js';
import type { StateStore } from '../../src/anchoring/outbox.js';
import type { ProofHeader, ProofSource } from '../../src/anchoring/proof-builder.js';
import { TileStore } from '../../src/anchoring/tile-store.js';
import type { VersionRow } from '../../src/commit/catalog.js';

export const profileSet = sha256(Buffer.from('a ProfileSet'));
export const baseUrl = 'https://ehr.example/fhir';
const key = (label: string) => sha256(Buffer.from(`key of ${label}`));

/** State in files, written whole and renamed. */
export function fileState(folder: string): StateStore {
  const fileOf = (name: string) => path.join(folder, encodeURIComponent(name));
  mkdirSync(folder, { recursive: true });
  return {
    getState: (name) => (existsSync(fileOf(name)) ? new Uint8Array(readFileSync(fileOf(name))) : undefined),
    putState(name, value) {
      writeFileSync(`${fileOf(name)}.new`, value);
      renameSync(`${fileOf(name)}.new`, fileOf(name));
      return Promise.resolve();
    },
  };
}

interface LoggedVersion {
  readonly row: VersionRow;
  readonly header: ProofHeader;
  readonly json: Uint8Array;
  readonly leaf: Uint8Array;
}

/** Leaves and what proofs need of them; stands where catalog and vault stand in the server. */
export class TestLog {
  readonly versions: LoggedVersion[] = [];
  #leafOf!: ReturnType<typeof createLeafOf>;

  static async open(state: StateStore): Promise<TestLog> {
    const log = new TestLog();
    log.#leafOf = createLeafOf(await openLeafContext(state, profileSet, baseUrl));
    return log;
  }

  add(json: string, level: 0 | 1 | 2 | 3 = 1): VersionRow {
    const resource = parseJson(json) as { resourceType: string; id: string; meta: { versionId: string } };
    const bytes = Buffer.from(stringifyJson(resource));
    const block = sha256(bytes);
    const name = { resourceType: resource.resourceType, id: resource.id, versionId: Number(resource.meta.versionId) };
    const version = {
      ...name,
      lastUpdated: 1_700_000_000_000,
      isDeleted: false,
      level,
      receiptDigest: sha256(Buffer.from('receipt')),
    };
    return this.#push({ ...version, json: bytes, resource, block });
  }

  delete(resourceType: string, id: string, versionId: number): VersionRow {
    const version = { resourceType, id, versionId, lastUpdated: 1_700_000_000_123, isDeleted: true, level: 0 as const };
    return this.#push({ ...version, json: new Uint8Array(0) });
  }

  addMany(count: number): void {
    for (let n = 0; n < count; n += 1)
      this.add(`{"resourceType":"Basic","id":"b${this.versions.length}","meta":{"versionId":"1"}}`);
  }

  leaves(from: number, until: number): Uint8Array {
    return Buffer.concat(this.versions.slice(from, until).map(({ leaf }) => leaf));
  }

  #push(version: Parameters<ReturnType<typeof createLeafOf>>[0]): VersionRow {
    const { leaf, opening } = this.#leafOf(version);
    const leafIndex = this.versions.length;
    const { block, json, ...rest } = version;
    const header: ProofHeader = { ...rest, leafOpening: opening };
    const row: VersionRow = {
      resource: new Uint8Array(16),
      versionId: version.versionId,
      isDeleted: version.isDeleted,
      lastUpdated: version.lastUpdated,
      keyWraps: [],
      header: new Uint8Array(0),
      leafIndex,
      seq: leafIndex + 1,
      ...(block && { block }),
    };
    this.versions.push({ row, header, json, leaf });
    return row;
  }
}

export interface Network {
  readonly folder: string;
  readonly embedded: EmbeddedChain;
  readonly contracts: Contracts;
  readonly state: StateStore;
  readonly log: TestLog;
  tiles: TileStore;
  readonly chain: EvmChain;
  close(): Promise<void>;
}

/** A fresh chain with the contracts on it, and an empty log. */
export async function startNetwork(validators: readonly string[] = ['validator']): Promise<Network> {
  const folder = mkdtempSync(path.join(tmpdir(), 'mooring-anchoring-'));
  const embedded = await startEmbeddedChain({ folder: path.join(folder, 'chain') });
  await embedded.fund([addressOf(key('deployer')), addressOf(key('anchorer'))]);
  const { url, chainId, journal } = embedded;
  const deployer = createEthersChain({ url, chainId, payer: key('deployer'), journal });
  const contracts = await deployContracts({
    chain: deployer,
    file: path.join(folder, 'contracts.json'),
    validators: validators.map((name) => addressOf(key(name))),
    profileSets: [`0x${toHex(profileSet)}`],
    organisation: { identifier: 'test', baseUrl, relay: addressOf(key('anchorer')) },
  });
  await deployer.close();
  const chain = createEthersChain({ url, chainId, payer: key('anchorer'), journal });
  const state = fileState(path.join(folder, 'state'));
  const log = await TestLog.open(state);
  const tiles = await TileStore.open(path.join(folder, 'log'), log, 0);
  return {
    folder,
    embedded,
    contracts,
    state,
    log,
    tiles,
    chain,
    async close() {
      await chain.close();
      await embedded.stop();
      rmSync(folder, { recursive: true });
    },
  };
}

/** An anchorer as the server makes it; `changes` replace options. */
export function anchorerOf(network: Network, changes: Partial<AnchorerOptions> = {}): Anchorer {
  const { chain, contracts, tiles, state, log } = network;
  const header = (row: VersionRow) => log.versions[row.leafIndex].header;
  const versionsByLeaf = (from: number, until: number) => log.versions.slice(from, until).map(({ row }) => row);
  return new Anchorer({
    chain,
    contract: contracts.anchorLog,
    fromBlock: contracts.fromBlock,
    tiles,
    state,
    leafCount: () => log.versions.length,
    facts: (from, until) => batchFacts({ versionsByLeaf, header, state }, from, until),
    attestors: [new LocalAttestor(key('validator'), tiles, state)],
    maxAgeMs: 0,
    ...changes,
  });
}

export function proofSourceOf({ log, tiles, state }: Network, anchorers: readonly Anchorer[]): ProofSource {
  return {
    tiles,
    anchorers,
    state,
    header: (row) => log.versions[row.leafIndex].header,
    open: (row) => Promise.resolve(log.versions[row.leafIndex].json),
  };
}

export function privateKeyOf(name: string): Uint8Array {
  return key(name);
}

/** Steps until nothing is left to do. */
export async function settle(anchorer: Anchorer): Promise<void> {
  for (let round = 0; round < 200; round += 1) {
    const outcome = await anchorer.step();
    if (outcome === 'idle') return;
    if (outcome === 'waiting') await new Promise((resolve) => setTimeout(resolve, 5));
  }
  throw new Error('the anchorer does not come to rest');
}

/** Heads that the contract anchored, by their events. */
export async function anchoredSizes({ chain, contracts }: Network): Promise<number[]> {
  const { number } = await chain.head();
  const { decodeHeadAnchored, HEAD_ANCHORED_TOPIC } = await import('../../src/chain/anchor-log.js');
  const logs = await chain.logs(contracts.anchorLog as Hex, 0, number);
  return logs.filter(({ topics }) => topics[0] === HEAD_ANCHORED_TOPIC).map((log) => decodeHeadAnchored(log).size);
}
