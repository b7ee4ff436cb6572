/**
 * The anchored log as tiles: full ones in files, the right edge in memory.
 *
 * Durability: a full tile is synced before it counts; everything follows from the catalog's leaves, and a tile that is missing is built from them again.
 * Consistency: reads see the size of the last finished `advance`. Concurrency: calls of `advance` (one anchorer a chain) queue up; any number of reads.
 * Trust: none; a proof made from tiles is checked against the anchored root before it leaves (proof-builder.ts).
 */
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, open, rename } from 'node:fs/promises';
import path from 'node:path';
import {
  consistencyProof,
  hashBytes,
  hashChildren,
  hashRow,
  inclusionProof,
  treeRoot,
  type NodeSource,
} from './merkle.js';
import { tileHeight, tilePath, tilesAt, tileWidth, type TileName } from './tiles.js';

const fullBytes = tileWidth * hashBytes;
/** Leaves read from the catalog in one go. */
const chunkLeaves = 8 * tileWidth;
const cachedTiles = 256;
/** Files written by this process: part of their temporary names. */
let writes = 0;

/** Where the leaves come from: the catalog. */
export interface LeafSource {
  /** Leaves [from, until), 32 bytes each, packed. */
  leaves(from: number, until: number): Uint8Array | Promise<Uint8Array>;
}

export class TileStore {
  #size = 0;
  #advancing: Promise<void> = Promise.resolve();
  /** Hashes behind the last full tile, by tile level: fewer than 256 each. */
  readonly #edge: Buffer[] = [];
  readonly #fullTiles: number[] = [];
  readonly #cache = new Map<string, Buffer>();

  private constructor(
    private readonly folder: string,
    private readonly source: LeafSource,
  ) {}

  /** Opens the log kept in `folder` (`DATA_DIR/log`) and brings it to `leafCount` leaves. */
  static async open(folder: string, source: LeafSource, leafCount: number): Promise<TileStore> {
    const store = new TileStore(folder, source);
    await store.#takeUp(leafCount);
    await store.advance(leafCount);
    return store;
  }

  /** Leaves in the tree. */
  get size(): number {
    return this.#size;
  }

  /** Takes in the catalog's leaves up to `leafCount`, after what is being taken in already. */
  advance(leafCount: number): Promise<void> {
    if (leafCount <= this.#size) return Promise.resolve();
    const advanced = this.#advancing.then(() => this.#advance(leafCount));
    this.#advancing = advanced.catch(() => undefined);
    return advanced;
  }

  async #advance(leafCount: number): Promise<void> {
    while (this.#size < leafCount) {
      const until = Math.min(leafCount, this.#size + chunkLeaves);
      await this.#grow(await this.#leaves(this.#size, until));
    }
  }

  /** Root of the first `size` leaves. */
  root(size = this.#size): Promise<Uint8Array> {
    return this.#read(size, () => treeRoot(size, this.#node));
  }

  /** Inclusion path of leaf `index` in the tree of the first `size` leaves. @throws RangeError when there is no such leaf. */
  inclusion(index: number, size: number): Promise<Uint8Array[]> {
    return this.#read(size, () => inclusionProof(index, size, this.#node));
  }

  /** The same for many leaves of one tree: what their paths have in common is hashed once. In the order of `indexes`. */
  inclusions(indexes: readonly number[], size: number): Promise<Uint8Array[][]> {
    return this.#read(size, () => {
      const nodes = remembering(this.#node);
      return indexes.map((index) => inclusionProof(index, size, nodes));
    });
  }

  /** Consistency proof from the tree of `oldSize` leaves to that of `newSize`. @throws RangeError as consistencyProof does. */
  consistency(oldSize: number, newSize: number): Promise<Uint8Array[]> {
    return this.#read(newSize, () => consistencyProof(oldSize, newSize, this.#node));
  }

