/**
 * Reads blocks out of segment files, each checked against its digest.
 *
 * Small blocks are read at once, like the catalog's pages: handing the read to the thread pool costs several times what the read does.
 */
import { read } from 'node:fs';
import { sameBytes, sha256 } from '../base/bytes.js';
import type { BlockDigest } from '../base/ids.js';
import { BlockCorrupt, BlockMissing, BlockStoreUnavailable } from './block-store.js';
import type { BlockPlace, BlockTable } from './block-table.js';
import { cidBytes, cidText } from './cid.js';
import type { OpenFiles } from './open-files.js';

/** Blocks up to this size are read without the thread pool. */
const readAtOnceBytes = 64 * 1024;

export class BlockReader {
  /** @param isThere whether there is a segment of this number: a compacted one is gone. */
  constructor(
    private readonly table: BlockTable,
    private readonly files: OpenFiles,
    private readonly isThere: (segment: number) => boolean,
  ) {}

  getNow(digest: BlockDigest): Uint8Array | undefined {
    for (const place of this.table.candidates(digest)) {
      const found = this.readAtOnce(place, cidBytes);
      if (found === undefined || !sameBytes(found.subarray(cidBytes - 32, cidBytes), digest)) continue;
      return checked(digest, found.subarray(cidBytes));
    }
    return undefined;
  }

  async get(digest: BlockDigest): Promise<Uint8Array> {
    // Looked up twice, because compaction may move the block between look-up and read.
    const found = (await this.locate(digest, 'bytes')) ?? (await this.locate(digest, 'bytes'));
    if (found === undefined) throw new BlockMissing(cidText(digest));
    return checked(digest, found.bytes);
  }

  /** Where the block lies: the place at which the file has this very CID. */
  async placeOf(digest: BlockDigest): Promise<BlockPlace | undefined> {
    return (await this.locate(digest, 'place'))?.place;
  }

  private async locate(digest: BlockDigest, wanted: 'bytes' | 'place') {
    for (const place of this.table.candidates(digest)) {
      const found = await this.read(wanted === 'bytes' ? place : { ...place, length: 0 }, cidBytes);
      if (!sameBytes(found.subarray(cidBytes - 32, cidBytes), digest)) continue;
      return { place, bytes: found.subarray(cidBytes) };
    }
    return undefined;
  }

  /** @param before how many bytes in front of the block are wanted too. */
  async read(place: BlockPlace, before = 0): Promise<Buffer> {
    const small = this.readAtOnce(place, before);
    if (small !== undefined) return small;
    const { segment, offset, length } = place;
    const file = this.files.use(segment);
    try {
      const bytes = Buffer.allocUnsafe(before + length);
      const count = await new Promise<number>((resolve, reject) => {
        read(file.fd, bytes, 0, bytes.byteLength, offset - before, (error, read) =>
          error === null ? resolve(read) : reject(new BlockStoreUnavailable(error.message)),
        );
      });
      return bytes.subarray(0, count);
    } finally {
      this.files.release(file);
    }
  }

  /** Undefined for what is not small. Nothing of a segment that was compacted meanwhile. */
  private readAtOnce({ segment, offset, length }: BlockPlace, before: number): Buffer | undefined {
    if (!this.isThere(segment)) return Buffer.alloc(0);
    if (before + length > readAtOnceBytes) return undefined;
    return this.files.readNow(segment, before + length, offset - before);
  }
}

/** @throws BlockCorrupt */
function checked(digest: BlockDigest, bytes: Buffer): Buffer {
  if (!sameBytes(sha256(bytes), digest)) throw new BlockCorrupt(cidText(digest));
  return bytes;
}
