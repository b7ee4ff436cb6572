/**
 * Blocks that were stored together: one CAR, one pin.
 *
 * A lone block is pinned as it is. Several are named by a DAG-CBOR node, `{blocks: [CID, ...], sizes: [bytes, ...]}`, whose recursive pin holds them
 * all: a pin for each block would cost more than the blocks.
 * Specs: https://ipld.io/specs/transport/car/carv1/, https://ipld.io/specs/codecs/dag-cbor/
 */
import * as dagCbor from '@ipld/dag-cbor';
import { CID } from 'multiformats/cid';
import * as Digest from 'multiformats/hashes/digest';
import { sha256 } from '../base/bytes.js';
import type { BlockDigest } from '../base/ids.js';
import type { SealedBlock } from './block-store.js';
import { sectionHead } from './car-format.js';
import { cidOf, digestOfCid } from './cid.js';

const sha256Code = 0x12;

export interface Group {
  readonly root: CID;
  readonly car: Uint8Array;
}

export interface Member {
  readonly digest: BlockDigest;
  readonly sizeBytes: number;
}

/** @param blocks at least one; each once. */
export function groupOf(blocks: readonly SealedBlock[]): Group {
  const only = blocks.length === 1 ? blocks[0] : undefined;
  if (only !== undefined) {
    const root = cidOf(only.digest);
    return { root, car: Buffer.concat([header(root), ...section(only)]) };
  }
  const bytes = dagCbor.encode({
    blocks: blocks.map(({ digest }) => cidOf(digest)),
    sizes: blocks.map((block) => block.bytes.byteLength),
  });
  const root = CID.createV1(dagCbor.code, Digest.create(sha256Code, sha256(bytes)));
  const node = Buffer.concat([varint(root.bytes.byteLength + bytes.byteLength), root.bytes, bytes]);
  return { root, car: Buffer.concat([header(root), node, ...blocks.flatMap(section)]) };
}

/** True for roots that `groupOf` makes of several blocks. */
export function isManifest({ version, code, multihash }: CID): boolean {
  return version === 1 && code === dagCbor.code && multihash.code === sha256Code;
}

/** True for blocks as this store keeps them. */
export function isSealedBlock({ version, code, multihash }: CID): boolean {
  return version === 1 && code === 0x55 && multihash.code === sha256Code;
}

/** What a manifest names; undefined when the node is not one of ours. */
export function membersOf(bytes: Uint8Array): Member[] | undefined {
  const node = dagCbor.decode<{ blocks?: unknown; sizes?: unknown }>(bytes);
  const { blocks, sizes } = node ?? {};
  if (!Array.isArray(blocks) || !Array.isArray(sizes) || blocks.length !== sizes.length) return undefined;
  return blocks.map((cid, index) => ({ digest: digestOfCid(cid as CID), sizeBytes: Number(sizes[index]) }));
}

function header(root: CID): Uint8Array {
  const bytes = dagCbor.encode({ version: 1, roots: [root] });
  return Buffer.concat([varint(bytes.byteLength), bytes]);
}

function section(block: SealedBlock): Uint8Array[] {
  return [sectionHead(block), block.bytes];
}

function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  for (let rest = value; ; rest >>>= 7) {
    if (rest < 0x80) return Uint8Array.from([...bytes, rest]);
    bytes.push((rest & 0x7f) | 0x80);
  }
}
