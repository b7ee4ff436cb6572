/** Writes of a KuboBlockStore: what comes together goes as one CAR to the nodes that are chosen for it. */
import { setTimeout as pause } from 'node:timers/promises';
import { toHex } from '../base/bytes.js';
import { BlockStoreUnavailable, type SealedBlock } from './block-store.js';
import { groupOf, type Group } from './kubo-group.js';
import type { KuboNode } from './kubo-node.js';
import { placesOf, type KuboRepair } from './kubo-repair.js';

interface Waiting {
  readonly blocks: readonly SealedBlock[];
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** More bytes than this go in several CARs. */
const carBytes = 16 * 1024 * 1024;
/** CARs on their way at the same time. */
const mostImports = 2;

export class KuboWriter {
  private readonly waiting: Waiting[] = [];
  private imports = 0;

  /** @param wanted on how many nodes a group is to be, and on how many before a write is acknowledged. */
  constructor(
    private readonly nodes: readonly KuboNode[],
    private readonly repair: KuboRepair,
    private readonly wanted: { readonly replicas: number; readonly acknowledged: number },
  ) {}

  /** @throws BlockStoreUnavailable when too few nodes have them. */
  put(blocks: readonly SealedBlock[]): Promise<void> {
    if (blocks.length === 0) return Promise.resolve();
    return new Promise((resolve, reject) => {
      this.waiting.push({ blocks, resolve, reject });
      void this.drain();
    });
  }

  /** Resolves when nothing is on its way. */
  async idle(): Promise<void> {
    while (this.imports > 0 || this.waiting.length > 0) await pause(5);
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
    const { replicas, acknowledged } = this.wanted;
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
