/**
 * Leaves of the anchored log: one for every resource version, in commit order.
 *
 * A leaf says, in 32 bytes and without telling anything: this content, at this URL, sealed in this block, passed validation at this level against this
 * ProfileSet. Byte layout and test vectors: docs/poi.md, "Leaf"; test/cases/poi. Hashing of entries: RFC 6962, section 2.1.
 */
import { sha256 } from '../base/bytes.js';
import { buildElementTree } from './element-tree.js';
import { keystream, saltBytes } from './keystream.js';

/** How far a version was validated: 0 parses, 1 base R4, 2 declared profiles, 3 all required and extensible bindings. */
export type Level = 0 | 1 | 2 | 3;

/** What all leaves of one server at one time have in common. Stored once (leaf-context.ts), named in openings by its id. */
export interface LeafContext {
  /** First 8 bytes of SHA-256 over the rest. */
  readonly id: Uint8Array;
  /** SHA-256 of the ProfileSet manifest in force. */
  readonly profileSetDigest: Uint8Array;
  /** Public base URL of the FHIR door, without slash at the end: `https://ehr.example/fhir`. */
  readonly baseUrl: string;
}

export interface LeafInput {
  /** `Type/id/_history/versionId`. */
  readonly reference: string;
  /** 16 fresh random bytes; kept only inside the sealed header. */
  readonly salt: Uint8Array;
}

export interface WriteLeafInput extends LeafInput {
  /** The version as it is sealed, with id, meta.versionId and meta.lastUpdated. */
  readonly resource: { readonly resourceType: string };
  /** SHA-256 of the sealed block (the digest in its CID). */
  readonly block: Uint8Array;
  readonly level: Level;
  /** SHA-256 of the validator's receipt (receipt.ts); absent where no validator ran: 32 zero bytes. */
  readonly receiptDigest?: Uint8Array;
}

export interface DeletionLeafInput extends LeafInput {
  /** `lastUpdated` of the deletion, milliseconds since 1970. */
  readonly lastUpdated: number;
}

/** A leaf and what must be kept (sealed) to prove it later. */
export interface Leaf {
  /** RFC 6962 leaf hash, 32 bytes. */
  readonly leaf: Uint8Array;
  /**
   * Context id (8 bytes), leaf salt (16) and, of a version with content, its commitment (32): with it the entry is made without opening the content.
   * Secret like the resource itself.
   */
  readonly opening: Uint8Array;
}

/** The parts of a leaf that are hashed, as a proof shows them. */
export type LeafParts =
  | {
      readonly kind: 'version';
      readonly profileSetDigest: Uint8Array;
      readonly level: Level;
      readonly commitment: Uint8Array;
      readonly block: Uint8Array;
      readonly urlHash: Uint8Array;
      readonly receiptDigest: Uint8Array;
    }
  | { readonly kind: 'deletion'; readonly urlHash: Uint8Array; readonly lastUpdated: number };

const leafTag = Buffer.of(0x00);
/** CID multihash prefix: sha2-256, 32 bytes. */
const multihashPrefix = Buffer.of(0x12, 0x20);
/** Receipt digest of a version that no validator saw. */
export const noReceipt: Uint8Array = new Uint8Array(32);
const formats = { version: 0x01, deletion: 0x02 } as const;

/** The leaf of a created or updated version. About 70 us for a 2 KB resource. */
export function makeLeaf(context: LeafContext, input: WriteLeafInput): Leaf {
  const { commitment, urlSalt } = buildElementTree(input.resource, input.salt);
  const parts: LeafParts = {
    kind: 'version',
    profileSetDigest: context.profileSetDigest,
    level: input.level,
    commitment,
    block: input.block,
    urlHash: hashUrl(urlSalt, versionedUrl(context, input.reference)),
    receiptDigest: input.receiptDigest ?? noReceipt,
  };
  return { leaf: leafHash(encodeLeaf(parts)), opening: Buffer.concat([context.id, input.salt, commitment]) };
}

/** The leaf of a deletion. */
export function makeDeletionLeaf(context: LeafContext, input: DeletionLeafInput): Leaf {
  const urlHash = hashUrl(urlSaltOf(input.salt), versionedUrl(context, input.reference));
  const leaf = leafHash(encodeLeaf({ kind: 'deletion', urlHash, lastUpdated: input.lastUpdated }));
  return { leaf, opening: Buffer.concat([context.id, input.salt]) };
}

/** The log entry that a leaf is the hash of: 164 bytes for a version, 41 for a deletion. */
export function encodeLeaf(parts: LeafParts): Buffer {
  if (parts.kind === 'deletion') {
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(BigInt(parts.lastUpdated));
    return Buffer.concat([Buffer.of(formats.deletion), parts.urlHash, time]);
  }
  return Buffer.concat([
    Buffer.of(formats.version),
    parts.profileSetDigest,
    Buffer.of(parts.level),
    parts.commitment,
    multihashPrefix,
    parts.block,
    parts.urlHash,
    parts.receiptDigest,
  ]);
}

/** SHA-256(0x00 ‖ entry). */
export function leafHash(entry: Uint8Array): Uint8Array {
  return sha256(leafTag, entry);
}

/** SHA-256(url salt ‖ URL in UTF-8). */
export function hashUrl(urlSalt: Uint8Array, url: string): Uint8Array {
  return sha256(urlSalt, Buffer.from(url, 'utf8'));
}

/** The salt of the URL hash: what may be shown together with the URL without telling the leaf salt. */
export function urlSaltOf(leafSalt: Uint8Array): Uint8Array {
  return keystream(leafSalt, saltBytes);
}

/** `https://ehr.example/fhir/Patient/1/_history/3`. */
export function versionedUrl(context: LeafContext, reference: string): string {
  return `${context.baseUrl}/${reference}`;
}

export interface Opening {
  readonly contextId: Uint8Array;
  readonly leafSalt: Uint8Array;
  /** Absent for deletions, and for versions that were logged before openings had it. */
  readonly commitment?: Uint8Array;
}

const saltEnd = 8 + saltBytes;

/** The parts of the opening of a Leaf. @throws RangeError when it has another length. */
export function readOpening(opening: Uint8Array): Opening {
  const found = { contextId: opening.subarray(0, 8), leafSalt: opening.subarray(8, saltEnd) };
  if (opening.byteLength === saltEnd) return found;
  if (opening.byteLength !== saltEnd + 32)
    throw new RangeError(`the opening of a leaf has ${saltEnd} or ${saltEnd + 32} bytes`);
  return { ...found, commitment: opening.subarray(saltEnd) };
}

/** A context with its id. */
export function leafContext(profileSetDigest: Uint8Array, baseUrl: string): LeafContext {
  if (profileSetDigest.byteLength !== 32) throw new RangeError('a ProfileSet digest has 32 bytes');
  return { id: sha256(profileSetDigest, Buffer.from(baseUrl, 'utf8')).subarray(0, 8), profileSetDigest, baseUrl };
}
