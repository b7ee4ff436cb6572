/**
 * BlockStore on Kubo nodes: one CAR a commit group, pinned; checked against its digest when it is read.
 *
 * Each group lies on `replicas` of the nodes, chosen by a hash of node and group, so that every server chooses alike. A `put` is acknowledged when
 * `acknowledged` nodes have it on disk; what a node that was away has missed is repaired when it is back (kubo-repair.ts). Reads ask the nodes one
 * after the other, then their peers. Bytes that were read lately are kept in memory, sealed as they are.
 */
import type { CID } from 'multiformats/cid';
import { sameBytes, sha256, toHex } from '../base/bytes.js';
import type { BlockDigest } from '../base/ids.js';
import {
  BlockCorrupt,
  BlockMissing,
  BlockStoreUnavailable,
  type BlockStore,
  type Held,
  type SealedBlock,
} from './block-store.js';
import { cidOf, cidText, digestOfCid } from './cid.js';
import { ByteCache } from './kubo-cache.js';
import { ahead, exportGroup } from './kubo-export.js';
import { groupOf, isManifest, isSealedBlock, membersOf, type Group, type Member } from './kubo-group.js';
import { KuboNode } from './kubo-node.js';
import { KuboRepair } from './kubo-repair.js';
import { KuboWriter } from './kubo-writer.js';

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

/** A pinned group, and a node that holds it. */
interface Place {
  readonly node: KuboNode;
  readonly root: CID;
}

/** How old what nodes said of their size may be. */
const usageMs = 300_000;
/** Manifests whose members are remembered. */
const rememberedManifests = 20_000;

/** Opens no connection before the first call. */
export function openKuboBlockStore(options: KuboStoreOptions): Promise<KuboBlockStore> {
  return Promise.resolve(new KuboBlockStore(options));
}

export class KuboBlockStore implements BlockStore {
  readonly nodes: readonly KuboNode[];
  readonly repair: KuboRepair;
  private readonly writer: KuboWriter;
  private readonly cache: ByteCache;
  private readonly manifests = new Map<string, readonly Member[]>();
  private usageAt = -Infinity;
  private lastUsage: Promise<Held> = Promise.resolve({ blocks: 0, sizeBytes: 0 });

  constructor(private readonly options: KuboStoreOptions) {
    const { urls, timeoutMs, replicas, acknowledged = 1, cacheBytes, repairMs = 600_000 } = options;
    this.nodes = urls.map((url) => new KuboNode({ url, timeoutMs }));
    this.repair = new KuboRepair(this.nodes, replicas, (node, root) => this.groupAt(node, root), repairMs);
    this.writer = new KuboWriter(this.nodes, this.repair, { replicas, acknowledged });
    this.cache = new ByteCache(cacheBytes);
  }

  put(blocks: readonly SealedBlock[]): Promise<void> {
    return this.writer.put(blocks);
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

  async *readAll(): AsyncIterable<SealedBlock> {
    for await (const blocks of ahead(this.roots(), (place) => this.blocksOf(place))) yield* blocks;
  }

  async size(): Promise<Held> {
    let blocks = 0;
    let sizeBytes = 0;
    for await (const members of this.groups()) {
      blocks += members.length;
      sizeBytes += members.reduce((sum, member) => sum + member.sizeBytes, 0);
    }
    return { blocks, sizeBytes };
  }

  /** Of the nodes that answer; asked of them at most every five minutes. */
  async usage(): Promise<Held> {
    if (performance.now() - this.usageAt > usageMs) {
      this.usageAt = performance.now();
      this.lastUsage = this.askUsage();
    }
    return this.lastUsage;
  }

  async close(): Promise<void> {
    await this.writer.idle();
    await this.repair.close();
  }

  private async askUsage(): Promise<Held> {
    const answers = await Promise.allSettled(this.nodes.map((node) => node.usage()));
    const given = answers.flatMap((answer) => (answer.status === 'fulfilled' ? [answer.value] : []));
    // A node that was away is asked again by the next scrape.
    if (given.length < this.nodes.length) this.usageAt = -Infinity;
    const sum = (part: keyof Held) => given.reduce((all, held) => all + held[part], 0);
    return { blocks: sum('blocks'), sizeBytes: sum('sizeBytes') };
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

  /** Every group that any node holds, once, with a node that holds it. */
  private async *roots(): AsyncIterable<Place> {
    const seen = new Set<string>();
    for (const node of this.nodes) {
      for await (const root of node.pins()) {
        const text = root.toString();
        if (seen.has(text) || (!isManifest(root) && !isSealedBlock(root))) continue;
        seen.add(text);
        yield { node, root };
      }
    }
  }

  private async *groups(): AsyncIterable<readonly Member[]> {
    for await (const { node, root } of this.roots()) {
      const members = await this.membersAt(node, root);
      if (members !== undefined) yield members;
    }
  }

  /** In one piece where the node has all of it, else from wherever each is; nothing when it was erased since it was listed. */
  private async blocksOf({ node, root }: Place): Promise<readonly SealedBlock[]> {
    try {
      return await exportGroup(node, root);
    } catch {
      try {
        const members = (await this.membersAt(node, root)) ?? [];
        return await this.blocksAt(node, members);
      } catch (error) {
        if (await node.isPinned(root)) throw error;
        return [];
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
