/** What is done to a single segment file: make it, lay blocks out, make holes, list. */
import { constants } from 'node:fs';
import { open, readdir, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import type { BlockDigest } from '../base/ids.js';
import { writeAll } from '../base/write-all.js';
import { BlockStoreUnavailable, type SealedBlock } from './block-store.js';
import type { BlockPlace } from './block-table.js';
import { carHeader, hole, sectionHead } from './car-format.js';
import { scan } from './segment-scan.js';

export interface PlacedBlock {
  readonly digest: BlockDigest;
  readonly place: BlockPlace;
}

/** What was written survives power loss when the write returns. */
const durable = constants.O_RDWR | constants.O_DSYNC;

export function segmentName(number: number): string {
  return `${String(number).padStart(8, '0')}.car`;
}

/** Numbers of the segments in a folder, in order. */
export async function segmentsIn(folder: string): Promise<number[]> {
  const numbers = (await readdir(folder)).flatMap((name) => /^(\d{8})\.car$/.exec(name)?.[1] ?? []).map(Number);
  return numbers.sort((a, b) => a - b);
}

/** Writes to it are durable when they return. */
export function openToWrite(file: string): Promise<FileHandle> {
  return open(file, durable);
}

/** A new segment without blocks, durable; open to be written. */
export async function createSegment(file: string): Promise<FileHandle> {
  const handle = await open(file, durable | constants.O_CREAT | constants.O_TRUNC);
  await handle.writeFile(carHeader);
  await handle.sync();
  const folder = await open(path.dirname(file), 'r');
  await folder.sync().finally(() => folder.close());
  return handle;
}

/** The bytes that put `blocks` into segment `segment` at byte `start`, and where each block then lies. */
export function layOut(
  blocks: readonly SealedBlock[],
  segment: number,
  start: number,
): { readonly bytes: Buffer; readonly places: readonly BlockPlace[]; readonly end: number } {
  const pieces: Uint8Array[] = [];
  const places: BlockPlace[] = [];
  let end = start;
  for (const block of blocks) {
    const head = sectionHead(block);
    pieces.push(head, block.bytes);
    places.push({ segment, offset: end + head.byteLength, length: block.bytes.byteLength });
    end += head.byteLength + block.bytes.byteLength;
  }
  return { bytes: Buffer.concat(pieces), places, end };
}

/** Overwrites the block at `place`, durably, with one that says nothing. A crash half-way leaves a block that does not match its CID. */
export async function writeHole(file: string, place: BlockPlace): Promise<void> {
  const filler = hole(place.length);
  const handle = await open(file, 'r+');
  try {
    await writeAll(handle.fd, Buffer.concat([filler.digest, filler.bytes]), place.offset - 32);
    await handle.datasync();
  } finally {
    await handle.close();
  }
}

/** Every block that the segment holds, without holes. */
export async function blocksIn(file: string, segment: number, sizeBytes: number): Promise<PlacedBlock[]> {
  const blocks: PlacedBlock[] = [];
  const handle = await open(file, 'r');
  try {
    await scan(handle, 0, sizeBytes, (digest, offset, length) => {
      blocks.push({ digest: Uint8Array.from(digest), place: { segment, offset, length } });
    });
  } finally {
    await handle.close();
  }
  return blocks;
}

/** Runs `task`; whatever the file system throws becomes BlockStoreUnavailable. */
export async function unavailable<T>(what: string, task: () => Promise<T>): Promise<T> {
  try {
    return await task();
  } catch (error) {
    if (error instanceof BlockStoreUnavailable) throw error;
    throw new BlockStoreUnavailable(`${what}: ${(error as Error).message}`);
  }
}
