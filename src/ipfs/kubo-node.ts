/**
 * One Kubo node over its RPC API: every call bounded in time, tried again when the node does not answer.
 *
 * Spec: https://docs.ipfs.tech/reference/kubo/rpc/
 */
import { create, type KuboRPCClient } from 'kubo-rpc-client';
import { CID } from 'multiformats/cid';
import { BlockStoreUnavailable, type Held } from './block-store.js';
import type { Group } from './kubo-group.js';

export interface KuboNodeOptions {
  readonly url: string;
  /** Bound on one call. */
  readonly timeoutMs: number;
  /** Further tries after a call that was not answered; default 2. */
  readonly retries?: number;
}

/** A node that takes longer is as good as away. */
const pingMs = 1_500;

/** Kubo answered, with an error: asking again would not help. */
class KuboRefusal extends Error {
  override readonly name = 'KuboRefusal';
}

export class KuboNode {
  private readonly client: KuboRPCClient;
  private peersAt = -Infinity;
  private hadPeers = false;

  constructor(private readonly options: KuboNodeOptions) {
    this.client = create({ url: `${options.url}/api/v0` });
  }

  get url(): string {
    return this.options.url;
  }

  /** Imports a CAR and pins its root: durable on resolve. @throws BlockStoreUnavailable */
  async import({ root, car }: Group): Promise<void> {
    // A big CAR may take longer than an ordinary call.
    const timeoutMs = this.options.timeoutMs + Math.ceil(car.byteLength / 1_000);
    await this.asked('dag/import', timeoutMs, async (signal) => {
      let isPinned = false;
      for await (const { root: done } of this.client.dag.import([car], { pinRoots: true, signal })) {
        if (done.pinErrorMsg) throw new KuboRefusal(done.pinErrorMsg);
        isPinned ||= done.cid.equals(root);
      }
      if (!isPinned) throw new KuboRefusal('the root of a CAR was not pinned');
    });
  }

  /** Bytes of a block that the node has itself; undefined when it has not. @throws BlockStoreUnavailable */
  local(cid: CID): Promise<Uint8Array | undefined> {
    return this.asked('block/get', this.options.timeoutMs, async (signal) => {
      try {
        return await this.client.block.get(cid, { offline: true, signal } as object);
      } catch (error) {
        if (isNotFound(error)) return undefined;
        throw error;
      }
    });
  }

  /**
   * Bytes of a block from wherever the node finds it; undefined when it has no peers.
   * @throws BlockStoreUnavailable when nobody brings it in time: a peer that is away may have it.
   */
  async fromPeers(cid: CID): Promise<Uint8Array | undefined> {
    try {
      if (!(await this.hasPeers())) return undefined;
      return await this.client.block.get(cid, { signal: AbortSignal.timeout(this.options.timeoutMs) });
    } catch (error) {
      throw this.unavailable('block/get', error);
    }
  }

  /** Resolves when the node answers. @throws BlockStoreUnavailable */
  async ping(): Promise<void> {
    try {
      await this.client.version({ signal: AbortSignal.timeout(Math.min(this.options.timeoutMs, pingMs)) });
    } catch (error) {
      throw this.unavailable('version', error);
    }
  }

  /** The CAR of everything below `root` that the node has itself, in memory. @throws BlockStoreUnavailable also when it lacks a part. */
  export(root: CID): Promise<Uint8Array> {
    return this.asked('dag/export', this.options.timeoutMs, async (signal) => {
      const pieces: Uint8Array[] = [];
      for await (const piece of this.client.dag.export(root, { offline: true, signal } as object)) pieces.push(piece);
      return Buffer.concat(pieces);
    });
  }

  /** Objects and bytes of its repository, whoever stored them. @throws BlockStoreUnavailable */
  usage(): Promise<Held> {
    return this.asked('repo/stat', this.options.timeoutMs, async (signal) => {
      const { numObjects, repoSize } = await this.client.repo.stat({ signal });
      return { blocks: Number(numObjects), sizeBytes: Number(repoSize) };
    });
  }

  /** Roots that are pinned recursively. @throws BlockStoreUnavailable */
  async *pins(): AsyncIterable<CID> {
    try {
      for await (const { cid } of this.client.pin.ls({ type: 'recursive' }))
        yield CID.asCID(cid) ?? CID.parse(String(cid));
    } catch (error) {
      throw this.unavailable('pin/ls', error);
    }
  }

  isPinned(cid: CID): Promise<boolean> {
    return this.asked('pin/ls', this.options.timeoutMs, async (signal) => {
      try {
        for await (const pin of this.client.pin.ls({ paths: cid, type: 'recursive', signal })) return pin !== undefined;
        return false;
      } catch (error) {
        if (/not pinned/i.test((error as Error).message)) return false;
        throw error;
      }
    });
  }

  /** Not pinned already is no error. */
  unpin(cid: CID): Promise<void> {
    return this.asked('pin/rm', this.options.timeoutMs, async (signal) => {
      try {
        await this.client.pin.rm(cid, { recursive: true, signal });
      } catch (error) {
        if (!/not pinned/i.test((error as Error).message)) throw error;
      }
    });
  }

  /** Deletes blocks from the node's store: the garbage collection of just these. Blocks that it has not are passed over. */
  remove(cids: readonly CID[]): Promise<void> {
    return this.asked('block/rm', this.options.timeoutMs, async (signal) => {
      for await (const { error } of this.client.block.rm([...cids], { force: true, signal })) {
        if (error !== undefined && error !== null && !isNotFound(error)) throw new KuboRefusal(error.message);
      }
    });
  }

  private async hasPeers(): Promise<boolean> {
    if (performance.now() - this.peersAt > 1_000) {
      const peers = await this.client.swarm.peers({ signal: AbortSignal.timeout(this.options.timeoutMs) });
      this.hadPeers = peers.length > 0;
      this.peersAt = performance.now();
    }
    return this.hadPeers;
  }

  private async asked<T>(call: string, timeoutMs: number, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const { retries = 2 } = this.options;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await ask(AbortSignal.timeout(timeoutMs));
      } catch (error) {
        if (attempt >= retries || error instanceof KuboRefusal || isAnswer(error)) throw this.unavailable(call, error);
        await new Promise((resolve) => setTimeout(resolve, 100 * 2 ** attempt));
      }
    }
  }

  private unavailable(call: string, error: unknown): BlockStoreUnavailable {
    const { message, cause } = error as Error & { cause?: Error };
    return new BlockStoreUnavailable(`Kubo at ${this.url}, ${call}: ${cause?.message ?? message}`);
  }
}

/** The node answered with a status of its own. */
function isAnswer(error: unknown): boolean {
  return (error as Error).name === 'HTTPError' && (error as { response?: unknown }).response !== undefined;
}

function isNotFound(error: unknown): boolean {
  return /not found|could not find/i.test((error as Error).message);
}
