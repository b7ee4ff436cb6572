/**
 * The log in front of SQLite's tables: entries are durable here first, the tables follow in larger steps (applier.ts).
 *
 * Two files, `a` and `b`, are written in turn. A file is written over once everything in it is durable in the tables; so the log always reaches
 * back far enough, and its size stays the same. A record is `u32 length ‖ u32 CRC-32 of the entries ‖ entries` (packed-entries.ts), one for each append.
 * What ends a file is what does not continue it: zeros, a record that a crash tore, or one of an earlier turn, whose entries are older.
 *
 * Durability: `append` is one write with O_DSYNC. Concurrency: one process at a time holds the log; others may read it. Trust: as the tables.
 */
import { existsSync } from 'node:fs';
import { mkdir, open, readFile } from 'node:fs/promises';
import path from 'node:path';
import { crc32 } from 'node:zlib';
import { pause } from '../../base/pause.js';
import { lockFolder, type FolderLock } from '../../base/folder-lock.js';
import { CatalogUnavailable, type Entry } from '../catalog.js';
import { DurableFile } from '../durable-file.js';
import { unpackEntries } from './packed-entries.js';

/** The other file's turn comes when one is longer than this. */
const usualTurnBytes = 8 * 1024 * 1024;
const headBytes = 8;

/** What one append wrote. */
export interface LogRecord {
  readonly entries: readonly Entry[];
  readonly packed: ArrayBuffer;
}

interface Turn {
  readonly file: DurableFile;
  /** Sequence number of the newest entry in it; 0: nothing that is needed. */
  lastSeq: number;
}

/** Where the log of the catalog in `file` is. */
export function entryLogFolder(file: string): string {
  return `${file}-log`;
}

/**
 * Takes the log for this process.
 * @returns undefined when another process has it.
 */
export async function openEntryLog(folder: string, turnBytes = usualTurnBytes): Promise<EntryLog | undefined> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  let lock: FolderLock;
  try {
    lock = lockFolder(folder);
  } catch {
    return undefined;
  }
  try {
    const files = await Promise.all(filesIn(folder).map((file) => DurableFile.open(file, existsSync(file))));
    await syncFolder(folder);
    return new EntryLog(files.map((file) => ({ file, lastSeq: 0 })) as [Turn, Turn], lock, turnBytes);
  } catch (error) {
    lock.release();
    throw error;
  }
}

export class EntryLog {
  private active: Turn;
  private other: Turn;

  constructor(
    turns: readonly [Turn, Turn],
    private readonly lock: FolderLock,
    private readonly turnBytes: number,
  ) {
    [this.active, this.other] = turns;
  }

  /** Durable when it resolves. After a failure nothing of it counts, unless the process ends before the next append: then it may. */
  async append(packed: ArrayBuffer, lastSeq: number): Promise<void> {
    const isFull = this.active.file.sizeBytes > this.turnBytes;
    if (isFull && this.other.lastSeq === 0) [this.active, this.other] = [this.other, this.active];
    const head = Buffer.alloc(headBytes);
    head.writeUInt32LE(packed.byteLength, 0);
    head.writeUInt32LE(await checksum(packed), 4);
    await this.active.file.append(head, new Uint8Array(packed));
    this.active.lastSeq = lastSeq;
  }

  /** The other file can be written over as soon as the tables have everything up to this entry durably; 0 when it can be now. */
  get wantedSeq(): number {
    return this.other.lastSeq;
  }

  /** The tables have everything up to `seq`, durably. To be called before the first append, once what the log has is in the tables. */
  release(seq: number): void {
    for (const turn of [this.active, this.other]) {
      if (turn.lastSeq > seq) continue;
      turn.lastSeq = 0;
      turn.file.rewind();
    }
  }

  /** Overwrites everything. Only when the tables have everything, durably. */
  async wipe(): Promise<void> {
    for (const turn of [this.active, this.other]) {
      await turn.file.wipe();
      turn.lastSeq = 0;
    }
  }

  async close(): Promise<void> {
    try {
      await Promise.all([this.active.file.close(), this.other.file.close()]);
    } finally {
      this.lock.release();
    }
  }
}

/**
 * The records that follow entry `seq`, in order; of a log that this process holds, or another one.
 * @throws CatalogUnavailable when entries are missing, or when a record does not fit that no crash can have torn.
 */
export async function readEntryLog(folder: string, seq: number): Promise<LogRecord[]> {
  const runs = (await Promise.all(filesIn(folder).map((file) => readRun(file, seq)))).filter((run) => run.length > 0);
  runs.sort(([a], [b]) => firstOf(a!) - firstOf(b!));
  const records = runs.flat().filter((record) => lastOf(record) > seq);
  let next = seq + 1;
  for (const record of records) {
    if (firstOf(record) > next) {
      throw new CatalogUnavailable(`entries ${next} to ${firstOf(record) - 1} are in neither the log nor the tables`);
    }
    next = lastOf(record) + 1;
  }
  return records;
}

/** The records at the beginning of a file that follow one another. @param seq entries up to this one are not needed. */
async function readRun(file: string, seq: number): Promise<LogRecord[]> {
  const bytes = await readFile(file).catch(() => Buffer.alloc(0));
  const records: LogRecord[] = [];
  let at = 0;
  for (let record = recordAt(bytes, at); record !== undefined; record = recordAt(bytes, at)) {
    const last = records.at(-1);
    if (last !== undefined && firstOf(record) !== lastOf(last) + 1) return records;
    records.push(record);
    at += headBytes + record.packed.byteLength;
  }
  const last = records.at(-1);
  refuseGap(file, bytes, at, last === undefined ? seq : lastOf(last));
  return records;
}

/** A record is written when the one before it is durable: one that a crash tore is the last. @throws CatalogUnavailable */
function refuseGap(file: string, bytes: Buffer, at: number, lastSeq: number): void {
  if (at + headBytes > bytes.byteLength) return;
  const following = recordAt(bytes, at + headBytes + bytes.readUInt32LE(at));
  if (following !== undefined && firstOf(following) > lastSeq + 1) {
    throw new CatalogUnavailable(`${file} is damaged behind entry ${lastSeq}`);
  }
}

/** @returns undefined where no whole record stands. */
function recordAt(bytes: Buffer, at: number): LogRecord | undefined {
  if (at + headBytes > bytes.byteLength) return undefined;
  const length = bytes.readUInt32LE(at);
  const end = at + headBytes + length;
  if (length === 0 || end > bytes.byteLength) return undefined;
  const content = bytes.subarray(at + headBytes, end);
  if (crc32(content) !== bytes.readUInt32LE(at + 4)) return undefined;
  const packed = new Uint8Array(content).buffer;
  return { packed, entries: unpackEntries(packed) };
}

function filesIn(folder: string): string[] {
  return ['a', 'b'].map((name) => path.join(folder, name));
}

function firstOf({ entries }: LogRecord): number {
  return entries[0]!.seq;
}

function lastOf({ entries }: LogRecord): number {
  return entries.at(-1)!.seq;
}

/** So much is summed up at once. */
const summedBytes = 4 * 1024 * 1024;

async function checksum(packed: ArrayBuffer): Promise<number> {
  let sum = 0;
  for (let at = 0; at < packed.byteLength; at += summedBytes) {
    if (at > 0) await pause();
    sum = crc32(new Uint8Array(packed, at, Math.min(summedBytes, packed.byteLength - at)), sum);
  }
  return sum;
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  await handle.sync().finally(() => handle.close());
}
