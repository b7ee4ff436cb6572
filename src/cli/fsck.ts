/** `mooring fsck`: checks DATA_DIR against itself and against the chain, and names the first record that does not fit. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { createLog } from '../base/log.js';
import { findLeafContext } from '../anchoring/leaf-context.js';
import { fsck, type Finding, type FsckSource } from '../anchoring/fsck.js';
import { readOpening } from '../anchoring/leaf.js';
import { ChainUnavailable } from '../chain/chain.js';
import { readContracts } from '../chain/deploy.js';
import { startEmbeddedChain } from '../chain/embedded-anvil.js';
import { createEthersChain } from '../chain/ethers-chain.js';
import { chainKeys } from '../chain/keys.js';
import { AccessLogBroken } from '../commit/access-log.js';
import type { VersionRow } from '../commit/catalog.js';
import { ConfigError, readConfig, type Config } from '../config.js';
import { createExtractor } from '../fhir/search/extract.js';
import { createParameters } from '../fhir/search/parameters.js';
import { notedAccessHead } from '../wiring/access-head.js';
import { loadActiveDefinitions } from '../wiring/definitions.js';
import { FolderLocked } from '../wiring/folder-lock.js';
import { openStorage, type Storage } from '../wiring/storage.js';

const usage = `Usage: mooring fsck [--all]
  Checks the data in DATA_DIR (default ./data) of a server that is stopped: opens every version, makes its leaf again, compares log, tiles, blocks,
  index, access log and what the chain anchored. Changes nothing but what every start does (a torn tail is cut off).
  --all   go on after the first record that does not fit
Exit status: 0 everything fits, 1 something does not, 2 the question is wrong, 3 the chain does not answer.`;

export async function run(args: string[]): Promise<number> {
  let isAll: boolean;
  let config: Config;
  try {
    const { values } = parseArgs({ args, options: { all: { type: 'boolean' }, help: { type: 'boolean' } } });
    if (values.help) {
      console.log(usage);
      return 0;
    }
    isAll = values.all ?? false;
    config = readConfig(process.env);
  } catch (error) {
    if (!(error instanceof ConfigError || error instanceof TypeError)) throw error;
    console.error(`${error.message}\n${usage}`);
    return 2;
  }
  try {
    return await check(config, isAll);
  } catch (error) {
    if (error instanceof FolderLocked) {
      console.error(error.message);
      return 2;
    }
    if (error instanceof ChainUnavailable) {
      console.error(`The chain could not be asked: ${error.message}`);
      return 3;
    }
    if (error instanceof AccessLogBroken) {
      report({ store: 'access log', record: path.join(config.dataDir, 'access'), problem: error.message });
      return 1;
    }
    // What cannot even be opened does not fit either.
    report({ store: 'catalog', record: config.dataDir, problem: (error as Error).message });
    return 1;
  }
}

async function check(config: Config, isAll: boolean): Promise<number> {
  const storage = await openStorage(config);
  try {
    const { anchors, close } = await connect(config, storage);
    try {
      let findings = 0;
      for await (const finding of fsck({ ...(await sourceOf(config, storage)), anchors })) {
        report(finding);
        findings += 1;
        if (!isAll) break;
      }
      const { leafCount } = storage.catalog.head();
      if (findings === 0)
        console.log(
          `Everything fits: ${leafCount} versions, ${anchors.length === 0 ? 'no chain' : 'anchored as the chain says'}.`,
        );
      return findings === 0 ? 0 : 1;
    } finally {
      await close();
    }
  } finally {
    await storage.close();
  }
}

function report({ store, record, problem }: Finding): void {
  console.error(`${store}: ${record}: ${problem}`);
}

async function sourceOf(config: Config, storage: Storage): Promise<Omit<FsckSource, 'anchors'>> {
  const { catalog, blocks, records, accessLog } = storage;
  return {
    catalog,
    blocks,
    header: (row) => records.header(row),
    open: (row) => records.open(row),
    readTile: (name) => readFile(path.join(config.dataDir, 'log', name)).catch(() => undefined),
    indexProblem: await indexCheck(config, storage),
    async readAccessLog() {
      const { count } = accessLog.head();
      // Opening compared it with what was noted; here every record is read.
      await notedAccessHead(catalog, storage.keyRing);
      for (let from = 0; from < count; from += 1_000) await accessLog.read(from, Math.min(count, from + 1_000));
    },
    onProgress: (checked, total) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${checked} of ${total} versions`);
    },
  };
}

/** A current version carries every term that its resource gives under the server's own definitions. */
async function indexCheck(config: Config, storage: Storage): Promise<FsckSource['indexProblem']> {
  const { catalog, blinder } = storage;
  const { seq, leafCount } = catalog.head();
  const [newest] = leafCount === 0 ? [] : await catalog.versionsByLeaf(leafCount - 1, leafCount);
  const baseUrl = newest && (await baseUrlOf(storage, newest));
  if (baseUrl === undefined) return undefined;
  const definitions = loadActiveDefinitions(
    config,
    createLog('silent', () => undefined),
  );
  const extractor = createExtractor({
    parameters: createParameters(definitions.current.definitions),
    blinder,
    baseUrl,
  });
  return async (row, resource) => {
    if ((await catalog.current(row.resource, seq))?.leafIndex !== row.leafIndex) return undefined;
    const { terms } = extractor.extract(resource);
    const wanted = Array.from({ length: terms.byteLength / 16 }, (_, n) => terms.subarray(16 * n, 16 * n + 16));
    const named = { kind: 'resource', names: [row.resource] } as const;
    const holds = (some: readonly Uint8Array[]) =>
      catalog.count({ kind: 'and', of: [named, ...some.map((term) => ({ kind: 'term', term }) as const)] }, seq);
    if ((await holds(wanted)) === 1) return undefined;
    let missing = 0;
    for (const term of wanted) if ((await holds([term])) !== 1) missing += 1;
    return `${missing} of its ${wanted.length} terms are missing`;
  };
}

async function baseUrlOf({ records, catalog }: Storage, row: VersionRow): Promise<string | undefined> {
  try {
    const { contextId } = readOpening(records.header(row).leafOpening);
    return (await findLeafContext(catalog, contextId))?.baseUrl;
  } catch {
    // fsck itself names what is wrong with this row.
    return undefined;
  }
}

/** The chain of this installation; none when it was never deployed. */
async function connect(config: Config, storage: Storage) {
  const contracts = await readContracts(path.join(config.dataDir, 'chain', 'contracts.json'));
  if (contracts === undefined) return { anchors: [], close: () => Promise.resolve() };
  const embedded =
    config.chain.kind === 'embedded' ? await startEmbeddedChain({ folder: config.chain.folder }) : undefined;
  const url = config.chain.kind === 'rpc' ? config.chain.url : (embedded?.url as string);
  const privateKey = chainKeys(storage.keyRing).anchorer;
  const chain = createEthersChain({ url, chainId: contracts.chainId, privateKey });
  return {
    anchors: [{ chain, contract: contracts.anchorLog, fromBlock: contracts.fromBlock }],
    async close() {
      await chain.close();
      await embedded?.stop();
    },
  };
}
