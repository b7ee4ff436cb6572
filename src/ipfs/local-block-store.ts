/**
 * BlockStore in a folder of segment files, each a CAR (version 1), so that what is there can be exported as it is.
 *
 * `put` calls that arrive together share one write, durable when it returns. A crash leaves at most a torn tail, which the next start cuts off.
 * Small blocks are read at once, like the catalog's pages: handing the read to the thread pool costs several times what the read does.
 * One process at a time uses the folder. A deleted block is overwritten in place; a segment that is mostly holes is compacted.
 */
import { constants, read } from 'node:fs';
import { access, mkdir, open, readdir, unlink, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { sameBytes, sha256 } from '../base/bytes.js';
import type { BlockDigest } from '../base/ids.js';
import { partsOf } from '../base/parts.js';
import { Slices } from '../base/pause.js';
import { writeAll } from '../base/write-all.js';
import {
  BlockCorrupt,
  BlockMissing,
  BlockStoreUnavailable,
  type BlockStore,
  type Held,
  type SealedBlock,
} from './block-store.js';
import { BlockTable, type BlockPlace } from './block-table.js';
import { carHeader } from './car-format.js';
import { cidBytes, cidText } from './cid.js';
import { lockFolder, type FolderLock } from '../base/folder-lock.js';
import { OpenFiles } from './open-files.js';
import { blocksIn, layOut, unavailable, writeHole, type PlacedBlock } from './segment-file.js';
import { dropSummary, loadSegment, summaryRecord, writeSummary } from './segment-scan.js';

/** Varint and CID in front of a block, as a rule. */
const sectionHeadBytes = cidBytes + 2;

/** How the segment that grows is opened: what was written survives power loss when the write returns. */
const durable = constants.O_RDWR | constants.O_DSYNC;

/** Blocks up to this size are read without the thread pool. */
const readAtOnceBytes = 64 * 1024;

export interface LocalBlockStoreOptions {
  /** A new segment begins when the newest is longer than this. */
  readonly segmentBytes?: number;
  /** Beside the server that uses the folder: what is there now can be read, nothing is written or cut off. */
  readonly isReader?: boolean;
}

/** @throws BlockStoreUnavailable when the folder cannot be used. */
export async function openLocalBlockStore(
  folder: string,
  { segmentBytes = 64 * 1024 * 1024, isReader = false }: LocalBlockStoreOptions = {},
): Promise<LocalBlockStore> {
  const store = new LocalBlockStore(folder, segmentBytes, isReader);
  await unavailable(`block store ${folder} cannot be opened`, () => store.start());
  return store;
}

interface Segment {
  sizeBytes: number;
  /** Bytes of holes. */
  deadBytes: number;
  /** Summary records of what was written since start; kept for the newest segment alone. */
  records: Buffer[];
}

interface Waiting {
  readonly blocks: readonly SealedBlock[];
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class LocalBlockStore implements BlockStore {
  private readonly table = new BlockTable();
  private readonly segments = new Map<number, Segment>();
  private readonly files: OpenFiles;
  private newest = 0;
  private lock: FolderLock | undefined;
  private tail: FileHandle | undefined;
  private waiting: Waiting[] = [];
  /** The write, deletion or compaction that goes on: one at a time. */
  private work: Promise<unknown> = Promise.resolve();
  private isDraining = false;

  constructor(
    private readonly folder: string,
    private readonly segmentBytes: number,
    private readonly isReader = false,
  ) {
    this.files = new OpenFiles((number) => this.fileOf(number));
  }

  /** Reads what is there. Called once, by openLocalBlockStore. */
  async start(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    if (!this.isReader) this.lock = lockFolder(this.folder);
    const numbers = (await readdir(this.folder))
      .flatMap((name) => /^(\d{8})\.car$/.exec(name)?.[1] ?? [])
      .map(Number)
      .sort((a, b) => a - b);
    for (const number of numbers) await this.load(number, number === numbers.at(-1) && !this.isReader);
    this.newest = numbers.at(-1) ?? 0;
    if (this.isReader) return;
    if (this.newest === 0) await this.beginSegment();
    else this.tail = await open(this.fileOf(this.newest), durable);
  }

  put(blocks: readonly SealedBlock[]): Promise<void> {
    if (blocks.length === 0) return Promise.resolve();
    if (this.isReader) return Promise.reject(new BlockStoreUnavailable('the block store is opened for reading'));
    return new Promise((resolve, reject) => {
      this.waiting.push({ blocks, resolve, reject });
      this.drain();
    });
  }

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

  async has(digest: BlockDigest): Promise<boolean> {
    return (await this.locate(digest, 'place')) !== undefined;
  }

  async ping(): Promise<void> {
    await access(this.folder, constants.R_OK).catch((error: Error) => {
      throw new BlockStoreUnavailable(error.message);
    });
  }

  delete(digests: readonly BlockDigest[]): Promise<void> {
    if (this.isReader) return Promise.reject(new BlockStoreUnavailable('the block store is opened for reading'));
    return this.exclusively(() => this.overwrite(digests));
  }

  async *list(): AsyncIterable<BlockDigest> {
    for (const number of [...this.segments.keys()]) {
      for (const { digest } of await this.blocksOf(number)) yield digest;
    }
  }

  async *readAll(): AsyncIterable<SealedBlock> {
    for await (const digest of this.list()) {
      const found = await this.get(digest).catch((error: unknown) => {
        if (error instanceof BlockMissing) return undefined;
        throw error;
      });
      if (found !== undefined) yield { digest, bytes: found };
    }
  }

  async size(): Promise<Held> {
    const sizeBytes = [...this.segments.values()].reduce((sum, segment) => sum + segment.sizeBytes, 0);
    return { blocks: this.table.size, sizeBytes };
  }

  usage(): Promise<Held> {
    return this.size();
  }

  async close(): Promise<void> {
    await this.exclusively(async () => {
      if (this.isReader) this.files.close();
      if (this.tail === undefined) return;
      try {
        await this.summarise();
      } finally {
        // Also on a disk that takes no summary any more: the next start makes one.
        await this.tail.close();
        this.tail = undefined;
        this.files.close();
        this.lock?.release();
      }
    });
  }

  private fileOf(number: number): string {
    return path.join(this.folder, `${String(number).padStart(8, '0')}.car`);
  }

  private async load(number: number, isLast: boolean): Promise<void> {
    const segment: Segment = { sizeBytes: 0, deadBytes: 0, records: [] };
    let heldBytes = carHeader.byteLength;
    segment.sizeBytes = await loadSegment(this.fileOf(number), isLast, (digest, offset, length) => {
      heldBytes += sectionHeadBytes + length;
      this.table.add(digest, { segment: number, offset, length });
      if (isLast) segment.records.push(summaryRecord(digest, offset, length));
    });
    segment.deadBytes = Math.max(0, segment.sizeBytes - heldBytes);
    this.segments.set(number, segment);
  }

  private async beginSegment(): Promise<void> {
    const number = this.newest + 1;
    const handle = await open(this.fileOf(number), durable | constants.O_CREAT | constants.O_TRUNC);
    await handle.writeFile(carHeader);
    await handle.sync();
    const folder = await open(this.folder, 'r');
    await folder.sync().finally(() => folder.close());
    await this.summarise();
    const former = this.segments.get(this.newest);
    if (former !== undefined) former.records = [];
    await this.tail?.close();
    this.tail = handle;
    this.newest = number;
    this.segments.set(number, { sizeBytes: carHeader.byteLength, deadBytes: 0, records: [] });
  }

  private async summarise(): Promise<void> {
    const segment = this.segments.get(this.newest);
    if (segment === undefined) return;
    await writeSummary(this.fileOf(this.newest), segment.sizeBytes, segment.records);
  }

  /** Runs `task` when nothing else changes the files. */
  private exclusively<T>(task: () => Promise<T>): Promise<T> {
    const run = this.work.then(() => unavailable('block store', task));
    this.work = run.catch(() => undefined);
    return run;
  }

  private drain(): void {
    if (this.isDraining) return;
    this.isDraining = true;
    void this.exclusively(async () => {
      this.isDraining = false;
      const group = this.waiting;
      this.waiting = [];
      try {
        await this.write(group.flatMap(({ blocks }) => blocks));
      } catch (error) {
        const failure = new BlockStoreUnavailable(`blocks could not be written: ${(error as Error).message}`);
        for (const { reject } of group) reject(failure);
        return;
      }
      for (const { resolve } of group) resolve();
    });
  }

  private async write(blocks: readonly SealedBlock[]): Promise<void> {
    const fresh = new Map<string, SealedBlock>();
    const slices = new Slices();
    for (const block of blocks) {
      await slices.turn();
      const isHeld = this.table.candidates(block.digest).length > 0 && (await this.has(block.digest));
      if (!isHeld) fresh.set(Buffer.from(block.digest).toString('latin1'), block);
    }
    const parts = partsOf([...fresh.values()], ({ bytes }) => bytes.byteLength, atOnce);
    for (const part of parts) await this.writeFresh(part);
  }

  private async writeFresh(blocks: readonly SealedBlock[]): Promise<void> {
    if (this.segments.get(this.newest)!.sizeBytes > this.segmentBytes) await this.beginSegment();
    const segment = this.segments.get(this.newest)!;
    const start = segment.sizeBytes;
    const { bytes, places, end } = layOut(blocks, this.newest, start);
    try {
      await writeAll(this.tail!.fd, bytes, start);
    } catch (error) {
      // The tail is cut off; if even that fails, the next write takes its place.
      await this.tail!.truncate(start).catch(() => undefined);
      throw error;
    }
    // Durable from here on; before, a crash leaves a tail that the next start cuts off or keeps as unreferenced blocks.
    segment.sizeBytes = end;
    blocks.forEach(({ digest }, index) => this.table.add(digest, places[index]!));
    segment.records.push(
      Buffer.concat(
        blocks.map(({ digest }, index) => summaryRecord(digest, places[index]!.offset, places[index]!.length)),
      ),
    );
  }

  /** The place at which the file has this very CID; `bytes` of the block when `wanted`, else empty. */
  private async locate(digest: BlockDigest, wanted: 'bytes' | 'place') {
    for (const place of this.table.candidates(digest)) {
      const found = await this.read(wanted === 'bytes' ? place : { ...place, length: 0 }, cidBytes);
      if (!sameBytes(found.subarray(cidBytes - 32, cidBytes), digest)) continue;
      return { place, bytes: found.subarray(cidBytes) };
    }
    return undefined;
  }

  /** @param before how many bytes in front of the block are wanted too. */
  private async read(place: BlockPlace, before = 0): Promise<Buffer> {
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
    if (!this.segments.has(segment)) return Buffer.alloc(0);
    if (before + length > readAtOnceBytes) return undefined;
    return this.files.readNow(segment, before + length, offset - before);
  }

  private async overwrite(digests: readonly BlockDigest[]): Promise<void> {
    const touched = new Set<number>();
    for (const digest of digests) {
      const found = await this.locate(digest, 'place');
      if (found === undefined) continue;
      const { place } = found;
      const file = this.fileOf(place.segment);
      if (!touched.has(place.segment)) await dropSummary(file);
      touched.add(place.segment);
      this.table.remove(digest, place);
      await writeHole(file, place);
      this.segments.get(place.segment)!.deadBytes += place.length;
    }
    for (const number of touched) await this.compact(number);
  }

  /** Moves what a segment still holds to the newest one, when more than half of it is holes. */
  private async compact(number: number): Promise<void> {
    const segment = this.segments.get(number)!;
    if (number === this.newest) {
      // Its summary is written anew at the end; the records of deleted blocks must not be in it.
      segment.records = (await this.blocksOf(number)).map(({ digest, place }) =>
        summaryRecord(digest, place.offset, place.length),
      );
      return;
    }
    if (segment.deadBytes * 2 < segment.sizeBytes) return;
    const held = await this.blocksOf(number);
    for (let at = 0; at < held.length; at += 256) {
      const piece = held.slice(at, at + 256);
      const blocks = await Promise.all(
        piece.map(async ({ digest, place }) => ({ digest, bytes: await this.read(place) })),
      );
      await this.writeFresh(blocks);
      for (const { digest, place } of piece) this.table.remove(digest, place);
    }
    this.segments.delete(number);
    this.files.forget(number);
    await unlink(this.fileOf(number));
  }

  private async blocksOf(number: number): Promise<PlacedBlock[]> {
    const segment = this.segments.get(number);
    return segment === undefined ? [] : blocksIn(this.fileOf(number), number, segment.sizeBytes);
  }
}

/** So much is laid out and written at once: a large group does not stand in the way of reads. */
const atOnce = { items: 1_000, sizeBytes: 2 * 1024 * 1024 };

/** @throws BlockCorrupt */
function checked(digest: BlockDigest, bytes: Buffer): Buffer {
  if (!sameBytes(sha256(bytes), digest)) throw new BlockCorrupt(cidText(digest));
  return bytes;
}