  /** Roots of the complete subtrees that the tree of `size` leaves is made of, largest first (see GrowingRoot.from). */
  peaks(size: number): Promise<Uint8Array[]> {
    return this.#read(size, () => {
      const found: Uint8Array[] = [];
      let begin = 0;
      for (let level = 52; level >= 0; level -= 1) {
        const width = 2 ** level;
        if (size - begin < width) continue;
        found.push(this.#node(level, begin / width));
        begin += width;
      }
      return found;
    });
  }

  /** Bytes of a tile as tlog-tiles serves them; undefined when the tree has no such tile (yet). */
  async tile({ level, index, width }: TileName): Promise<Uint8Array | undefined> {
    if (index > (this.#fullTiles[level] ?? 0)) return undefined;
    const hashes = await this.#read(this.#size, () => this.#hashesOf(level, index));
    const sizeBytes = width * hashBytes;
    return hashes.byteLength < sizeBytes ? undefined : hashes.subarray(0, sizeBytes);
  }

  /** Makes every tile from the catalog's leaves again: for when one turned out to be damaged. About 3 s for 1,000,000 leaves; reads go on. */
  async rebuild(): Promise<void> {
    const fresh = new TileStore(this.folder, this.source);
    await fresh.advance(this.#size);
    this.#edge.splice(0, Infinity, ...fresh.#edge);
    this.#fullTiles.splice(0, Infinity, ...fresh.#fullTiles);
    this.#cache.clear();
  }

  /** Runs a synchronous read; when it meets a tile that is not there, builds that tile and runs it again. */
  async #read<Result>(size: number, read: () => Result): Promise<Result> {
    if (!(size >= 0 && size <= this.#size)) throw new RangeError(`the log has ${this.#size} leaves, not ${size}`);
    for (;;) {
      try {
        return read();
      } catch (error) {
        if (!(error instanceof TileMissing)) throw error;
        await this.#rebuild(error.level, error.index);
      }
    }
  }

  readonly #node: NodeSource = (level, index) => {
    const tileLevel = Math.floor(level / tileHeight);
    const count = 2 ** (level % tileHeight);
    const hashes = this.#hashesOf(tileLevel, Math.floor((index * count) / tileWidth));
    const from = ((index * count) % tileWidth) * hashBytes;
    if (hashes.byteLength < from + count * hashBytes)
      throw new RangeError(`no node (${level}, ${index}) in a tree of ${this.#size}`);
    return foldRow(hashes.subarray(from, from + count * hashBytes));
  };

  /** Hashes of the tile at (level, index), full or not. @throws TileMissing */
  #hashesOf(level: number, index: number): Uint8Array {
    const full = this.#fullTiles[level] ?? 0;
    if (index >= full) return index === full ? (this.#edge[level] ?? Buffer.alloc(0)) : Buffer.alloc(0);
    const key = tilePath({ level, index, width: tileWidth });
    const hashes = this.#cache.get(key) ?? this.#readFile(key);
    if (hashes === undefined) throw new TileMissing(level, index);
    this.#cache.delete(key);
    this.#cache.set(key, hashes);
    for (const oldest of this.#cache.keys()) {
      if (this.#cache.size <= cachedTiles) break;
      this.#cache.delete(oldest);
    }
    return hashes;
  }

  /** Adds leaves. Every tile that becomes full is durable before readers see any of the new leaves. */
  async #grow(leaves: Uint8Array): Promise<void> {
    const edges: Buffer[] = [];
    const full: number[] = [];
    const tiles: [key: string, bytes: Uint8Array][] = [];
    let added = leaves;
    for (let level = 0; added.byteLength > 0; level += 1) {
      let edge = Buffer.concat([this.#edge[level] ?? Buffer.alloc(0), added]);
      let index = this.#fullTiles[level] ?? 0;
      const roots: Uint8Array[] = [];
      for (; edge.byteLength >= fullBytes; edge = edge.subarray(fullBytes), index += 1) {
        const tile = edge.subarray(0, fullBytes);
        tiles.push([tilePath({ level, index, width: tileWidth }), tile]);
        roots.push(foldRow(tile));
      }
      edges.push(Buffer.from(edge));
      full.push(index);
      added = Buffer.concat(roots);
    }
    await Promise.all(tiles.map(([key, bytes]) => this.#writeFile(key, bytes)));
    // From here on without a pause: readers see the tree before or after, never between.
    edges.forEach((edge, level) => (this.#edge[level] = edge));
    full.forEach((index, level) => (this.#fullTiles[level] = index));
    for (const [key] of tiles) this.#cache.delete(key);
    this.#size += leaves.byteLength / hashBytes;
  }

  /** Finds the full tiles that an earlier run wrote and sets the edges behind them. */
  async #takeUp(leafCount: number): Promise<void> {
    let [found, beyond] = [0, tilesAt(0, leafCount).full + 1];
    while (beyond - found > 1) {
      const middle = Math.floor((found + beyond) / 2);
      if (existsSync(path.join(this.folder, tilePath({ level: 0, index: middle - 1, width: tileWidth }))))
        found = middle;
      else beyond = middle;
    }
    this.#size = found * tileWidth;
    for (let level = 0; tilesAt(level, this.#size).full > 0; level += 1)
      this.#fullTiles[level] = tilesAt(level, this.#size).full;
    for (let level = 1; level <= this.#fullTiles.length; level += 1) {
      const first = (this.#fullTiles[level] ?? 0) * tileWidth;
      const roots: Uint8Array[] = [];
      for (let child = first; child < this.#fullTiles[level - 1]; child += 1)
        roots.push(foldRow(await this.#read(this.#size, () => this.#hashesOf(level - 1, child))));
      this.#edge[level] = Buffer.concat(roots);
    }
  }

  async #rebuild(level: number, index: number): Promise<void> {
    const first = index * tileWidth;
    const key = tilePath({ level, index, width: tileWidth });
    if (level === 0) return this.#writeFile(key, await this.#leaves(first, first + tileWidth));
    const roots: Uint8Array[] = [];
    for (let child = first; child < first + tileWidth; child += 1)
      roots.push(foldRow(await this.#read(this.#size, () => this.#hashesOf(level - 1, child))));
    await this.#writeFile(key, Buffer.concat(roots));
  }

  async #leaves(from: number, until: number): Promise<Uint8Array> {
    const leaves = await this.source.leaves(from, until);
    if (leaves.byteLength === (until - from) * hashBytes) return leaves;
    throw new Error(`the catalog gave ${leaves.byteLength / hashBytes} leaves for [${from}, ${until})`);
  }

  #readFile(key: string): Buffer | undefined {
    try {
      const bytes = readFileSync(path.join(this.folder, key));
      return bytes.byteLength === fullBytes ? bytes : undefined;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  }

  async #writeFile(key: string, bytes: Uint8Array): Promise<void> {
    const file = path.join(this.folder, key);
    await mkdir(path.dirname(file), { recursive: true });
    // Two reads may build the same missing tile at once.
    const temporary = `${file}.${(writes += 1)}.new`;
    const handle = await open(temporary, 'w');
    try {
      await handle.writeFile(bytes);
      await handle.datasync();
    } finally {
      await handle.close();
    }
    await rename(temporary, file);
  }
}

class TileMissing extends Error {
  override readonly name = 'TileMissing';
  constructor(
    readonly level: number,
    readonly index: number,
  ) {
    super(`tile ${level}/${index} is not there`);
  }
}

/** Each node is asked for once, and folded once. */
function remembering(source: NodeSource): NodeSource {
  const known = new Map<string, Uint8Array>();
  const node: NodeSource = (level, index) => {
    const key = `${level}/${index}`;
    const found = known.get(key) ?? (level % tileHeight < 2 ? source(level, index) : fromChildren(level, index));
    known.set(key, found);
    return found;
  };
  const fromChildren = (level: number, index: number) =>
    hashChildren(node(level - 1, 2 * index), node(level - 1, 2 * index + 1));
  return node;
}

/** Root of a complete subtree given its bottom row. */
function foldRow(row: Uint8Array): Uint8Array {
  let hashes = row;
  while (hashes.byteLength > hashBytes) hashes = hashRow(hashes);
  return hashes;
}
