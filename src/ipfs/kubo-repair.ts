/**
 * Keeps every group on as many nodes as the operator chose: what a node missed while it was away is brought when it is back, and now and then
 * all pins are compared.
 */
import { createHash } from 'node:crypto';
import type { CID } from 'multiformats/cid';
import { isManifest, isSealedBlock, type Group } from './kubo-group.js';
import type { KuboNode } from './kubo-node.js';

const retryMs = 2_000;

/** The nodes in the order in which they are to hold a group: the same for every server, spread evenly. */
export function placesOf(nodes: readonly KuboNode[], root: CID): KuboNode[] {
  if (nodes.length === 1) return [...nodes];
  const text = root.toString();
  const rank = ({ url }: KuboNode) => createHash('sha256').update(`${url}\n${text}`).digest('hex');
  return [...nodes].sort((a, b) => (rank(a) < rank(b) ? -1 : 1));
}

export class KuboRepair {
  /** Groups that a node is known to miss. */
  private readonly missed = new Map<string, { readonly root: CID; readonly node: KuboNode }>();
  private readonly timers: NodeJS.Timeout[];
  private work: Promise<unknown> = Promise.resolve();
  private isBusy = false;

  /** @param repairMs how often all pins are compared; 0: never. */
  constructor(
    private readonly nodes: readonly KuboNode[],
    private readonly replicas: number,
    private readonly groupAt: (node: KuboNode, root: CID) => Promise<Group | undefined>,
    repairMs: number,
  ) {
    this.timers = [setInterval(() => this.inBackground(() => this.bringMissed()), retryMs).unref()];
    if (repairMs > 0 && nodes.length > 1) {
      this.timers.push(setInterval(() => this.inBackground(() => this.run()), repairMs).unref());
    }
  }

  /** Groups known to be on fewer nodes than they should. */
  get pending(): number {
    return this.missed.size;
  }

  /** Remembers that `node` has not got a group. */
  missing(root: CID, node: KuboNode): void {
    this.missed.set(`${root.toString()} ${node.url}`, { root, node });
  }

  /**
   * Compares the pins of all nodes, and copies groups that are on too few.
   * @returns how many copies were made.
   * @throws BlockStoreUnavailable when a node does not answer.
   */
  async run(): Promise<number> {
    const holders = new Map<string, { readonly root: CID; readonly nodes: KuboNode[] }>();
    for (const node of this.nodes) {
      for await (const root of node.pins()) {
        if (!isManifest(root) && !isSealedBlock(root)) continue;
        const text = root.toString();
        const found = holders.get(text);
        if (found === undefined) holders.set(text, { root, nodes: [node] });
        else found.nodes.push(node);
      }
    }
    let copies = 0;
    for (const { root, nodes } of holders.values()) {
      const wanted = placesOf(this.nodes, root).slice(0, this.replicas);
      for (const node of wanted) if (!nodes.includes(node) && (await this.copy(root, node, nodes))) copies += 1;
    }
    return copies;
  }

  /** Runs `task` while nothing is repaired: what is being deleted must not be copied back. */
  paused<T>(task: () => Promise<T>): Promise<T> {
    const result = this.work.catch(() => undefined).then(task);
    this.work = result;
    return result;
  }

  async close(): Promise<void> {
    this.timers.forEach(clearInterval);
    await this.work.catch(() => undefined);
  }

  private inBackground(task: () => Promise<unknown>): void {
    if (this.isBusy) return;
    this.isBusy = true;
    void this.paused(task)
      .catch(() => undefined)
      .finally(() => (this.isBusy = false));
  }

  private async bringMissed(): Promise<void> {
    for (const [key, { root, node }] of this.missed) {
      const holders: KuboNode[] = [];
      for (const other of this.nodes) if (other !== node && (await other.isPinned(root))) holders.push(other);
      // Nobody has it: it never was acknowledged, or was erased since.
      if (holders.length === 0 || (await this.copy(root, node, holders))) this.missed.delete(key);
    }
  }

  private async copy(root: CID, to: KuboNode, holders: readonly KuboNode[]): Promise<boolean> {
    for (const holder of holders) {
      const group = await this.groupAt(holder, root);
      if (group === undefined) continue;
      await to.import(group);
      return true;
    }
    return false;
  }
}
