/** Reads segment files at start: from their summaries where they are whole, else block by block. */
import { open, readFile, rename, stat, unlink, writeFile, type FileHandle } from 'node:fs/promises';
import { sameBytes, sha256 } from '../base/bytes.js';
import type { BlockDigest } from '../base/ids.js';
import { carHeader, isHole, parseSection } from './car-format.js';

/** Called for every block that a segment holds. @param offset of the block's bytes in the file. */
export type OnBlock = (digest: BlockDigest, offset: number, length: number) => void;

/** A summary is `magic ‖ length of the segment that it covers (f64)` and then 40 bytes a block: digest, offset, length. */
const magic = Buffer.from('mooring index 1\n');
const summaryHead = magic.byteLength + 8;
const recordBytes = 40;
const readBytes = 4 * 1024 * 1024;

/**
 * Tells `onBlock` every block of the segment that is whole.
 * @param isLast of the newest segment a torn tail is cut off: it was never acknowledged.
 * @returns length of the segment, of which everything is whole.
 */
export async function loadSegment(file: string, isLast: boolean, onBlock: OnBlock): Promise<number> {
  const covered = await loadSummary(file, onBlock);
  const { size } = await stat(file);
  if (covered === size) return size;
  const handle = await open(file, 'r+');
  try {
    const end = await scan(handle, covered, size, onBlock);
    if (end < size && isLast) {
      await handle.truncate(end);
      await handle.datasync();
    }
    return end;
  } finally {
    await handle.close();
  }
}

/** Calls `onBlock` for each block in the file from byte `from`. @returns where the first section begins that is not whole. */
export async function scan(handle: FileHandle, from: number, size: number, onBlock: OnBlock): Promise<number> {
  let at = Math.max(from, carHeader.byteLength);
  let wanted = readBytes;
  while (at < size) {
    const bytes = Buffer.allocUnsafe(Math.min(wanted, size - at));
    await handle.read(bytes, 0, bytes.byteLength, at);
    const parsed = parseAll(bytes, at, onBlock);
    if (parsed === 0 && bytes.byteLength === size - at) return at;
    if (parsed === undefined) return at;
    wanted = parsed === 0 ? wanted * 4 : readBytes;
    at += parsed;
  }
  return Math.min(at, size);
}

/** @returns bytes of whole sections; undefined when what follows is no section. */
function parseAll(bytes: Buffer, base: number, onBlock: OnBlock): number | undefined {
  let at = 0;
  while (at < bytes.byteLength) {
    const section = parseSection(bytes, at);
    if (section === 'cut') return at;
    if (section === undefined) return at === 0 ? undefined : at;
    const block = bytes.subarray(section.start, section.end);
    // A block with another digest was torn by a crash, or rots: it is not offered, so that putting it again stores it again.
    if (sameBytes(sha256(block), section.digest) && !isHole(block)) {
      onBlock(section.digest, base + section.start, section.end - section.start);
    }
    at = section.end;
  }
  return at;
}

/** Writes the summary of a segment of `sizeBytes`. May be lost: then the segment is scanned. */
export async function writeSummary(file: string, sizeBytes: number, records: readonly Buffer[]): Promise<void> {
  const head = Buffer.alloc(summaryHead);
  magic.copy(head);
  head.writeDoubleLE(sizeBytes, magic.byteLength);
  const body = Buffer.concat([head, ...records]);
  await writeFile(`${summaryOf(file)}.new`, Buffer.concat([body, sha256(body)]));
  await rename(`${summaryOf(file)}.new`, summaryOf(file));
}

export function summaryRecord(digest: BlockDigest, offset: number, length: number): Buffer {
  const record = Buffer.allocUnsafe(recordBytes);
  record.set(digest);
  record.writeUInt32LE(offset, 32);
  record.writeUInt32LE(length, 36);
  return record;
}

/** Before anything in a segment changes its place. */
export async function dropSummary(file: string): Promise<void> {
  await unlink(summaryOf(file)).catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error;
  });
}

/** @returns how many bytes of the segment the summary covers; 0 when there is none that is whole. */
async function loadSummary(file: string, onBlock: OnBlock): Promise<number> {
  const summary = await readFile(summaryOf(file)).catch(() => Buffer.alloc(0));
  const end = summary.byteLength - 32;
  if (end < summaryHead || !summary.subarray(0, magic.byteLength).equals(magic)) return 0;
  if (!sameBytes(sha256(summary.subarray(0, end)), summary.subarray(end))) return 0;
  const covered = summary.readDoubleLE(magic.byteLength);
  if (covered > (await stat(file)).size) return 0;
  for (let at = summaryHead; at < end; at += recordBytes) {
    onBlock(summary.subarray(at, at + 32), summary.readUInt32LE(at + 32), summary.readUInt32LE(at + 36));
  }
  return covered;
}

function summaryOf(file: string): string {
  return `${file}.index`;
}
