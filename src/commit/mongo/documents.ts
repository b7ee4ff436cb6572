/**
 * The documents of the MongoDB catalog.
 *
 * Names, terms and links are base64url text, which every wire server compares and indexes as it is. A version's `_id` is `resource/versionId`, so that
 * what is current is found by point look-ups; `[s, u)` says during which entries it was current.
 */
import { Binary } from 'mongodb';
import type { Term } from '../../base/ids.js';
import { termKeyBytes, type Link, type VersionRecord, type VersionRow } from '../catalog.js';
import { packWraps, unpackWraps } from '../sqlite/packed-entries.js';

/** `u` of a version that is current. */
export const forever = Number.MAX_SAFE_INTEGER;
const termSize = 16;

/** One append: the entries from `_id` on, `n` of them. Bytes are dropped once they are applied. */
export interface LogDocument {
  /** Sequence number of the first entry, 16 digits. */
  readonly _id: string;
  /** How many entries. */
  readonly n: number;
  readonly leafFrom: number;
  readonly leafUntil: number;
  /** Of the newest entry, milliseconds since 1970. */
  readonly time: number;
  /** Who tried: tells a lost reply from a lost race. */
  readonly by: string;
  /** Packed entries, or how many parts they are in (PartDocument `by/0`, `by/1`, ...). */
  readonly packed?: Binary;
  readonly parts?: number;
  readonly applied?: boolean;
  /** Entries without versions, of which no other document tells: sequence number and time. */
  readonly empty?: readonly { readonly s: number; readonly m: number }[];
}

export interface PartDocument {
  /** `by/number` */
  readonly _id: string;
  readonly bytes: Binary;
}

export interface VersionDocument {
  /** `resource/versionId`; `erased/leafIndex` for the place of an erased version or of a tombstone. */
  readonly _id: string;
  /** leafIndex */
  readonly l: number;
  /** Sequence number of the entry that wrote it. */
  readonly s: number;
  /** Sequence number of the entry that superseded it; absent from places and gaps. */
  readonly u?: number;
  /** lastUpdated */
  readonly m: number;
  /** Is a deletion. */
  readonly d?: boolean;
  /** resource */
  readonly r?: string;
  /** versionId */
  readonly v?: number;
  /** Terms, by their first bytes. */
  readonly t?: readonly string[];
  /** Links: `param.target`. */
  readonly k?: readonly string[];
  /** Digest of the block. */
  readonly c?: Binary;
  /** Key wraps, packed. */
  readonly w?: Binary;
  /** Sealed header. */
  readonly e?: Binary;
  /** Leaf of the anchored log. */
  readonly h?: Binary;
  /** Amendments so far. */
  readonly q?: number;
  /** 1: erased; 2: tombstone. */
  readonly x?: number;
}

/** Small state; keys of compartments; erasures (`_id`: sequence number, 16 digits). */
export interface ValueDocument {
  readonly _id: string;
  readonly value: Binary;
}

/** `_id`: blind name of the compartment. */
export interface KeyDocument extends ValueDocument {
  /** Sequence number of the entry that brought the key; 0 for one that a restore brought. */
  readonly s: number;
}

export interface ErasureDocument extends ValueDocument {
  readonly l: number;
  readonly m: number;
}

export function nameText(name: Uint8Array): string {
  return Buffer.from(name.buffer, name.byteOffset, name.byteLength).toString('base64url');
}

export function nameBytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64url'));
}

export function termText(term: Term): string {
  return nameText(term.subarray(0, termKeyBytes));
}

export function termTexts(packed: Uint8Array | undefined): string[] {
  if (packed === undefined) return [];
  const count = packed.byteLength / termSize;
  return Array.from({ length: count }, (_, i) => termText(packed.subarray(i * termSize, (i + 1) * termSize)));
}

/** Terms as the port has them: sorted, zeros in the place of the bytes that are not kept. */
function packedTerms(texts: readonly string[]): Uint8Array {
  const sorted = texts.map((text) => Buffer.from(text, 'base64url')).sort((a, b) => Buffer.compare(a, b));
  const packed = new Uint8Array(sorted.length * termSize);
  sorted.forEach((term, index) => packed.set(term, index * termSize));
  return packed;
}

export function linkText(param: Term, target: Term): string {
  return `${nameText(param)}.${nameText(target)}`;
}

export function linkOf(text: string): Link {
  const [param = '', target = ''] = text.split('.');
  return { param: nameBytes(param), target: nameBytes(target) };
}

export function seqText(seq: number): string {
  return String(seq).padStart(16, '0');
}

/** Driver values come as Binary; with `promoteBuffers` as Buffer. */
export function bytesOf(value: Binary | Buffer | undefined): Buffer {
  if (value === undefined) return Buffer.alloc(0);
  return value instanceof Binary ? Buffer.from(value.value()) : value;
}

export function versionId(resource: string, number: number): string {
  return `${resource}/${number}`;
}

export function placeId(leafIndex: number): string {
  return `erased/${leafIndex}`;
}

/** @param until sequence number of the entry that supersedes it, when that is known already. */
export function versionDocument(
  version: VersionRecord,
  leafIndex: number,
  seq: number,
  until = forever,
): VersionDocument {
  const { lastUpdated, isDeleted, leaf, block, keyWraps, header, links } = version;
  const place = { l: leafIndex, s: seq, m: lastUpdated, h: new Binary(leaf) };
  if (version.isErased) return { _id: placeId(leafIndex), ...place, x: 1 };
  const resource = nameText(version.resource);
  return {
    _id: versionId(resource, version.versionId),
    ...place,
    u: until,
    d: isDeleted,
    r: resource,
    v: version.versionId,
    t: [...new Set(termTexts(version.terms))],
    k: [...new Set(links.map(({ param, target }) => linkText(param, target)))],
    ...(block === undefined ? {} : { c: new Binary(block) }),
    w: new Binary(packWraps(keyWraps)),
    e: new Binary(header),
    q: 0,
  };
}

const nobody = new Uint8Array(16);

export function rowOf(document: VersionDocument): VersionRow {
  const { l, s, m, d = true, r, v = 0, c, w, e, x } = document;
  return {
    resource: r === undefined ? nobody : nameBytes(r),
    versionId: v,
    isDeleted: d,
    lastUpdated: m,
    ...(c === undefined ? {} : { block: bytesOf(c) }),
    keyWraps: unpackWraps(bytesOf(w)),
    header: bytesOf(e),
    leafIndex: l,
    seq: s,
    ...(x === undefined ? {} : { isErased: true }),
    ...(x === 2 ? { isTombstone: true } : {}),
  };
}

/** A version as an export gives it. */
export function recordOf(document: VersionDocument): VersionRecord {
  const { resource, versionId: number, isDeleted, lastUpdated, block, keyWraps, header, isErased } = rowOf(document);
  return {
    resource,
    versionId: number,
    isDeleted,
    lastUpdated,
    ...(block === undefined ? {} : { block }),
    keyWraps,
    header,
    leaf: bytesOf(document.h),
    terms: packedTerms(document.t ?? []),
    links: (document.k ?? []).map(linkOf),
    ...(isErased ? { isErased } : {}),
  };
}
