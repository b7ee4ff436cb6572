/**
 * BlockStore in a folder of segment files, each a CAR (version 1), so that what is there can be exported as it is.
 *
 * `put` calls that arrive together share one write, durable when it returns. A crash leaves at most a torn tail, which the next start cuts off.
 * One process at a time uses the folder. A deleted block is overwritten in place; a segment that is mostly holes is compacted.
 */
import { constants } from 'node:fs';
import { access, mkdir, unlink, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { lockFolder, type FolderLock } from '../base/folder-lock.js';
import type { BlockDigest } from '../base/ids.js';
import { partsOf } from '../base/parts.js';
import { Slices } from '../base/pause.js';
import { writeAll } from '../base/write-all.js';
import { BlockReader } from './block-reader.js';
import { BlockMissing, BlockStoreUnavailable, type BlockStore, type Held, type SealedBlock } from './block-store.js';
import { BlockTable } from './block-table.js';
import { carHeader } from './car-format.js';
import { cidBytes } from './cid.js';
import { OpenFiles } from './open-files.js';
import { PutsTogether } from './puts-together.js';
import {
  blocksIn,
  createSegment,
  layOut,
  openToWrite,
  segmentName,
  segmentsIn,
  unavailable,
  writeHole,
  type PlacedBlock,
} from './segment-file.js';
import { dropSummary, loadSegment, summaryRecord, writeSummary } from './segment-scan.js';

/** Varint and CID in front of a block, as a rule. */
const sectionHeadBytes = cidBytes + 2;

/** So much is laid out and written at once: a large group does not stand in the way of reads. */
const atOnce = { items: 1_000, sizeBytes: 2 * 1024 * 1024 };

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

export class LocalBlockStore implements BlockStore {
  private readonly table = new BlockTable();
  private readonly segments = new Map<number, Segment>();
  private readonly files: OpenFiles;
  private readonly reader: BlockReader;
  private readonly together = new PutsTogether(
    (task) => this.exclusively(task),
    (blocks) => this.write(blocks),
  );
  private newest = 0;
  private lock: FolderLock | undefined;
  private tail: FileHandle | undefined;
  /** The write, deletion or compaction that goes on: one at a time. */
  private work: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly folder: string,
    private readonly segmentBytes: number,
    private readonly isReader = false,
  ) {
    this.files = new OpenFiles((number) => this.fileOf(number));
    this.reader = new BlockReader(this.table, this.files, (number) => this.segments.has(number));
  }

  /** Reads what is there. Called once, by openLocalBlockStore. */
  async start(): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    if (!this.isReader) this.lock = lockFolder(this.folder);
    const numbers = await segmentsIn(this.folder);
    for (const number of numbers) await this.load(number, number === numbers.at(-1) && !this.isReader);
    this.newest = numbers.at(-1) ?? 0;
    if (this.isReader) return;
    if (this.newest === 0) await this.beginSegment();
    else this.tail = await openToWrite(this.fileOf(this.newest));
  }

  put(blocks: readonly SealedBlock[]): Promise<void> {
    if (blocks.length === 0) return Promise.resolve();
    if (this.isReader) return Promise.reject(new BlockStoreUnavailable('the block store is opened for reading'));
    return this.together.put(blocks);
  }

  getNow(digest: BlockDigest): Uint8Array | undefined {
    return this.reader.getNow(digest);
  }

  get(digest: BlockDigest): Promise<Uint8Array> {
    return this.reader.get(digest);
  }

  async has(digest: BlockDigest): Promise<boolean> {
    return (await this.reader.placeOf(digest)) !== undefined;
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
    return path.join(this.folder, segmentName(number));
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
    const handle = await createSegment(this.fileOf(number));
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

  private async overwrite(digests: readonly BlockDigest[]): Promise<void> {
    const touched = new Set<number>();
    for (const digest of digests) {
      const place = await this.reader.placeOf(digest);
      if (place === undefined) continue;
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
        piece.map(async ({ digest, place }) => ({ digest, bytes: await this.reader.read(place) })),
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
