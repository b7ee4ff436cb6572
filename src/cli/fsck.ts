/** `mooring fsck`: checks DATA_DIR against itself and against the chain, and names the first record that does not fit. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { createLog } from '../base/log.js';
import { toHex } from '../base/bytes.js';
import { findLeafContext, newestContextId } from '../anchoring/leaf-context.js';
import { fsck, type Finding, type FsckSource } from '../anchoring/fsck.js';
import { ChainUnavailable } from '../chain/chain.js';
import { readContracts } from '../chain/deploy.js';
import { startEmbeddedChain } from '../chain/embedded-anvil.js';
import { createEthersChain } from '../chain/ethers-chain.js';
import { chainKeys } from '../chain/keys.js';
import { loggedAccessHeads } from '../commit/access-heads.js';
import { AccessLogBroken } from '../commit/access-log.js';
import type { Link, VersionRow } from '../commit/catalog.js';
import { ConfigError, readConfig, type Config } from '../config.js';
import { createExtractor } from '../fhir/search/extract.js';
import { createParameters } from '../fhir/search/parameters.js';
import { accessHeadForm, notedAccessHead } from '../wiring/access-head.js';
import { loadActiveDefinitions } from '../wiring/definitions.js';
import { FolderLocked } from '../base/folder-lock.js';
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
    ...(await indexCheck(config, storage)),
    async readAccessLog() {
      const { count } = accessLog.head();
      // Opening compared it with what was noted; here every record is read.
      await notedAccessHead(catalog, storage.keyRing, storage.server);
      for (let from = 0; from < count; from += 1_000) await accessLog.read(from, Math.min(count, from + 1_000));
    },
    accessHeads: () => loggedAccessHeads(catalog, accessHeadForm(storage.keyRing), storage.server),
    accessDigestAt: (length) => accessLog.digestAt(length),
    onProgress: (checked, total) => {
      if (process.stderr.isTTY) process.stderr.write(`\r${checked} of ${total} versions`);
    },
  };
}

/** A current version carries every term and link that its resource gives under the server's own definitions. */
async function indexCheck(
  config: Config,
  storage: Storage,
): Promise<Pick<FsckSource, 'indexProblem' | 'indexFindings'>> {
  const { catalog, blinder } = storage;
  const { seq } = catalog.head();
  const contextId = await newestContextId(catalog);
  const context = contextId && (await findLeafContext(catalog, contextId));
  if (context === undefined) return {};
  const { baseUrl } = context;
  const definitions = loadActiveDefinitions(
    config,
    createLog('silent', () => undefined),
  );
  const extractor = createExtractor({
    parameters: createParameters(definitions.current.definitions),
    blinder,
    baseUrl,
  });
  const expected: ExpectedLinks = new Map();
  const indexProblem: FsckSource['indexProblem'] = async (row, resource) => {
    if ((await catalog.current(row.resource, seq))?.leafIndex !== row.leafIndex) return undefined;
    const { terms, links } = extractor.entries(resource);
    const wanted = Array.from({ length: terms.byteLength / 16 }, (_, n) => terms.subarray(16 * n, 16 * n + 16));
    const named = { kind: 'resource', names: [row.resource] } as const;
    const holds = (some: readonly Uint8Array[]) =>
      catalog.count({ kind: 'and', of: [named, ...some.map((term) => ({ kind: 'term', term }) as const)] }, seq);
    if ((await holds(wanted)) !== 1) {
      let missing = 0;
      for (const term of wanted) if ((await holds([term])) !== 1) missing += 1;
      return `${missing} of its ${wanted.length} terms are missing`;
    }
    return linkProblem(catalog, row, links, expected);
  };
  return { indexProblem, indexFindings: () => checkTargets(catalog, expected) };
}

/** Links that current versions have, by parameter and target. */
type ExpectedLinks = Map<string, { readonly link: Link; count: number; readonly leafIndex: number }>;

/** Every resource is known to be referred to as often as current versions do. */
async function* checkTargets(catalog: Storage['catalog'], expected: ExpectedLinks): AsyncGenerator<Finding> {
  const { seq } = catalog.head();
  for (const { link, count, leafIndex } of expected.values()) {
    const target = await catalog.current(link.target, seq);
    if (target === undefined || target.isDeleted) continue;
    const resource = { kind: 'resource', names: [link.target] } as const;
    const found = await catalog.count({ kind: 'link-to', params: [link.param], target: resource }, seq);
    if (found === count) continue;
    const problem = `${found} links to it are kept, ${count} versions (one is leaf ${leafIndex}) have one`;
    yield { store: 'index', record: `the resource of leaf ${target.leafIndex}`, problem };
  }
}

/** Links are kept twice: by the version that has them, and by the resource that they lead to. */
async function linkProblem(
  catalog: Storage['catalog'],
  row: VersionRow,
  links: readonly Link[],
  expected: ExpectedLinks,
): Promise<string | undefined> {
  const keyOf = ({ param, target }: Link) => `${toHex(param)}/${toHex(target)}`;
  const kept = new Set((await catalog.linksOf([row.leafIndex], [])).map(keyOf));
  const missing = links.filter((link) => !kept.has(keyOf(link))).length;
  if (missing > 0 || kept.size !== new Set(links.map(keyOf)).size)
    return `${missing} of its ${links.length} links are missing, ${kept.size} are kept`;
  for (const link of links) {
    const known = expected.get(keyOf(link));
    if (known === undefined) expected.set(keyOf(link), { link, count: 1, leafIndex: row.leafIndex });
    else known.count += 1;
  }
  return undefined;
}

/** The chain of this installation; none when it was never deployed. */
async function connect(config: Config, storage: Storage) {
  const contracts = await readContracts(path.join(config.dataDir, 'chain', 'contracts.json'));
  if (contracts === undefined) return { anchors: [], close: () => Promise.resolve() };
  const embedded =
    config.chain.kind === 'embedded' ? await startEmbeddedChain({ folder: config.chain.folder }) : undefined;
  const url = config.chain.kind === 'rpc' ? config.chain.url : (embedded?.url as string);
  const privateKey = chainKeys(storage.keyRing).anchorer;
  const chain = createEthersChain({ url, chainId: contracts.chainId, payer: privateKey });
  return {
    anchors: [{ chain, contract: contracts.anchorLog, fromBlock: contracts.fromBlock }],
    async close() {
      await chain.close();
      await embedded?.stop();
    },
  };
}
