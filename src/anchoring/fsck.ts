/**
 * Checks everything that is kept against everything else: each version is opened and its leaf made again, the log is compared with its tiles and with
 * what the chain anchored, every block with its CID, the index with what each resource gives.
 *
 * Writes nothing. Findings come in log order, so the first one names the first record that does not fit.
 */
import { sameBytes, toHex } from '../base/bytes.js';
import { parseJson } from '../base/json.js';
import {
  decodeHead,
  decodeHeadAnchored,
  encodeHeadCall,
  HEAD_ANCHORED_TOPIC,
  type AnchoredHead,
} from '../chain/anchor-log.js';
import type { Chain, Hex } from '../chain/chain.js';
import type { Catalog, VersionRow } from '../commit/catalog.js';
import type { BlockStore } from '../ipfs/block-store.js';
import { accessLeaf, type AccessHead } from './access-leaf.js';
import { GrowingRoot } from './batch-facts.js';
import { cidOf } from './cid.js';
import { findLeafContext } from './leaf-context.js';
import { makeDeletionLeaf, makeLeaf, readOpening } from './leaf.js';
import { hashBytes, hashRow } from './merkle.js';
import { Outbox } from './outbox.js';
import type { ProofHeader } from './proof-builder.js';
import { tilePath, tilesAt, tileWidth } from './tiles.js';

export interface Finding {
  /** Which store the record lies in. */
  readonly store: 'catalog' | 'blocks' | 'tiles' | 'chain' | 'outbox' | 'index' | 'access log';
  /** Names the record: `Patient/1/_history/2 (leaf 17)`, a CID, `tile/0/003`, `batch 4`. */
  readonly record: string;
  readonly problem: string;
}

export interface FsckSource {
  readonly catalog: Pick<Catalog, 'head' | 'leaves' | 'versionsByLeaf' | 'getState' | 'putState'>;
  readonly blocks: Pick<BlockStore, 'get' | 'list'>;
  header(row: VersionRow): ProofHeader;
  open(row: VersionRow): Promise<Uint8Array>;
  /** Bytes of a full tile's file; undefined when there is none. */
  readTile(path: string): Promise<Uint8Array | undefined>;
  readonly anchors: readonly {
    readonly chain: Omit<Chain, 'sign'>;
    readonly contract: Hex;
    readonly fromBlock: number;
  }[];
  /** What the index lacks of a current version; undefined when it lacks nothing. */
  indexProblem?(row: VersionRow, resource: { readonly resourceType: string }): Promise<string | undefined>;
  /** What does not fit in the index as a whole; asked after every version was. */
  indexFindings?(): AsyncIterable<Finding>;
  /** Reads the whole access log. @throws Error naming the record that is missing or altered. */
  readAccessLog?(): Promise<void>;
  /** Heads of the access log that the anchored log has; what their leaves are compared with, and the access log at that length. */
  accessHeads?(): AsyncIterable<AccessHead & { readonly leafIndex: number }>;
  accessDigestAt?(count: number): Promise<Uint8Array>;
  /** Told after each 1,000 versions. */
  onProgress?(checked: number, total: number): void;
}

const chunkRows = 1_000;

/** Every record that does not fit, as it is found. */
export async function* fsck(source: FsckSource): AsyncGenerator<Finding> {
  const total = source.catalog.head().leafCount;
  const seen = new Set<string>();
  const roots = new Map<number, string>();
  const heads = yield* anchoredHeads(source);
  const wanted = new Set(heads.flatMap(({ head }) => [head.size]));
  const tree = new GrowingRoot();
  const order = { seq: 0 };
  for (let from = 0; from < total; from += chunkRows) {
    const until = Math.min(total, from + chunkRows);
    const leaves = await source.catalog.leaves(from, until);
    yield* checkVersions(source, from, until, leaves, seen, order);
    for (let index = from; index < until; index += 1) {
      const leaf = leaves.subarray((index - from) * hashBytes, (index - from + 1) * hashBytes);
      if (leaf.byteLength === hashBytes) tree.append(leaf);
      if (wanted.has(index + 1)) roots.set(index + 1, `0x${toHex(tree.root())}`);
    }
    source.onProgress?.(until, total);
  }
  if (source.indexFindings) yield* source.indexFindings();
  yield* checkTiles(source, total);
  yield* checkBlocks(source, seen);
  for (const { head, contract } of heads) {
    const own = roots.get(head.size);
    if (own === head.root) continue;
    const problem =
      own === undefined
        ? `it covers ${head.size} leaves, the log has ${total}`
        : `its root is ${head.root}, the log's is ${own}`;
    yield { store: 'chain', record: `batch ${head.batch} of ${contract}`, problem };
  }
  yield* attempt('access log', 'access log', () => source.readAccessLog?.());
  yield* checkAccessHeads(source);
}

