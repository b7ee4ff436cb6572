/** Entries as one buffer, to cross to the writer's thread without cloning objects. */
import { atOnce } from '../../base/pause.js';
import { Packer, Unpacker } from '../../base/packed.js';
import type { CompartmentKey, Entry, KeyWrap, Link, VersionRecord } from '../catalog.js';
import { packErasure, unpackErasure } from './packed-erasure.js';

/** @returns a buffer of its own, fit to be transferred. */
export function packEntries(entries: readonly Entry[]): ArrayBuffer {
  return atOnce(packing(entries));
}

/** The same in steps. */
export function* packing(entries: readonly Entry[]): Generator<void, ArrayBuffer> {
  let sizeBytes = 4;
  for (const entry of entries) sizeBytes += yield* sizeOf(entry);
  const writer = new Packer(sizeBytes);
  writer.count(entries.length);
  for (const entry of entries) {
    writer.number(entry.seq);
    writer.number(entry.time);
    writer.count(entry.versions.length);
    for (const version of entry.versions) {
      packVersion(writer, version);
      yield;
    }
    writer.count(entry.newKeys.length);
    for (const { compartment, wrapped } of entry.newKeys) {
      writer.bytes(compartment);
      writer.bytes(wrapped);
    }
    writer.bytes(entry.erasure === undefined ? nothing : packErasure(entry.erasure));
  }
  return writer.done();
}

export function unpackEntries(packed: ArrayBuffer): Entry[] {
  const reader = new Unpacker(packed);
  return reader.list(() => ({
    seq: reader.number(),
    time: reader.number(),
    versions: reader.list(() => unpackVersion(reader)),
    newKeys: reader.list((): CompartmentKey => ({ compartment: reader.bytes(), wrapped: reader.bytes() })),
    ...unpackErasureOf(reader.bytes()),
  }));
}

function unpackErasureOf(packed: Uint8Array): Pick<Entry, 'erasure'> {
  return packed.byteLength === 0 ? {} : { erasure: unpackErasure(packed) };
}

/** Wraps as the store keeps them: compartment (16), wrapped key (40), again and again. */
export function packWraps(wraps: readonly KeyWrap[]): Uint8Array {
  const packed = new Uint8Array(wraps.length * 56);
  wraps.forEach(({ compartment, wrapped }, index) => {
    packed.set(compartment, index * 56);
    packed.set(wrapped, index * 56 + 16);
  });
  return packed;
}

export function unpackWraps(packed: Uint8Array): KeyWrap[] {
  const wraps: KeyWrap[] = [];
  for (let at = 0; at < packed.byteLength; at += 56) {
    wraps.push({ compartment: packed.subarray(at, at + 16), wrapped: packed.subarray(at + 16, at + 56) });
  }
  return wraps;
}

function packVersion(writer: Packer, version: VersionRecord): void {
  writer.bytes(version.resource);
  writer.number(version.versionId);
  writer.count((version.isDeleted ? 1 : 0) | (version.isErased ? 2 : 0));
  writer.number(version.lastUpdated);
  writer.bytes(version.block ?? nothing);
  writer.bytes(packWraps(version.keyWraps));
  writer.bytes(version.header);
  writer.bytes(version.leaf);
  writer.bytes(version.terms);
  writer.count(version.links.length);
  for (const { param, target } of version.links) {
    writer.bytes(param);
    writer.bytes(target);
  }
}

function unpackVersion(reader: Unpacker): VersionRecord {
  const resource = reader.bytes();
  const versionId = reader.number();
  const flags = reader.count();
  const lastUpdated = reader.number();
  const block = reader.bytes();
  return {
    resource,
    versionId,
    isDeleted: (flags & 1) !== 0,
    ...((flags & 2) === 0 ? {} : { isErased: true }),
    lastUpdated,
    ...(block.byteLength > 0 ? { block } : {}),
    keyWraps: unpackWraps(reader.bytes()),
    header: reader.bytes(),
    leaf: reader.bytes(),
    terms: reader.bytes(),
    links: reader.list((): Link => ({ param: reader.bytes(), target: reader.bytes() })),
  };
}

const nothing = new Uint8Array(0);

function* sizeOf({ versions, newKeys, erasure }: Entry): Generator<void, number> {
  let size = 28 + (erasure === undefined ? 0 : packErasure(erasure).byteLength);
  for (const version of versions) {
    size += 140 + version.keyWraps.length * 56 + version.header.byteLength + version.terms.byteLength;
    size += version.links.length * 40;
    yield;
  }
  for (const { wrapped } of newKeys) size += 24 + wrapped.byteLength;
  return size;
}
