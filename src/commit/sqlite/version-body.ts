/**
 * A version as `content.body` keeps it: one byte string, because SQLite hands out one column much faster than nine.
 *
 * `u8 flags (1: deleted, 2: has a block, 4: erased, 8: tombstone) ‖ u32 versionId ‖ f64 lastUpdated ‖ f64 seq ‖ f64 leafIndex ‖ resource (16) ‖ digest (32, with flag 2) ‖ u16 wraps ‖
 * wraps (56 each) ‖ header`, little-endian.
 */
import type { VersionRecord, VersionRow } from '../catalog.js';
import { packWraps, unpackWraps } from './packed-entries.js';

const fixedBytes = 45;

/** @param version the parts that a body has; its terms, links and leaf are kept elsewhere. */
export function packBody(
  version: Omit<VersionRecord, 'terms' | 'links' | 'leaf'>,
  seq: number,
  leafIndex: number,
): Uint8Array {
  const wraps = packWraps(version.keyWraps);
  const { block, header } = version;
  const blockBytes = block?.byteLength ?? 0;
  const body = Buffer.allocUnsafe(fixedBytes + blockBytes + 2 + wraps.byteLength + header.byteLength);
  body[0] = (version.isDeleted ? 1 : 0) | (block === undefined ? 0 : 2);
  body.writeUInt32LE(version.versionId, 1);
  body.writeDoubleLE(version.lastUpdated, 5);
  body.writeDoubleLE(seq, 13);
  body.writeDoubleLE(leafIndex, 21);
  body.set(version.resource, 29);
  if (block !== undefined) body.set(block, fixedBytes);
  body.writeUInt16LE(version.keyWraps.length, fixedBytes + blockBytes);
  body.set(wraps, fixedBytes + blockBytes + 2);
  body.set(header, fixedBytes + blockBytes + 2 + wraps.byteLength);
  return body;
}

/** What is left of an erased version, or stands for the tombstone of an erasure. */
export function packErasedBody(place: {
  readonly leafIndex: number;
  readonly seq: number;
  readonly lastUpdated: number;
  readonly isTombstone: boolean;
}): Uint8Array {
  const { leafIndex, seq, lastUpdated, isTombstone } = place;
  const nothing = {
    resource: new Uint8Array(16),
    versionId: 0,
    isDeleted: true,
    keyWraps: [],
    header: new Uint8Array(0),
  };
  const body = packBody({ ...nothing, lastUpdated }, seq, leafIndex);
  body[0]! |= isTombstone ? 4 | 8 : 4;
  return body;
}

/** Which version a body is of, without unpacking it. */
export function placeOf(body: Buffer): {
  readonly leafIndex: number;
  readonly resource: Uint8Array;
  readonly isErased: boolean;
} {
  return { leafIndex: body.readDoubleLE(21), resource: body.subarray(29, fixedBytes), isErased: (body[0]! & 4) !== 0 };
}

export function unpackBody(body: Buffer): VersionRow {
  const hasBlock = (body[0]! & 2) !== 0;
  const wrapsAt = fixedBytes + (hasBlock ? 32 : 0);
  const headerAt = wrapsAt + 2 + body.readUInt16LE(wrapsAt) * 56;
  return {
    resource: body.subarray(29, fixedBytes),
    versionId: body.readUInt32LE(1),
    isDeleted: (body[0]! & 1) !== 0,
    lastUpdated: body.readDoubleLE(5),
    leafIndex: body.readDoubleLE(21),
    seq: body.readDoubleLE(13),
    ...(hasBlock ? { block: body.subarray(fixedBytes, wrapsAt) } : {}),
    keyWraps: unpackWraps(body.subarray(wrapsAt + 2, headerAt)),
    header: body.subarray(headerAt),
    ...((body[0]! & 4) === 0 ? {} : { isErased: true }),
    ...((body[0]! & 8) === 0 ? {} : { isTombstone: true }),
  };
}
