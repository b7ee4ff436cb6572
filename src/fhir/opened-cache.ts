/**
 * Opened versions in memory, so that what is read often is not fetched and opened each time.
 *
 * Bounded by bytes, least recently used goes first. Never on disk. Keyed by the digest of the sealed block, so an entry cannot be stale; the
 * consent decision is made before each use.
 */
import type { VersionRow } from '../commit/catalog.js';
import type { Header } from '../commit/header.js';
import type { Records } from '../commit/records.js';
import { JsonText } from './json-text.js';

interface Opened {
  header?: Header;
  text?: JsonText;
  sizeBytes: number;
  /** In the cache still: rows keep their entry longer. */
  isKept: boolean;
}

/** What an entry costs beside its text. */
const overheadBytes = 1024;

/** A row remembers its entry: an answer asks for the same header again and again. */
const entryOfRow = Symbol('opened');
type Row = VersionRow & { [entryOfRow]?: Opened };

export class OpenedCache {
  private readonly entries = new Map<string, Opened>();
  private sizeBytes = 0;

  constructor(
    private readonly records: Pick<Records, 'header' | 'open'>,
    private readonly maxBytes = 32 * 1024 * 1024,
  ) {}

  /** The opened header of a version. */
  header(row: VersionRow): Header {
    if (row.block === undefined) return this.records.header(row);
    const entry = this.entry(row);
    return (entry.header ??= this.records.header(row));
  }

  /** The text of a version, or undefined when it is not at hand. */
  peek(row: VersionRow): JsonText | undefined {
    return row.block === undefined ? undefined : this.entry(row).text;
  }

  /** The text of a version, fetched and opened when it is not at hand. Call only after the decision that it may be read. */
  async text(row: VersionRow): Promise<JsonText> {
    const known = this.peek(row);
    if (known !== undefined) return known;
    const text = new JsonText(await this.records.open(row));
    this.put(row, text);
    return text;
  }

  /** Takes in what was just written or opened. */
  put(row: VersionRow, text: JsonText): void {
    if (row.block === undefined || text.bytes.length > this.maxBytes / 8) return;
    const entry = this.entry(row);
    if (entry.text !== undefined) return;
    entry.text = new JsonText(ownMemory(text.bytes));
    entry.sizeBytes += text.bytes.length;
    this.sizeBytes += text.bytes.length;
    this.shrink();
  }

  /** Forgets everything (erasure, rotation of keys). */
  clear(): void {
    for (const entry of this.entries.values()) drop(entry);
    this.entries.clear();
    this.sizeBytes = 0;
  }

  private entry(row: Row): Opened {
    const known = row[entryOfRow];
    if (known?.isKept) return known;
    const entry = this.entryOf(row.block!);
    row[entryOfRow] = entry;
    return entry;
  }

  private entryOf(digest: Uint8Array): Opened {
    const key = Buffer.from(digest.buffer, digest.byteOffset, digest.byteLength).toString('latin1');
    let entry = this.entries.get(key);
    if (entry === undefined) {
      entry = { sizeBytes: overheadBytes, isKept: true };
      this.sizeBytes += overheadBytes;
    } else {
      this.entries.delete(key);
    }
    this.entries.set(key, entry);
    this.shrink();
    return entry;
  }

  private shrink(): void {
    if (this.sizeBytes <= this.maxBytes) return;
    for (const [key, entry] of this.entries) {
      this.entries.delete(key);
      this.sizeBytes -= entry.sizeBytes;
      drop(entry);
      if (this.sizeBytes <= this.maxBytes) return;
    }
  }
}

/** Lets go of what the entry holds: a row that is kept elsewhere must not keep it. */
function drop(entry: Opened): void {
  entry.isKept = false;
  entry.header = undefined;
  entry.text = undefined;
}

/** Bytes in memory of their own: a small piece of a shared pool would keep all of the pool. */
function ownMemory(bytes: Uint8Array): Uint8Array {
  if (bytes.buffer.byteLength === bytes.byteLength) return bytes;
  const copy = Buffer.allocUnsafeSlow(bytes.byteLength);
  copy.set(bytes);
  return copy;
}
