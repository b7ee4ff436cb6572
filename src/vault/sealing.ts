/**
 * Contents to sealed blocks and back, under a data key of their own.
 *
 * A block is `format byte ‖ nonce (24) ‖ ciphertext ‖ tag (16)`, XChaCha20-Poly1305. Formats:
 *   1 single: one block is the whole content; associated data `type/id/versionId`.
 *   2 manifest: of a content above 1 MiB; its plaintext names the chunks (u32 count, then 32 bytes each). Associated data `type/id/versionId#`.
 *   3 chunk: one MiB of it. As in STREAM the nonce is `prefix (19) ‖ index (4) ‖ last (1)`, so that chunks cannot be swapped, dropped or
 *     repeated; associated data `type/id/versionId#chunk`.
 * The plaintext of a single and of a chunk begins with one byte that says how the rest is packed: 0 as it is, 1 raw DEFLATE (RFC 1951).
 *
 * Spec: STREAM, https://eprint.iacr.org/2015/189
 */
import { promisify } from 'node:util';
import { deflateRaw, deflateRawSync } from 'node:zlib';
import { sha256 } from '../base/bytes.js';
import type { BlockDigest } from '../base/ids.js';
import type { SealedBlock } from '../ipfs/block-store.js';
import { inflateRaw } from './inflate.js';
import { randomBytes } from './random.js';
import { nonceBytes, openBytes, sealBytes, SealBroken } from './xchacha.js';

/** Contents up to this many bytes are one block. */
const chunkBytes = 1024 * 1024;

const format = { single: 1, manifest: 2, chunk: 3 } as const;
const packing = { none: Buffer.of(0), deflate: Buffer.of(1) } as const;
const headBytes = 1 + nonceBytes;
const digestBytes = 32;

/** Less is not worth the inflating. */
const leastPackedBytes = 96;
/** Little memory and a fitting output buffer: for a resource, setting up costs more than the packing. */
const deflateOptions = (sizeBytes: number) => ({
  level: 1,
  memLevel: 5,
  windowBits: 13,
  chunkSize: Math.min(Math.max(sizeBytes, 1024), 64 * 1024),
});
const deflateAside = promisify(deflateRaw) as (bytes: Uint8Array, options: object) => Promise<Buffer>;

export interface SealedContent {
  /** The block that stands for the content: its single block, or its manifest. */
  readonly block: BlockDigest;
  /** Every block to store, in the order to store them. */
  readonly blocks: readonly SealedBlock[];
}

/**
 * Seals `content`. Contents of more than 1 MiB are packed in the thread pool.
 * @param dataKey 32 bytes, used for this content alone.
 * @param reference `type/id/versionId`.
 */
export function sealContent(
  dataKey: Uint8Array,
  reference: string,
  content: Uint8Array,
): SealedContent | Promise<SealedContent> {
  if (content.byteLength > chunkBytes) return sealChunks(dataKey, reference, content);
  const packed =
    content.byteLength < leastPackedBytes ? content : deflateRawSync(content, deflateOptions(content.byteLength));
  const block = sealPacked(
    format.single,
    dataKey,
    randomBytes(nonceBytes),
    Buffer.from(reference, 'latin1'),
    content,
    packed,
  );
  return { block: block.digest, blocks: [block] };
}

/**
 * The content whose block is `block`.
 * @param fetch the bytes of a further block, checked against its digest.
 * @throws SealBroken when it was not sealed under this key for this reference; what `fetch` throws.
 */
export async function openContent(
  dataKey: Uint8Array,
  reference: string,
  block: Uint8Array,
  fetch: (digest: BlockDigest) => Promise<Uint8Array>,
): Promise<Uint8Array> {
  if (isWhole(block)) return openWhole(dataKey, reference, block);
  if (block[0] !== format.manifest) throw new SealBroken(`sealed block has unknown format ${block[0]}`);
  const manifest = openBytes(dataKey, nonceOf(block), manifestData(reference), block.subarray(headBytes));
  const count = manifest.readUInt32BE(0);
  const chunks: Uint8Array[] = [];
  for (let index = 0; index < count; index += 1) {
    const at = 4 + index * digestBytes;
    const chunk = await fetch(manifest.subarray(at, at + digestBytes));
    const place = placeOf(index, index === count - 1);
    if (
      chunk[0] !== format.chunk ||
      !nonceOf(chunk)
        .subarray(-place.byteLength)
        .every((byte, i) => byte === place[i])
    ) {
      throw new SealBroken(`chunk ${index} is not in its place`);
    }
    chunks.push(openPacked(dataKey, chunkData(reference), chunk));
  }
  return Buffer.concat(chunks);
}

