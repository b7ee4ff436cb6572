/**
 * BlockStore on Kubo nodes: one CAR a commit group, pinned; checked against its digest when it is read.
 *
 * Each group lies on `replicas` of the nodes, chosen by a hash of node and group, so that every server chooses alike. A `put` is acknowledged when
 * `acknowledged` nodes have it on disk; what a node that was away has missed is repaired when it is back (kubo-repair.ts). Reads ask the nodes one
 * after the other, then their peers. Bytes that were read lately are kept in memory, sealed as they are.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { CID } from 'multiformats/cid';
import { sameBytes, sha256, toHex } from '../base/bytes.js';
import type { BlockDigest } from '../base/ids.js';
import { BlockCorrupt, BlockMissing, BlockStoreUnavailable, type BlockStore, type SealedBlock } from './block-store.js';
import { cidOf, cidText, digestOfCid } from './cid.js';
import { ByteCache } from './kubo-cache.js';
import { groupOf, isManifest, isSealedBlock, membersOf, type Group, type Member } from './kubo-group.js';
import { KuboNode } from './kubo-node.js';
import { KuboRepair, placesOf } from './kubo-repair.js';

export interface KuboStoreOptions {
  /** RPC addresses; the first is read from first. */
  readonly urls: readonly string[];
  readonly replicas: number;
  /** How many nodes must have a block before a write is acknowledged; default 1. */
  readonly acknowledged?: number;
  readonly timeoutMs: number;
  /** Sealed bytes kept in memory. */
  readonly cacheBytes: number;
  /** How often all pins are compared; 0: never. Default 10 minutes. */
  readonly repairMs?: number;
}

