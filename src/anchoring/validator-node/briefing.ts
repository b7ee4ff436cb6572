/**
 * The briefing: what a validator is told about a batch, sealed for it alone (HPKE), so that it can open and judge every version by itself.
 *
 * It dies with the request: a validator keeps neither keys nor contents. Byte layout: docs/poi.md, "Validators".
 */
import { keyBytes } from '../../vault/xchacha.js';
import { saltBytes } from '../keystream.js';
import type { Level } from '../leaf.js';

/** A sealed version and what opens it. */
export interface SealedSource {
  /** `Type/id/_history/versionId`. */
  readonly reference: string;
  /** SHA-256 of the sealed block. */
  readonly block: Uint8Array;
  /** 32 bytes: of this version's content alone. */
  readonly dataKey: Uint8Array;
}

export interface BriefedVersion extends SealedSource {
  readonly kind: 'version';
  readonly leafSalt: Uint8Array;
  /** What the server's own validator found: the leaf says the same. */
  readonly level: Level;
  readonly receiptDigest: Uint8Array;
}

export interface BriefedDeletion {
  readonly kind: 'deletion';
  readonly reference: string;
  readonly leafSalt: Uint8Array;
  /** Milliseconds since 1970. */
  readonly lastUpdated: number;
}

/** A leaf of which nothing can be told any more: it was erased. */
export interface BriefedErasure {
  readonly kind: 'erased';
}

export type BriefedLeaf = BriefedVersion | BriefedDeletion | BriefedErasure;

export interface Briefing {
  /** 32 random bytes that open the door to the batch's sealed blocks. */
  readonly ticket: Uint8Array;
  /** Public base URL of the FHIR door when the versions were written. */
  readonly baseUrl: string;
  /** Uploaded definitions that are part of the ProfileSet, beside packages. */
  readonly definitions: readonly SealedSource[];
  /** In log order. */
  readonly leaves: readonly BriefedLeaf[];
}

/** HPKE's `info` for briefings. */
export const briefingInfo: Uint8Array = Buffer.from('mooring/attest/1');

const kinds = { version: 1, deletion: 2, erased: 3 } as const;
const ticketBytes = 32;
const digestBytes = 32;

/** The bytes that are sealed. */
export function encodeBriefing({ ticket, baseUrl, definitions, leaves }: Briefing): Buffer {
  const parts: Uint8Array[] = [ticket, ...textParts(baseUrl), uint32(definitions.length)];
  for (const { reference, block, dataKey } of definitions) parts.push(...textParts(reference), block, dataKey);
  parts.push(uint32(leaves.length));
  for (const leaf of leaves) {
    parts.push(Buffer.of(kinds[leaf.kind]));
    if (leaf.kind === 'erased') continue;
    parts.push(...textParts(leaf.reference), leaf.leafSalt);
    if (leaf.kind === 'deletion') parts.push(uint64(leaf.lastUpdated));
    else parts.push(leaf.block, leaf.dataKey, Buffer.of(leaf.level), leaf.receiptDigest);
  }
  return Buffer.concat(parts);
}

/** @throws RangeError when `bytes` are no briefing. */
export function decodeBriefing(bytes: Uint8Array): Briefing {
  const reader = new Reader(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength));
  const ticket = reader.take(ticketBytes);
  const baseUrl = reader.text();
  const sealed = () => ({ reference: reader.text(), block: reader.take(digestBytes), dataKey: reader.take(keyBytes) });
  const definitions = Array.from({ length: reader.count() }, sealed);
  const leaves = Array.from({ length: reader.count() }, () => readLeaf(reader));
  reader.end();
  return { ticket, baseUrl, definitions, leaves };
}

function readLeaf(reader: Reader): BriefedLeaf {
  const kind = reader.byte();
  if (kind === kinds.erased) return { kind: 'erased' };
  if (kind !== kinds.version && kind !== kinds.deletion) throw new RangeError(`a briefing has no leaf of kind ${kind}`);
  const reference = reader.text();
  const leafSalt = reader.take(saltBytes);
  if (kind === kinds.deletion) return { kind: 'deletion', reference, leafSalt, lastUpdated: reader.uint64() };
  const [block, dataKey, level] = [reader.take(digestBytes), reader.take(keyBytes), reader.byte()];
  if (level > 3) throw new RangeError(`there is no level ${level}`);
  const receiptDigest = reader.take(digestBytes);
  return { kind: 'version', reference, leafSalt, block, dataKey, level: level as Level, receiptDigest };
}

class Reader {
  #at = 0;

  constructor(private readonly bytes: Buffer) {}

  take(count: number): Uint8Array {
    if (this.#at + count > this.bytes.byteLength) throw new RangeError('the briefing is cut short');
    this.#at += count;
    return this.bytes.subarray(this.#at - count, this.#at);
  }

  byte(): number {
    return this.take(1)[0]!;
  }

  text(): string {
    const size = Buffer.from(this.take(2)).readUInt16BE();
    return Buffer.from(this.take(size)).toString('utf8');
  }

  /** Of records of at least one byte each. */
  count(): number {
    const count = Buffer.from(this.take(4)).readUInt32BE();
    if (count > this.bytes.byteLength - this.#at) throw new RangeError('the briefing is cut short');
    return count;
  }

  uint64(): number {
    return Number(Buffer.from(this.take(8)).readBigUInt64BE());
  }

  end(): void {
    if (this.#at !== this.bytes.byteLength) throw new RangeError('bytes follow the briefing');
  }
}

function textParts(text: string): [Uint8Array, Uint8Array] {
  const bytes = Buffer.from(text, 'utf8');
  const size = Buffer.alloc(2);
  size.writeUInt16BE(bytes.byteLength);
  return [size, bytes];
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function uint64(value: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
}
