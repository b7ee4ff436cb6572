/**
 * Possession: a server shows that it still has the sealed blocks of a log, to a verifier who holds a checkpoint and opens nothing.
 *
 * The verifier's random seed picks leaves; the answer has for each its log entry, the sealed block that the entry names, and the inclusion path. Who lost
 * a share x of the blocks passes with probability (1-x)^count: 460 challenges find a loss of 1 % with 99 %. Spec: docs/poi.md, "Possession".
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sameBytes, sha256 } from '../base/bytes.js';
import type { VersionRow } from '../commit/catalog.js';
import type { BlockStore } from '../ipfs/block-store.js';
import { encodeAccessHead, isAccessEntry, type AccessHead } from './access-leaf.js';
import type { Checkpoint } from './checkpoint.js';
import { isGone } from './batch-facts.js';
import { encodeLeaf, leafHash } from './leaf.js';
import { rootFromInclusion } from './merkle.js';
import { leafParts, type LeafSource } from './opened-leaf.js';
import type { TileStore } from './tile-store.js';

export interface Challenge {
  /** 32 random bytes of the verifier. */
  readonly seed: Uint8Array;
  /** Leaves of the checkpoint that the verifier holds. */
  readonly size: number;
  readonly count: number;
}

/** Answer for one leaf. */
export interface Possessed {
  readonly leafIndex: number;
  /** The log entry: 164 bytes of a version, 41 of a deletion, 81 of an access head; absent when it was erased (or is a tombstone), and only the leaf is left. */
  readonly entry?: Uint8Array;
  /** The leaf itself, where there is no entry. */
  readonly leaf?: Uint8Array;
  /** Sealed bytes; absent for a deletion. */
  readonly block?: Uint8Array;
  readonly inclusion: readonly Uint8Array[];
}

export interface PossessionSource extends LeafSource {
  readonly tiles: TileStore;
  readonly blocks: Pick<BlockStore, 'get'>;
  /** Leaves [from, until), packed. */
  leaves(from: number, until: number): Uint8Array | Promise<Uint8Array>;
  versionsByLeaf(from: number, until: number): VersionRow[] | Promise<VersionRow[]>;
  /** Heads of the access log that the log has, newest first; a place without content may be one. */
  accessHeads?(): AsyncIterable<AccessHead & { readonly leafIndex: number }>;
}

/** Challenges that find a loss of 1 % with 99 %. */
export const usualCount = 460;

/** The leaves that a challenge asks for: the first 6 bytes of SHA-256(seed ‖ uint32 i), modulo size. */
export function challengedLeaves({ seed, size, count }: Challenge): number[] {
  return Array.from({ length: count }, (_, i) => {
    const number = Buffer.alloc(4);
    number.writeUInt32BE(i);
    return Buffer.from(sha256(seed, number)).readUIntBE(0, 6) % size;
  });
}

/** The answers, in the order of the challenge. @throws BlockMissing, BlockCorrupt: what was lost cannot be shown. */
export async function possess(source: PossessionSource, challenge: Challenge): Promise<Possessed[]> {
  const asked = challengedLeaves(challenge);
  // Each leaf once, in the order in which blocks and rows lie on the disk.
  const leaves = [...new Set(asked)].sort((a, b) => a - b);
  const paths = await source.tiles.inclusions(leaves, challenge.size);
  const found = new Map<number, Possessed>();
  for (let from = 0; from < leaves.length; from += atOnce) {
    const group = leaves.slice(from, from + atOnce).map((leaf, at) => possessOne(source, leaf, paths[from + at]));
    for (const answer of await Promise.all(group)) found.set(answer.leafIndex, answer);
    await nextTurn();
  }
  await showAccessHeads(source, found);
  return asked.map((leaf) => found.get(leaf)!);
}

/** Among the places without content some are access heads: their entries are shown. */
async function showAccessHeads(source: PossessionSource, found: Map<number, Possessed>): Promise<void> {
  const places = new Set([...found.values()].filter(({ entry }) => entry === undefined).map((each) => each.leafIndex));
  if (places.size === 0) return;
  for await (const head of source.accessHeads?.() ?? []) {
    if (!places.delete(head.leafIndex)) continue;
    const { leafIndex, inclusion } = found.get(head.leafIndex)!;
    found.set(leafIndex, { leafIndex, entry: encodeAccessHead(head), inclusion });
    if (places.size === 0) return;
  }
}

/** Leaves that are read at the same time. */
const atOnce = 32;

async function possessOne(
  source: PossessionSource,
  leafIndex: number,
  inclusion: readonly Uint8Array[],
): Promise<Possessed> {
  const [row] = await source.versionsByLeaf(leafIndex, leafIndex + 1);
  if (isGone(row)) return { leafIndex, leaf: await source.leaves(leafIndex, leafIndex + 1), inclusion };
  const parts = await leafParts(source, row);
  const block = parts.kind === 'version' ? { block: await source.blocks.get(parts.block) } : {};
  return { leafIndex, entry: encodeLeaf(parts), inclusion, ...block };
}

/** How many of the answers say that nothing but the leaf is left. More than the erasures that the log tells of is a loss in disguise. */
export function erasedCount(answers: readonly Possessed[]): number {
  return answers.filter(({ entry }) => entry === undefined).length;
}

/**
 * Undefined when every answer holds against the checkpoint; else what is wrong with the first that does not.
 * @param checkpoint of the size that was challenged, from a source other than the answers.
 */
export function possessionProblem(
  challenge: Challenge,
  answers: readonly Possessed[],
  checkpoint: Checkpoint,
): string | undefined {
  if (checkpoint.size !== challenge.size)
    return `the checkpoint has ${checkpoint.size} leaves, ${challenge.size} were challenged`;
  const asked = challengedLeaves(challenge);
  if (answers.length !== asked.length) return `${answers.length} answers for ${asked.length} challenges`;
  for (const [at, { leafIndex, entry, leaf, block, inclusion }] of answers.entries()) {
    if (leafIndex !== asked[at]) return `answer ${at} is for leaf ${leafIndex}, leaf ${asked[at]} was asked for`;
    const problem = entry === undefined ? undefined : entryProblem(entry, block);
    if (problem !== undefined) return `leaf ${leafIndex}: ${problem}`;
    const claimed = entry === undefined ? leaf : leafHash(entry);
    if (claimed?.byteLength !== 32) return `leaf ${leafIndex}: neither its entry nor its hash is there`;
    const root = rootFromInclusion(claimed, leafIndex, challenge.size, inclusion);
    if (root === undefined || !sameBytes(root, checkpoint.root))
      return `leaf ${leafIndex}: its entry is not in the log`;
  }
  return undefined;
}

/** Offset of the block's SHA-256 in the entry of a version. */
const digestAt = 68;

function entryProblem(entry: Uint8Array, block: Uint8Array | undefined): string | undefined {
  if (entry[0] === 0x02 && entry.byteLength === 41) return undefined;
  if (isAccessEntry(entry)) return undefined;
  if (entry[0] !== 0x01 || entry.byteLength !== 164) return 'its entry is none of a version, deletion or access head';
  if (block === undefined) return 'its block is missing';
  return sameBytes(sha256(block), entry.subarray(digestAt, digestAt + 32))
    ? undefined
    : 'its block is not the one that the entry names';
}