/** What the anchored log says of the access log is so. */
async function* checkAccessHeads(source: FsckSource): AsyncGenerator<Finding> {
  try {
    for await (const head of source.accessHeads?.() ?? []) {
      const { leafIndex, count, digest } = head;
      const leaf = await source.catalog.leaves(leafIndex, leafIndex + 1);
      if (!sameBytes(leaf, accessLeaf(head)))
        yield {
          store: 'catalog',
          record: `access head (leaf ${leafIndex})`,
          problem: 'its leaf is not what is kept of it',
        };
      const found = await source.accessDigestAt?.(count);
      const problem = `they are not those that leaf ${leafIndex} of the log tells of`;
      if (found !== undefined && !sameBytes(found, digest))
        yield { store: 'access log', record: `access records before ${count}`, problem };
    }
  } catch (error) {
    yield { store: 'access log', record: 'access log', problem: (error as Error).message };
  }
}

async function* checkVersions(
  source: FsckSource,
  from: number,
  until: number,
  leaves: Uint8Array,
  seen: Set<string>,
  order: { seq: number },
): AsyncGenerator<Finding> {
  let rows: VersionRow[];
  try {
    rows = await source.catalog.versionsByLeaf(from, until);
  } catch (error) {
    yield { store: 'catalog', record: `leaves ${from} to ${until - 1}`, problem: (error as Error).message };
    return;
  }
  for (let index = from; index < until; index += 1) {
    const row = rows[index - from];
    if (row?.leafIndex !== index) {
      yield { store: 'catalog', record: `leaf ${index}`, problem: 'its row is missing' };
      return;
    }
    if (row.seq < order.seq || row.seq > source.catalog.head().seq)
      yield {
        store: 'catalog',
        record: `leaf ${index}`,
        problem: `its entry ${row.seq} is not between ${order.seq} and the head`,
      };
    else order.seq = row.seq;
    if (row.block !== undefined) seen.add(toHex(row.block));
    // Of an erased version nothing is left to compare; the log's own hashes cover its leaf.
    if (row.isErased) continue;
    const leaf = leaves.subarray((index - from) * hashBytes, (index - from + 1) * hashBytes);
    const finding = await checkVersion(source, row, leaf);
    if (finding !== undefined) yield finding;
  }
}

async function checkVersion(source: FsckSource, row: VersionRow, leaf: Uint8Array): Promise<Finding | undefined> {
  let record = `leaf ${row.leafIndex}`;
  const at = (store: Finding['store'], problem: string): Finding => ({ store, record, problem });
  let header: ProofHeader;
  try {
    header = source.header(row);
  } catch (error) {
    return at('catalog', `its sealed header does not open: ${(error as Error).message}`);
  }
  const { resourceType, id, versionId } = header;
  const reference = `${resourceType}/${id}/_history/${versionId}`;
  record = `${reference} (leaf ${row.leafIndex})`;
  if (versionId !== row.versionId || header.isDeleted !== row.isDeleted || header.lastUpdated !== row.lastUpdated)
    return at('catalog', 'its row differs from its sealed header in versionId, isDeleted or lastUpdated');
  const { contextId, leafSalt, commitment } = readOpening(header.leafOpening);
  const context = await findLeafContext(source.catalog, contextId);
  if (context === undefined) return at('catalog', 'the context of its leaf is missing');
  if (header.isDeleted || row.block === undefined) {
    const made = makeDeletionLeaf(context, { reference, salt: leafSalt, lastUpdated: header.lastUpdated });
    return sameBytes(made.leaf, leaf)
      ? undefined
      : at('catalog', `its leaf is ${toHex(leaf)}, made again it is ${toHex(made.leaf)}`);
  }
  let resource: { resourceType: string; id?: unknown; meta?: { versionId?: unknown } };
  try {
    resource = parseJson(Buffer.from(await source.open(row)).toString('utf8')) as typeof resource & object;
  } catch (error) {
    return at('blocks', `its content does not open: ${(error as Error).message}`);
  }
  if (`${resource.resourceType}/${String(resource.id)}/_history/${String(resource.meta?.versionId)}` !== reference)
    return at('blocks', 'its content is of another resource or version');
  const { level, receiptDigest } = header;
  const input = {
    reference,
    salt: leafSalt,
    resource,
    block: row.block,
    level,
    ...(receiptDigest && { receiptDigest }),
  };
  const made = makeLeaf(context, input);
  if (!sameBytes(made.leaf, leaf))
    return at('catalog', `its leaf is ${toHex(leaf)}, made again it is ${toHex(made.leaf)}`);
  if (commitment !== undefined && !sameBytes(commitment, readOpening(made.opening).commitment!))
    return at('catalog', 'the commitment in its sealed header is not that of its content');
  const problem = await source.indexProblem?.(row, resource);
  return problem === undefined ? undefined : at('index', problem);
}

