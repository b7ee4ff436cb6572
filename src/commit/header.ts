/**
 * Sealed headers: what consent, search order and proofs need to know of a version without fetching its block.
 *
 * `nonce (24) ‖ ciphertext ‖ tag (16)` under one header key; associated data = blind name of the resource ‖ versionId (4 bytes), so that an
 * owner of the index cannot move a header to another row. Plaintext: `u8 length ‖ leaf opening ‖ u8 length ‖ receipt digest ‖ JSON array`.
 */
import type { Term } from '../base/ids.js';
import type { Coding } from '../base/resource.js';
import type { RecordAttributes } from '../consent/gate.js';
import { randomBytes } from '../vault/random.js';
import { nonceBytes, openBytes, sealBytes } from '../vault/xchacha.js';
import { expandSystem, shortenSystem } from './header-systems.js';

/** 0: parses; 1: base R4; 2: declared profiles; 3: all required and extensible bindings. */
export type ValidationLevel = 0 | 1 | 2 | 3;

export interface Header {
  readonly resourceType: string;
  readonly id: string;
  readonly versionId: number;
  /** Milliseconds since 1970. */
  readonly lastUpdated: number;
  readonly isDeleted: boolean;
  readonly attributes: RecordAttributes;
  readonly level: ValidationLevel;
  /** What opens the leaf of the anchored log (holds its salt): secret like the resource. At most 255 bytes. */
  readonly leafOpening: Uint8Array;
  /** SHA-256 of the validator's receipt. */
  readonly receiptDigest?: Uint8Array;
  /** Small JSON value of the search: keys to sort by. */
  readonly sortKeys?: unknown;
}

type PackedCoding = readonly [system: string | number | null, code: string | null, version?: string];
type PackedHeader = readonly [
  resourceType: string,
  id: string,
  versionId: number,
  lastUpdated: number,
  flags: number,
  patients: readonly string[],
  labels: readonly PackedCoding[],
  codes: readonly PackedCoding[],
  author: string | null,
  period: readonly [number | null, number | null] | null,
  sortKeys: unknown,
  related?: readonly [
    references: readonly string[],
    authors: readonly string[],
    elementLabels?: readonly (readonly PackedCoding[])[],
  ],
];

const deletedFlag = 4;

export class HeaderCodec {
  /** @param key 32 bytes, `keyRing.derive('header')`. */
  constructor(private readonly key: Uint8Array) {}

  /** @param resource blind name of the row that the header is for. */
  seal(resource: Term, header: Header): Uint8Array {
    const { attributes, leafOpening, receiptDigest = new Uint8Array(0) } = header;
    const packed: PackedHeader = [
      header.resourceType,
      header.id,
      header.versionId,
      header.lastUpdated,
      header.level | (header.isDeleted ? deletedFlag : 0),
      attributes.patients,
      attributes.securityLabels.map(packCoding),
      attributes.codes.map(packCoding),
      attributes.author ?? null,
      (attributes.dataPeriod?.map((bound) => (Number.isFinite(bound) ? bound : null)) as
        [number, number] | undefined) ?? null,
      header.sortKeys,
      ...packRelated(attributes),
    ];
    const nonce = randomBytes(nonceBytes);
    const sealed = sealBytes(
      this.key,
      nonce,
      place(resource, header.versionId),
      Buffer.of(leafOpening.byteLength),
      leafOpening,
      Buffer.of(receiptDigest.byteLength),
      receiptDigest,
      Buffer.from(JSON.stringify(packed)),
    );
    return Buffer.concat([nonce, sealed]);
  }

  /** @throws SealBroken when these bytes were not sealed for this row. */
  open(resource: Term, versionId: number, sealed: Uint8Array): Header {
    const nonce = sealed.subarray(0, nonceBytes);
    const opened = openBytes(this.key, nonce, place(resource, versionId), sealed.subarray(nonceBytes));
    const receiptAt = 1 + opened[0]!;
    const packedAt = receiptAt + 1 + opened[receiptAt]!;
    const receiptDigest = opened.subarray(receiptAt + 1, packedAt);
    const packed = JSON.parse(opened.toString('utf8', packedAt)) as PackedHeader;
    const [resourceType, id, , lastUpdated, flags, patients, labels, codes, author, period, sortKeys, related] = packed;
    const attributes: Changeable<RecordAttributes> = {
      resourceType,
      id,
      patients,
      securityLabels: labels.length === 0 ? none : labels.map(unpackCoding),
      codes: codes.map(unpackCoding),
    };
    if (author !== null) attributes.author = author;
    if (period !== null) attributes.dataPeriod = [period[0] ?? -Infinity, period[1] ?? Infinity];
    if (related !== undefined) {
      const [references, authors, elementLabels] = related;
      if (references.length > 0) attributes.references = references;
      if (authors.length > 0) attributes.authors = authors;
      if (elementLabels !== undefined) attributes.elementLabels = elementLabels.map((set) => set.map(unpackCoding));
    }
    const header: Changeable<Header> = {
      resourceType,
      id,
      versionId,
      lastUpdated,
      isDeleted: (flags & deletedFlag) !== 0,
      attributes,
      level: (flags & 3) as ValidationLevel,
      leafOpening: opened.subarray(1, receiptAt),
    };
    if (receiptDigest.byteLength > 0) header.receiptDigest = receiptDigest;
    if (sortKeys != null) header.sortKeys = sortKeys;
    return header;
  }
}

/** While it is made. */
type Changeable<T> = { -readonly [K in keyof T]: T[K] };

const none: readonly Coding[] = [];

function place(resource: Term, versionId: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(20);
  bytes.set(resource, 0);
  bytes.writeUInt32BE(versionId, 16);
  return bytes;
}

/** Nothing at all for the many records that refer to none and name no author. */
function packRelated({
  references = [],
  authors = [],
  elementLabels,
}: RecordAttributes): [] | [NonNullable<PackedHeader[11]>] {
  if (elementLabels !== undefined) return [[references, authors, elementLabels.map((set) => set.map(packCoding))]];
  return references.length + authors.length === 0 ? [] : [[references, authors]];
}

function packCoding({ system, code, version }: Coding): PackedCoding {
  const short = system === undefined ? null : shortenSystem(system);
  return version === undefined ? [short, code ?? null] : [short, code ?? null, version];
}

function unpackCoding([short, code, version]: PackedCoding): Coding {
  const coding: Coding = {};
  if (short !== null) coding.system = expandSystem(short);
  if (version !== undefined) coding.version = version;
  if (code !== null) coding.code = code;
  return coding;
}