interface Waiting {
  readonly blocks: readonly SealedBlock[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** More bytes than this go in several CARs. */
const carBytes = 16 * 1024 * 1024;
/** CARs on their way at the same time. */
const mostImports = 2;
/** Manifests whose members are remembered. */
const rememberedManifests = 20_000;

/** Opens no connection before the first call. */
export function openKuboBlockStore(options: KuboStoreOptions): Promise<KuboBlockStore> {
  return Promise.resolve(new KuboBlockStore(options));
}

export class KuboBlockStore implements BlockStore {
  readonly nodes: readonly KuboNode[];
  readonly repair: KuboRepair;
  private readonly cache: ByteCache;
  private readonly manifests = new Map<string, readonly Member[]>();
  private readonly waiting: Waiting[] = [];
  private imports = 0;

  constructor(private readonly options: KuboStoreOptions) {
    const { urls, timeoutMs, replicas, cacheBytes, repairMs = 600_000 } = options;
    this.nodes = urls.map((url) => new KuboNode({ url, timeoutMs }));
    this.repair = new KuboRepair(this.nodes, replicas, (node, root) => this.groupAt(node, root), repairMs);
    this.cache = new ByteCache(cacheBytes);
  }

  put(blocks: readonly SealedBlock[]): Promise<void> {
    if (blocks.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.waiting.push({ blocks, resolve, reject });
      void this.drain();
    });
  }

  async get(digest: BlockDigest): Promise<Uint8Array> {
    const key = toHex(digest);
    const known = this.cache.get(key);
    if (known !== undefined) return known;
    const bytes = await this.fetch(digest);
    this.cache.set(key, bytes);
    return bytes;
  }

  async has(digest: BlockDigest): Promise<boolean> {
    try {
      await this.get(digest);
      return true;
    } catch (error) {
      if (error instanceof BlockMissing) return false;
      throw error;
    }
  }

  /** As many nodes answer as a write needs. */
  async ping(): Promise<void> {
    const answers = await Promise.allSettled(this.nodes.map((node) => node.ping()));
    const problems = answers.filter((answer) => answer.status === 'rejected');
    if (this.nodes.length - problems.length >= Math.min(this.options.acknowledged ?? 1, this.options.replicas)) return;
    throw new BlockStoreUnavailable(problems.map(({ reason }) => (reason as Error).message).join('; '));
  }

  async delete(digests: readonly BlockDigest[]): Promise<void> {
    if (digests.length === 0) return;
    const gone = new Set(digests.map(toHex));
    for (const key of gone) this.cache.delete(key);
    await this.repair.paused(async () => {
      for (const node of this.nodes) await this.deleteFrom(node, gone, digests);
    });
  }

  /** A block that was put in two groups may be listed twice. */
  async *list(): AsyncIterable<BlockDigest> {
    for await (const members of this.groups()) yield* members.map(({ digest }) => digest);
  }

  async size(): Promise<{ blocks: number; sizeBytes: number }> {
    let blocks = 0;
    let sizeBytes = 0;
    for await (const members of this.groups()) {
      blocks += members.length;
      sizeBytes += members.reduce((sum, member) => sum + member.sizeBytes, 0);
    }
    return { blocks, sizeBytes };
  }

  async close(): Promise<void> {
    while (this.imports > 0 || this.waiting.length > 0) await pause(5);
    await this.repair.close();
  }

  /** What waits goes together into one CAR; two CARs may be on their way. */
  private async drain(): Promise<void> {
    if (this.imports >= mostImports || this.waiting.length === 0) return;
    this.imports += 1;
    // What comes in this turn of the event loop goes together.
    await Promise.resolve();
    const together = this.waiting.splice(0);
    try {
      for (const group of groupsOf(together.flatMap(({ blocks }) => blocks))) await this.store(group);
      for (const { resolve } of together) resolve();
    } catch (error) {
      for (const { reject } of together) reject(error);
    }
    this.imports -= 1;
    void this.drain();
  }

  /** Resolves when enough nodes have the group; the others get it as soon as they can. */
  private async store(group: Group): Promise<void> {
    const { replicas, acknowledged = 1 } = this.options;
    const problems: Error[] = [];
    let done = 0;
    const ranked = placesOf(this.nodes, group.root);
    const put = async (node: KuboNode): Promise<void> => {
      try {
        await node.import(group);
        done += 1;
      } catch (error) {
        problems.push(error as Error);
        this.repair.missing(group.root, node);
      }
    };
    const enough = Math.min(acknowledged, replicas);
    await firstDone(ranked.slice(0, replicas).map(put), () => done >= enough);
    // Chosen nodes are away: others take the block until they are back.
    for (const node of ranked.slice(replicas)) if (done < enough) await put(node);
    if (done < enough) throw new BlockStoreUnavailable(problems.map(({ message }) => message).join('; '));
  }

  private async fetch(digest: BlockDigest): Promise<Uint8Array> {
    const cid = cidOf(digest);
    const problems: Error[] = [];
    let isCorrupt = false;
    for (const isLocal of [true, false]) {
      for (const node of this.nodes) {
        try {
          const bytes = await (isLocal ? node.local(cid) : node.fromPeers(cid));
          if (bytes === undefined) continue;
          if (sameBytes(sha256(bytes), digest)) return bytes;
          isCorrupt = true;
        } catch (error) {
          problems.push(error as Error);
        }
      }
    }
    if (isCorrupt) throw new BlockCorrupt(cidText(digest));
    // Whether a node that does not answer has it, nobody knows.
    if (problems.length > 0) throw new BlockStoreUnavailable(problems.map(({ message }) => message).join('; '));
    throw new BlockMissing(cidText(digest));
  }

  /** Unpins, keeps the neighbours pinned under a new manifest, and deletes the bytes. A crash in between leaves pins too many, never too few. */
  private async deleteFrom(node: KuboNode, gone: ReadonlySet<string>, digests: readonly BlockDigest[]): Promise<void> {
    for await (const root of node.pins()) {
      if (!isManifest(root) && !isSealedBlock(root)) continue;
      const members = await this.membersAt(node, root);
      if (members === undefined || !members.some(({ digest }) => gone.has(toHex(digest)))) continue;
      const kept = members.filter(({ digest }) => !gone.has(toHex(digest)));
      if (kept.length > 0) await node.import(groupOf(await this.blocksAt(node, kept)));
      await node.unpin(root);
      if (isManifest(root)) await node.remove([root]);
    }
    await node.remove(digests.map(cidOf));
  }

  /** Members of every group that any node holds. */
  private async *groups(): AsyncIterable<readonly Member[]> {
    const seen = new Set<string>();
    for (const node of this.nodes) {
      for await (const root of node.pins()) {
        const text = root.toString();
        if (seen.has(text)) continue;
        seen.add(text);
        const members = await this.membersAt(node, root);
        if (members !== undefined) yield members;
      }
    }
  }

  /** Undefined for a pin that is not one of this store. */
  private async membersAt(node: KuboNode, root: CID): Promise<readonly Member[] | undefined> {
    const text = root.toString();
    const known = this.manifests.get(text);
    if (known !== undefined) return known;
    if (!isManifest(root) && !isSealedBlock(root)) return undefined;
    const bytes = await node.local(root);
    if (bytes === undefined) return undefined;
    const members = isManifest(root) ? membersOf(bytes) : [{ digest: digestOfCid(root), sizeBytes: bytes.byteLength }];
    if (members !== undefined && this.manifests.size < rememberedManifests) this.manifests.set(text, members);
    return members;
  }

  private async groupAt(node: KuboNode, root: CID): Promise<Group | undefined> {
    const members = await this.membersAt(node, root);
    return members === undefined ? undefined : groupOf(await this.blocksAt(node, members));
  }

  private async blocksAt(node: KuboNode, members: readonly Member[]): Promise<SealedBlock[]> {
    const blocks: SealedBlock[] = [];
    for (const { digest } of members) {
      const bytes = (await node.local(cidOf(digest))) ?? (await this.fetch(digest));
      if (!sameBytes(sha256(bytes), digest)) throw new BlockCorrupt(cidText(digest));
      blocks.push({ digest, bytes });
    }
    return blocks;
  }
}

/** Each block once, in CARs of bounded size. */
function groupsOf(blocks: readonly SealedBlock[]): Group[] {
  const groups: SealedBlock[][] = [];
  const seen = new Set<string>();
  let size = Infinity;
  for (const block of blocks) {
    const key = toHex(block.digest);
    if (seen.has(key)) continue;
    seen.add(key);
    if (size >= carBytes) {
      groups.push([]);
      size = 0;
    }
    groups.at(-1)!.push(block);
    size += block.bytes.byteLength;
  }
  return groups.map(groupOf);
}

/** Resolves when all have settled, or as soon as it is enough. */
function firstDone(tasks: readonly Promise<void>[], isEnough: () => boolean): Promise<void> {
  return new Promise((resolve) => {
    let left = tasks.length;
    for (const task of tasks) {
      void task.finally(() => {
        left -= 1;
        if (left === 0 || isEnough()) resolve();
      });
    }
  });
}
