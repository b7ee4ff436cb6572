/**
 * Opened versions in memory, so that what is read often is not fetched and opened each time.
 *
 * Bounded by bytes, least recently used goes first. What is read takes a place when it is read a second time: else one long list would drive out
 * all the rest, and cost more than it ever saves. Never on disk. Keyed by the digest of the sealed block, so an entry cannot be stale; the
 * consent decision is made before each use.
 */
import type { VersionRow } from '../commit/catalog.js';
import type { Header } from '../commit/header.js';
import type { Records } from '../commit/records.js';
import { SecondTime } from '../vault/second-time.js';
import { JsonText } from './json-text.js';

/** What an entry costs beside its text. */
const overheadBytes = 512;

export class OpenedCache {
  /** By the block's digest as latin1 text. */
  private readonly texts = new Map<string, JsonText>();
  private readonly read = new SecondTime();
  private sizeBytes = 0;

  constructor(
    private readonly records: Pick<Records, 'header' | 'open' | 'openNow'>,
    private readonly maxBytes = 32 * 1024 * 1024,
  ) {}

  /** The opened header of a version. */
  header(row: VersionRow): Header {
    return this.records.header(row);
  }

  /** The text of a version, or undefined when it is not at hand. */
  peek({ block }: VersionRow): JsonText | undefined {
    if (block === undefined) return undefined;
    const key = keyOf(block);
    const text = this.texts.get(key);
    if (text === undefined) return undefined;
    this.texts.delete(key);
    this.texts.set(key, text);
    return text;
  }

  /** The text of a version, fetched and opened when it is not at hand. Call only after the decision that it may be read. */
  async text(row: VersionRow): Promise<JsonText> {
    return this.textNow(row) ?? this.taken(row, await this.records.open(row));
  }

  /** As `text`, at once, where that takes no wait; undefined: ask `text`. */
  textNow(row: VersionRow): JsonText | undefined {
    const known = this.peek(row);
    if (known !== undefined) return known;
    const opened = this.records.openNow(row);
    return opened === undefined ? undefined : this.taken(row, opened);
  }

  /** Takes in what was just written, or is read again. */
  put({ block }: VersionRow, text: JsonText): void {
    if (block === undefined || text.bytes.length > this.maxBytes / 8) return;
    const key = keyOf(block);
    if (this.texts.has(key)) return;
    this.texts.set(key, new JsonText(ownMemory(text.bytes)));
    this.sizeBytes += overheadBytes + text.bytes.length;
    this.shrink();
  }

  /** Forgets everything (erasure, rotation of keys). */
  clear(): void {
    this.texts.clear();
    this.sizeBytes = 0;
  }

  private taken(row: VersionRow, opened: Uint8Array): JsonText {
    const text = new JsonText(opened);
    if (row.block !== undefined && this.read.isKnown(row.block)) this.put(row, text);
    return text;
  }

  private shrink(): void {
    if (this.sizeBytes <= this.maxBytes) return;
    for (const [key, { bytes }] of this.texts) {
      this.texts.delete(key);
      this.sizeBytes -= overheadBytes + bytes.length;
      if (this.sizeBytes <= this.maxBytes) return;
    }
  }
}

function keyOf(digest: Uint8Array): string {
  return Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('latin1');
}

/** Bytes in memory of their own: a small piece of a shared pool would keep all of the pool. */
function ownMemory(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer.byteLength === bytes.byteLength) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.byteLength);
  copy.set(bytes);
  return copy;
}
