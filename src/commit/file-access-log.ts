/**
 * AccessLog in a folder of segment files: sealed records, one after the other, chained by hash.
 *
 * A segment is `magic ‖ number of its first record (f64) ‖ digest of the chain before it (32)` and then records (access-record.ts).
 * One process at a time uses the folder. Records that arrive together share one durable write beside the event loop (durable-file.ts).
 */
import { mkdir, open, readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { lockFolder, type FolderLock } from '../base/folder-lock.js';
import type { AccessLog, AccessRecord } from './access-log.js';
import { AccessLogBroken, AccessLogUnavailable } from './access-log.js';
import { toHex } from '../base/bytes.js';
import { nextAccess, openAccess, sealAccess, sealedPart, skipAccess } from './access-record.js';
import { DurableFile } from './durable-file.js';

const magic = Buffer.from('mooring access 1');
const headBytes = magic.byteLength + 8 + 32;

interface Segment {
  readonly file: string;
  readonly first: number;
  readonly before: Uint8Array;
}

interface Waiting {
  readonly record: AccessRecord;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * @param key 32 bytes, `keyRing.derive('access')`.
 * @param segmentBytes a new segment begins when the newest is longer than this.
 * @param noted how far the log reached at least, and its digest there (hexadecimal).
 * @throws AccessLogBroken when records are missing or altered: only what a crash tore off at the end may be cut off.
 */
export async function openFileAccessLog(
  folder: string,
  key: Uint8Array,
  segmentBytes = 16 * 1024 * 1024,
  noted: NotedAccessHead = { count: 0, digest: '' },
): Promise<FileAccessLog> {
  const log = new FileAccessLog(folder, key, segmentBytes);
  try {
    await log.start(noted);
  } catch (error) {
    await log.close();
    throw error;
  }
  return log;
}

/** A place in a segment where reading can begin. */
interface Place {
  readonly number: number;
  readonly at: number;
  /** Digest of the chain before it. */
  readonly before: Uint8Array;
}

/** Places are remembered so far apart: a page of records is read without what stands before it. */
const recordsBetweenPlaces = 500;

/** What another store says of this log: `digest` of the chain after its first `count` records. */
export interface NotedAccessHead {
  readonly count: number;
  readonly digest: string;
}

export class FileAccessLog implements AccessLog {
  private readonly places = new Map<string, Place[]>();
  private readonly segments: Segment[] = [];
  private count = 0;
  private digest: Uint8Array = new Uint8Array(32);
  private tail: DurableFile | undefined;
  private lock: FolderLock | undefined;
  private waiting: Waiting[] = [];
  private writing: Promise<void> | undefined;

  constructor(
    private readonly folder: string,
    private readonly key: Uint8Array,
    private readonly segmentBytes: number,
  ) {}

  /** Reads the newest segment and cuts off a torn tail. Called once, by openFileAccessLog. */
  async start(noted: NotedAccessHead): Promise<void> {
    await mkdir(this.folder, { recursive: true });
    this.lock = lockFolder(this.folder);
    const names = (await readdir(this.folder)).filter((name) => /^\d{16}\.access$/.test(name)).sort();
    for (const name of names) {
      const segment = await readHead(path.join(this.folder, name));
      if (segment !== undefined) this.segments.push(segment);
    }
    const newest = this.segments.at(-1);
    if (newest === undefined) {
      if (noted.count > 0) throw new AccessLogBroken('access record 0 is missing: there are no segments');
      return this.beginSegment();
    }
    await this.resume(newest, noted);
  }

  append(record: AccessRecord): Promise<void> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ record, resolve, reject });
      this.writing ??= this.drain();
    });
  }

  async read(from: number, until: number): Promise<AccessRecord[]> {
    const records: AccessRecord[] = [];
    const end = Math.min(until, this.count);
    for (const [index, segment] of this.segments.entries()) {
      const next = this.segments[index + 1]?.first ?? this.count;
      if (next <= from || segment.first >= end) continue;
      await this.walk(segment, from, Math.min(next, end), (sealed, number) => {
        if (number >= from) records.push(openAccess(this.key, number, sealed));
      });
    }
    return records;
  }

  async digestAt(count: number): Promise<Uint8Array> {
    if (count > this.count) throw new AccessLogBroken(`access record ${this.count} is missing`);
    const segment = this.segments.findLast(({ first }) => first < count);
    if (segment !== undefined) return this.walk(segment, count - 1, count, () => undefined);
    if (count > 0) throw new AccessLogBroken('access record 0 is missing');
    return new Uint8Array(32);
  }

  head(): { count: number; digest: Uint8Array } {
    return { count: this.count, digest: this.digest };
  }

  async close(): Promise<void> {
    while (this.writing !== undefined) await this.writing;
    await this.tail?.close();
    this.tail = undefined;
    this.lock?.release();
    this.lock = undefined;
  }

  private async drain(): Promise<void> {
    // Whatever requests this turn of the event loop brought goes together: a durable write costs more than a read does.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.waiting.length > 0) {
      const group = this.waiting;
      this.waiting = [];
      try {
        await this.write(group.map(({ record }) => record));
        for (const { resolve } of group) resolve();
      } catch (error) {
        const failure = new AccessLogUnavailable(`access could not be recorded: ${(error as Error).message}`);
        for (const { reject } of group) reject(failure);
      }
    }
    this.writing = undefined;
  }

  private async write(records: readonly AccessRecord[]): Promise<void> {
    if (this.tail === undefined) throw new Error('the access log is closed');
    if (this.tail.sizeBytes > this.segmentBytes) await this.beginSegment();
    let { digest } = this;
    const pieces: Buffer[] = [];
    records.forEach((record, index) => {
      const sealed = sealAccess(this.key, this.count + index, digest, record);
      digest = sealed.digest;
      pieces.push(sealed.bytes);
    });
    // A failed write leaves bytes behind the known end; the next one overwrites them, a start cuts them off.
    await this.tail.append(Buffer.concat(pieces));
    this.count += records.length;
    this.digest = digest;
  }

  private async beginSegment(): Promise<void> {
    const file = path.join(this.folder, `${String(this.count).padStart(16, '0')}.access`);
    const head = Buffer.alloc(headBytes);
    magic.copy(head);
    head.writeDoubleLE(this.count, magic.byteLength);
    head.set(this.digest, magic.byteLength + 8);
    const tail = await DurableFile.open(file, false);
    await tail.append(head);
    const folder = await open(this.folder, 'r');
    await folder.sync().finally(() => folder.close());
    await this.tail?.close();
    this.tail = tail;
    this.segments.push({ file, first: this.count, before: this.digest });
  }

  private async resume(segment: Segment, noted: NotedAccessHead): Promise<void> {
    this.count = segment.first;
    this.digest = segment.before;
    const bytes = await readFile(segment.file);
    let at = headBytes;
    for (let next = nextAccess(bytes, at, this.digest); next; next = nextAccess(bytes, at, this.digest)) {
      this.count += 1;
      this.digest = next.digest;
      at = next.end;
      if (this.count === noted.count && toHex(next.digest) !== noted.digest)
        throw new AccessLogBroken(`access records up to ${this.count - 1} are not those that were noted`);
    }
    if (this.count < noted.count) throw new AccessLogBroken(`access record ${this.count} is missing or altered`);
    if (this.isFollowed(bytes, at)) throw new AccessLogBroken(`access record ${this.count} is altered`);
    const rest = withoutZeros(bytes.subarray(at));
    // Torn by a crash: kept aside all the same, for nothing of this log is thrown away.
    if (rest.byteLength > 0) await writeFile(`${segment.file}.${this.count}.torn`, rest, { mode: 0o600 });
    this.tail = await DurableFile.open(segment.file, true);
    if (at < bytes.byteLength) await this.tail.cutAt(at);
  }

  /** Whether behind the record at `at`, which does not fit, stands one that this log wrote: then no crash tore it. */
  private isFollowed(bytes: Buffer, at: number): boolean {
    for (let number = this.count + 1, next = skipAccess(bytes, at); next !== undefined; number += 1) {
      const end = skipAccess(bytes, next);
      if (end === undefined) return false;
      try {
        openAccess(this.key, number, sealedPart(bytes, next, end));
        return true;
      } catch {
        next = end;
      }
    }
    return false;
  }

  /**
   * The records of a segment in order, from the last known place before record `from`.
   * @returns digest of the chain before record `until`.
   * @throws AccessLogBroken when the chain ends before record `until`.
   */
  private async walk(
    segment: Segment,
    from: number,
    until: number,
    visit: (sealed: Buffer, number: number) => void,
  ): Promise<Uint8Array> {
    const places = this.places.get(segment.file) ?? [{ number: segment.first, at: headBytes, before: segment.before }];
    this.places.set(segment.file, places);
    let start = places.length - 1;
    while (start > 0 && places[start].number > from) start -= 1;
    let { number, at, before } = places[start];
    const handle = await open(segment.file, 'r');
    try {
      const base = at;
      const { size } = await handle.stat();
      // Up to the place after what is wanted, when that is known.
      const end = places.find((place) => place.number >= until)?.at ?? size;
      const bytes = Buffer.alloc(Math.max(0, end - base));
      await handle.read(bytes, 0, bytes.byteLength, base);
      for (; number < until; number += 1) {
        const next = nextAccess(bytes, at - base, before);
        if (next === undefined) throw new AccessLogBroken(`access record ${number} is missing or altered`);
        visit(next.sealed, number);
        before = next.digest;
        at = base + next.end;
        const last = places[places.length - 1];
        if (number + 1 >= last.number + recordsBetweenPlaces) places.push({ number: number + 1, at, before });
      }
      return before;
    } finally {
      await handle.close();
    }
  }
}

/** The bytes without the room at the end that a crash left. */
function withoutZeros(bytes: Buffer): Buffer {
  let end = bytes.byteLength;
  while (end > 0 && bytes[end - 1] === 0) end -= 1;
  return bytes.subarray(0, end);
}

/** @returns undefined when the file was torn before its head was written. */
async function readHead(file: string): Promise<Segment | undefined> {
  const handle = await open(file, 'r');
  try {
    const head = Buffer.alloc(headBytes);
    const { bytesRead } = await handle.read(head, 0, headBytes, 0);
    if (bytesRead < headBytes || !head.subarray(0, magic.byteLength).equals(magic)) return undefined;
    return {
      file,
      first: head.readDoubleLE(magic.byteLength),
      before: Uint8Array.from(head.subarray(magic.byteLength + 8)),
    };
  } finally {
    await handle.close();
  }
}
