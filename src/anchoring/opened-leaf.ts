/** The parts of a logged version's leaf, made again from its sealed header and its content. */
import { parseJson } from '../base/json.js';
import type { VersionRow } from '../commit/catalog.js';
import { isGone, type LeafHeader } from './batch-facts.js';
import { buildElementTree, type ElementTree } from './element-tree.js';
import { findLeafContext } from './leaf-context.js';
import { hashUrl, noReceipt, readOpening, urlSaltOf, versionedUrl, type LeafParts } from './leaf.js';
import type { StateStore } from './outbox.js';

/** What is sealed in a version's header, as far as proofs go. */
export interface ProofHeader extends LeafHeader {
  readonly resourceType: string;
  readonly id: string;
  readonly versionId: number;
  /** Milliseconds since 1970. */
  readonly lastUpdated: number;
}

/** What opens versions. */
export interface LeafSource {
  readonly state: StateStore;
  header(row: VersionRow): ProofHeader;
  /** JSON bytes as they were sealed. */
  open(row: VersionRow): Promise<Uint8Array>;
}

export interface OpenedContent {
  readonly resource: { readonly resourceType: string };
  readonly tree: ElementTree;
  /** 16 bytes. */
  readonly leafSalt: Uint8Array;
}

export interface OpenedLeaf {
  readonly url: string;
  readonly urlSalt: Uint8Array;
  readonly parts: LeafParts;
  /** Absent for a deletion. */
  readonly content?: OpenedContent;
}

/** The version was erased: its leaf stays in the log, and nothing about it can be shown any more. */
export class LeafErased extends Error {
  override readonly name = 'LeafErased';
}

/** What the sealed header alone tells of a leaf. */
interface Known {
  readonly url: string;
  readonly urlSalt: Uint8Array;
  readonly leafSalt: Uint8Array;
  /** Of a version: without `commitment` where the header has none. */
  readonly parts: LeafParts | Omit<LeafParts & { kind: 'version' }, 'commitment'>;
}

/** @throws LeafErased; Error when the leaf's context is not in the catalog. */
async function fromHeader(source: Omit<LeafSource, 'open'>, row: VersionRow): Promise<Known> {
  if (isGone(row)) throw new LeafErased(`leaf ${row.leafIndex} was erased`);
  const header = source.header(row);
  const { contextId, leafSalt, commitment } = readOpening(header.leafOpening);
  const context = await findLeafContext(source.state, contextId);
  if (context === undefined) throw new Error(`the context of leaf ${row.leafIndex} is not in the catalog`);
  const url = versionedUrl(context, `${header.resourceType}/${header.id}/_history/${header.versionId}`);
  const urlSalt = urlSaltOf(leafSalt);
  const urlHash = hashUrl(urlSalt, url);
  const named = { url, urlSalt, leafSalt };
  if (header.isDeleted || row.block === undefined)
    return { ...named, parts: { kind: 'deletion', urlHash, lastUpdated: header.lastUpdated } };
  const parts = {
    kind: 'version',
    profileSetDigest: context.profileSetDigest,
    level: header.level,
    block: row.block,
    urlHash,
    receiptDigest: header.receiptDigest ?? noReceipt,
  } as const;
  return { ...named, parts: commitment === undefined ? parts : { ...parts, commitment } };
}

/** The parts of a leaf, its content left sealed where the header knows the commitment. @throws as openLeaf. */
export async function leafParts(source: LeafSource, row: VersionRow): Promise<LeafParts> {
  const { parts } = await fromHeader(source, row);
  return parts.kind === 'deletion' || 'commitment' in parts ? parts : (await openLeaf(source, row)).parts;
}

/** The same with the content. @throws LeafErased; Error when the leaf's context is not in the catalog; whatever `open` throws. */
export async function openLeaf(source: LeafSource, row: VersionRow): Promise<OpenedLeaf> {
  const { url, urlSalt, leafSalt, parts } = await fromHeader(source, row);
  if (parts.kind === 'deletion') return { url, urlSalt, parts };
  const resource = parseJson(Buffer.from(await source.open(row)).toString('utf8')) as { resourceType: string } & object;
  const tree = buildElementTree(resource, leafSalt);
  const opened: LeafParts = { ...parts, commitment: tree.commitment };
  return { url, urlSalt, parts: opened, content: { resource, tree, leafSalt } };
}