/** Whether a block holds all of its content, so that `openWhole` opens it. */
export function isWhole(block: Uint8Array): boolean {
  return block[0] === format.single;
}

/** The content of a block that holds all of it. @throws SealBroken when it was not sealed under this key for this reference. */
export function openWhole(dataKey: Uint8Array, reference: string, block: Uint8Array): Uint8Array {
  return openPacked(dataKey, Buffer.from(reference, 'latin1'), block);
}

/** Digests of the chunks that a manifest names, none for a single block: what has to be deleted with it. */
export function chunksOf(dataKey: Uint8Array, reference: string, block: Uint8Array): BlockDigest[] {
  if (block[0] !== format.manifest) return [];
  const manifest = openBytes(dataKey, nonceOf(block), manifestData(reference), block.subarray(headBytes));
  return Array.from({ length: manifest.readUInt32BE(0) }, (_, index) =>
    manifest.subarray(4 + index * digestBytes, 4 + (index + 1) * digestBytes),
  );
}

async function sealChunks(dataKey: Uint8Array, reference: string, content: Uint8Array): Promise<SealedContent> {
  const prefix = randomBytes(nonceBytes - 5);
  const count = Math.ceil(content.byteLength / chunkBytes);
  const blocks: SealedBlock[] = [];
  for (let index = 0; index < count; index += 1) {
    const piece = content.subarray(index * chunkBytes, (index + 1) * chunkBytes);
    const nonce = Buffer.concat([prefix, placeOf(index, index === count - 1)]);
    const packed = await deflateAside(piece, deflateOptions(piece.byteLength));
    blocks.push(sealPacked(format.chunk, dataKey, nonce, chunkData(reference), piece, packed));
  }
  const names = Buffer.alloc(4 + count * digestBytes);
  names.writeUInt32BE(count, 0);
  blocks.forEach(({ digest }, index) => names.set(digest, 4 + index * digestBytes));
  const nonce = randomBytes(nonceBytes);
  const sealed = sealBytes(dataKey, nonce, manifestData(reference), names);
  const manifest = asBlock(format.manifest, nonce, sealed);
  return { block: manifest.digest, blocks: [...blocks, manifest] };
}

/** Seals `packed` when it is shorter than `plain`, else `plain`. */
function sealPacked(
  kind: number,
  dataKey: Uint8Array,
  nonce: Uint8Array,
  associated: Uint8Array,
  plain: Uint8Array,
  packed: Uint8Array,
): SealedBlock {
  const helps = packed.byteLength < plain.byteLength;
  const sealed = helps
    ? sealBytes(dataKey, nonce, associated, packing.deflate, packed)
    : sealBytes(dataKey, nonce, associated, packing.none, plain);
  return asBlock(kind, nonce, sealed);
}

function openPacked(dataKey: Uint8Array, associated: Uint8Array, block: Uint8Array): Uint8Array {
  const opened = openBytes(dataKey, nonceOf(block), associated, block.subarray(headBytes));
  const body = opened.subarray(1);
  if (opened[0] === packing.none[0]) return body;
  if (opened[0] === packing.deflate[0]) return inflateRaw(body);
  throw new SealBroken(`sealed content has unknown packing ${opened[0]}`);
}

function asBlock(kind: number, nonce: Uint8Array, sealed: Uint8Array): SealedBlock {
  const bytes = Buffer.concat([Buffer.of(kind), nonce, sealed]);
  return { digest: sha256(bytes), bytes };
}

function nonceOf(block: Uint8Array): Uint8Array {
  return block.subarray(1, headBytes);
}

function placeOf(index: number, isLast: boolean): Buffer {
  const place = Buffer.alloc(5);
  place.writeUInt32BE(index, 0);
  place[4] = isLast ? 1 : 0;
  return place;
}

function manifestData(reference: string): Buffer {
  return Buffer.from(`${reference}#`, 'latin1');
}

function chunkData(reference: string): Buffer {
  return Buffer.from(`${reference}#chunk`, 'latin1');
}