/** Full tiles in files are what the catalog's leaves give. */
async function* checkTiles(source: FsckSource, total: number): AsyncGenerator<Finding> {
  let below: Uint8Array | undefined;
  for (let level = 0; tilesAt(level, total).full > 0; level += 1) {
    const { full } = tilesAt(level, total);
    const roots: Uint8Array[] = [];
    for (let index = 0; index < full; index += 1) {
      const first = index * tileWidth;
      const expected: Uint8Array = below
        ? below.subarray(first * hashBytes, (first + tileWidth) * hashBytes)
        : await source.catalog.leaves(first, first + tileWidth);
      const path = tilePath({ level, index, width: tileWidth });
      const found = await source.readTile(path);
      // A tile that is missing is made again by the next start.
      if (found !== undefined && !sameBytes(found, expected))
        yield { store: 'tiles', record: path, problem: 'its hashes are not those of the log' };
      let row = expected;
      while (row.byteLength > hashBytes) row = hashRow(row);
      roots.push(row);
    }
    below = Buffer.concat(roots);
  }
}

/** Blocks that no row names directly: pieces of large contents, and what a crash left. */
async function* checkBlocks(source: FsckSource, seen: ReadonlySet<string>): AsyncGenerator<Finding> {
  for await (const digest of source.blocks.list())
    if (!seen.has(toHex(digest))) yield* attempt('blocks', cidOf(digest), () => source.blocks.get(digest));
}

async function* attempt(store: Finding['store'], record: string, read: () => unknown): AsyncGenerator<Finding> {
  try {
    await read();
  } catch (error) {
    yield { store, record, problem: (error as Error).message };
  }
}

/** Heads that the chains hold, each extending the one before; batches of the outbox say the same. */
async function* anchoredHeads(source: FsckSource): AsyncGenerator<Finding, { head: AnchoredHead; contract: Hex }[]> {
  const found: { head: AnchoredHead; contract: Hex }[] = [];
  for (const { chain, contract, fromBlock } of source.anchors) {
    const outbox = new Outbox(source.catalog, chain.chainId, contract);
    const logs = await chain.logs(contract, fromBlock, (await chain.head()).number);
    const heads = logs.filter(({ topics }) => topics[0] === HEAD_ANCHORED_TOPIC);
    for (const log of heads) {
      const head = decodeHeadAnchored(log);
      found.push({ head, contract });
      const record = `batch ${head.batch} of ${contract}`;
      const stored = await outbox.get(head.batch).catch(() => undefined);
      if (stored === undefined) yield { store: 'outbox', record, problem: 'its record is missing or unreadable' };
      else if (stored.statement.root !== head.root || stored.statement.size !== head.size)
        yield {
          store: 'outbox',
          record,
          problem: `its record says size ${stored.statement.size}, root ${stored.statement.root}`,
        };
    }
    const stored = decodeHead(await chain.call(contract, encodeHeadCall()));
    if (stored.batch !== heads.length)
      yield {
        store: 'chain',
        record: contract,
        problem: `it holds ${stored.batch} batches, its events tell ${heads.length}`,
      };
  }
  return found;
}
