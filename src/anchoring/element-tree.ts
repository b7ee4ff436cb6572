/**
 * The commitment to a resource: root of a salted hash tree over its elements, of which any part can be shown while the rest stays hidden.
 *
 * Sixteen children a node. Elements lie in a secret order, free places hold decoys that look like hashes, so a shown element tells neither the names,
 * nor the values, nor the number of the others (only the height of the tree: up to 16, 256, 4096, ... elements). One keystream call gives every
 * salt, place and decoy. Byte layout and test vectors: docs/poi.md, "Element tree"; test/cases/poi.
 */
import { hash } from 'node:crypto';
import { elementsOf, type Element } from './elements.js';
import { keystream, saltBytes } from './keystream.js';

/** Children of a node. */
export const arity = 16;
const elementTag = 0x10;
const nodeTag = 0x11;
const hashBytes = 32;

/** An element tree in full: only for those who may read the whole resource. */
export interface ElementTree {
  readonly elements: readonly Element[];
  /** 16 bytes each, packed, in the order of `elements`. */
  readonly salts: Buffer;
  /** Levels from the elements upwards; the last one has a single group. */
  readonly levels: readonly Level[];
  /** Salt of the hash of the versioned URL, 16 bytes. */
  readonly urlSalt: Buffer;
  readonly commitment: Buffer;
}

export interface Level {
  /** Hashes by place, packed: 16 a group, decoys included. */
  readonly hashes: Buffer;
  /** Place of each item (element, or group of the level below) by its index. */
  readonly places: Uint32Array;
}

/** Commitment to `resource` (32 bytes) and salt of its URL hash; `leafSalt` has 16 bytes. Cost: 1.5 us per element and 10 us. */
export function buildElementTree(resource: { readonly resourceType: string }, leafSalt: Uint8Array): ElementTree {
  const elements = elementsOf(resource);
  const stream = keystream(leafSalt, streamBytes(elements.length));
  const urlSalt = stream.subarray(0, saltBytes);
  const salts = stream.subarray(saltBytes, saltBytes * (1 + elements.length));
  let items = hashElements(elements, salts);
  let offset = saltBytes * (1 + elements.length);
  const levels: Level[] = [];
  for (;;) {
    const level = placeItems(items, stream, offset);
    offset += levelStreamBytes(items.length);
    levels.push(level);
    items = hashGroups(level.hashes);
    if (items.length === 1) break;
  }
  return { elements, salts, levels, urlSalt, commitment: Buffer.from(items[0], 'binary') };
}

/** Hash of one element: SHA-256(0x10 ‖ salt ‖ uint32 path size ‖ path ‖ text), 32 bytes. */
export function elementHash(element: Element, salt: Uint8Array): Buffer {
  return Buffer.from(hashElements([element], salt)[0], 'binary');
}

/** Hash of a node: SHA-256(0x11 ‖ its 16 children), 32 bytes. `children` are 16 hashes, packed. */
export function nodeHash(children: Uint8Array): Buffer {
  return hash('sha256', Buffer.concat([Buffer.of(nodeTag), children]), 'buffer');
}

let scratch = Buffer.alloc(4096);

/** Hashes travel as binary strings (one character a byte): three times faster than one Buffer each. */
function hashElements(elements: readonly Element[], salts: Uint8Array): string[] {
  const hashes = new Array<string>(elements.length);
  for (let index = 0; index < elements.length; index += 1) {
    const { path, text } = elements[index];
    const needed = 21 + 3 * (path.length + text.length);
    if (scratch.length < needed) scratch = Buffer.alloc(2 * needed);
    scratch[0] = elementTag;
    scratch.set(salts.subarray(saltBytes * index, saltBytes * (index + 1)), 1);
    const pathBytes = scratch.write(path, 21);
    scratch.writeUInt32BE(pathBytes, 17);
    const textBytes = scratch.write(text, 21 + pathBytes);
    hashes[index] = hash('sha256', scratch.subarray(0, 21 + pathBytes + textBytes), 'binary');
  }
  if (scratch.length > 1 << 20) scratch = Buffer.alloc(4096);
  return hashes;
}

/** Items in their secret places, decoys between them. */
function placeItems(items: readonly string[], stream: Buffer, offset: number): Level {
  const slots = slotsFor(items.length);
  const places = shuffled(slots, stream, offset);
  const hashes = Buffer.allocUnsafe(slots * hashBytes);
  for (let index = 0; index < items.length; index += 1)
    hashes.write(items[index], places[index] * hashBytes, hashBytes, 'binary');
  let decoy = offset + 4 * (slots - 1);
  for (let index = items.length; index < slots; index += 1, decoy += hashBytes)
    stream.copy(hashes, places[index] * hashBytes, decoy, decoy + hashBytes);
  return { hashes, places: places.subarray(0, items.length) };
}

/** The numbers 0 to slots-1 in the order that the stream says (Fisher-Yates from the top, one big-endian uint32 a step). */
function shuffled(slots: number, stream: Buffer, offset: number): Uint32Array {
  const places = new Uint32Array(slots);
  for (let index = 0; index < slots; index += 1) places[index] = index;
  for (let index = slots - 1, at = offset; index > 0; index -= 1, at += 4) {
    const other = Math.floor((stream.readUInt32BE(at) * (index + 1)) / 0x1_0000_0000);
    const kept = places[index];
    places[index] = places[other];
    places[other] = kept;
  }
  return places;
}

function hashGroups(hashes: Buffer): string[] {
  const groupBytes = arity * hashBytes;
  const node = Buffer.allocUnsafe(1 + groupBytes);
  node[0] = nodeTag;
  const groups = new Array<string>(hashes.length / groupBytes);
  for (let group = 0; group < groups.length; group += 1) {
    hashes.copy(node, 1, group * groupBytes, (group + 1) * groupBytes);
    groups[group] = hash('sha256', node, 'binary');
  }
  return groups;
}

function slotsFor(items: number): number {
  return arity * Math.ceil(items / arity);
}

function levelStreamBytes(items: number): number {
  const slots = slotsFor(items);
  return 4 * (slots - 1) + hashBytes * (slots - items);
}

function streamBytes(elements: number): number {
  let total = saltBytes * (1 + elements);
  for (let items = elements; ; items = slotsFor(items) / arity) {
    total += levelStreamBytes(items);
    if (items <= arity) return total;
  }
}
