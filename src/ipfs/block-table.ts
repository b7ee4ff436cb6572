/**
 * Where each block lies, in memory: about 25 bytes a block.
 *
 * 256 open-addressing tables by the digest's first byte, each of which grows by itself. A slot keeps only 32 further bits of the digest: a
 * candidate is what a look-up gives, and the reader compares the whole digest.
 */
import type { BlockDigest } from '../base/ids.js';

export interface BlockPlace {
  readonly segment: number;
  /** Of the block's bytes in the segment file. */
  readonly offset: number;
  readonly length: number;
}

const shardCount = 256;
const firstSlots = 16;
/** In `segments`: no entry was ever here, or one was removed. */
const free = 0;
const removed = 0xffffffff;

export class BlockTable {
  private readonly shards = Array.from({ length: shardCount }, () => new Shard(firstSlots));

  get size(): number {
    return this.shards.reduce((sum, shard) => sum + shard.count, 0);
  }

  /** @param place its segment is 1 or more. */
  add(digest: BlockDigest, place: BlockPlace): void {
    const number = digest[0]!;
    let shard = this.shards[number]!;
    if (shard.isFull) {
      shard = shard.grown();
      this.shards[number] = shard;
    }
    shard.add(keyOf(digest), place);
  }

  /** Places at which a block with this digest may lie; nearly always none or one. */
  candidates(digest: BlockDigest): BlockPlace[] {
    return this.shards[digest[0]!]!.find(keyOf(digest));
  }

  /** Forgets the entry of `digest` at `place`. */
  remove(digest: BlockDigest, place: BlockPlace): void {
    this.shards[digest[0]!]!.remove(keyOf(digest), place);
  }
}

class Shard {
  count = 0;
  private used = 0;
  private readonly keys: Uint32Array;
  private readonly segments: Uint32Array;
  private readonly offsets: Uint32Array;
  private readonly lengths: Uint32Array;

  constructor(private readonly slots: number) {
    this.keys = new Uint32Array(slots);
    this.segments = new Uint32Array(slots);
    this.offsets = new Uint32Array(slots);
    this.lengths = new Uint32Array(slots);
  }

  get isFull(): boolean {
    return this.used >= this.slots * 0.8;
  }

  add(key: number, { segment, offset, length }: BlockPlace): void {
    let slot = key & (this.slots - 1);
    while (this.segments[slot] !== free) slot = (slot + 1) & (this.slots - 1);
    this.keys[slot] = key;
    this.segments[slot] = segment;
    this.offsets[slot] = offset;
    this.lengths[slot] = length;
    this.used += 1;
    this.count += 1;
  }

  find(key: number): BlockPlace[] {
    const found: BlockPlace[] = [];
    for (let slot = key & (this.slots - 1); this.segments[slot] !== free; slot = (slot + 1) & (this.slots - 1)) {
      if (this.keys[slot] === key && this.segments[slot] !== removed) found.push(this.placeAt(slot));
    }
    return found;
  }

  remove(key: number, { segment, offset }: BlockPlace): void {
    for (let slot = key & (this.slots - 1); this.segments[slot] !== free; slot = (slot + 1) & (this.slots - 1)) {
      if (this.keys[slot] !== key || this.segments[slot] !== segment || this.offsets[slot] !== offset) continue;
      this.segments[slot] = removed;
      this.count -= 1;
      return;
    }
  }

  /** A table with room for more; removed entries are left behind. */
  grown(): Shard {
    let slots = firstSlots;
    while (slots * 0.5 < this.count + 1) slots *= 2;
    const shard = new Shard(slots);
    for (let slot = 0; slot < this.slots; slot += 1) {
      const segment = this.segments[slot]!;
      if (segment !== free && segment !== removed) shard.add(this.keys[slot]!, this.placeAt(slot));
    }
    return shard;
  }

  private placeAt(slot: number): BlockPlace {
    return { segment: this.segments[slot]!, offset: this.offsets[slot]!, length: this.lengths[slot]! };
  }
}

function keyOf(digest: BlockDigest): number {
  return ((digest[1]! << 24) | (digest[2]! << 16) | (digest[3]! << 8) | digest[4]!) >>> 0;
}
