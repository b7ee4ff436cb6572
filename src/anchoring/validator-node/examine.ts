/**
 * What a validator does with each leaf of a batch: fetches the sealed block, opens it, judges the content by its own copy of the ProfileSet, and makes
 * the leaf again from what it found itself.
 *
 * Nothing is taken from the server's word but the secrets that open (keys, salts): commitment, level, receipt, block and URL are the validator's own.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { sameBytes, sha256, toHex } from '../../base/bytes.js';
import { parseJson } from '../../base/json.js';
import type { Resource } from '../../base/resource.js';
import type { BlockDigest } from '../../base/ids.js';
import { openContent } from '../../vault/sealing.js';
import { refusedReceipt } from '../batch-facts.js';
import { leafContext, makeDeletionLeaf, makeLeaf, noReceipt, type LeafContext, type Level } from '../leaf.js';
import type { BriefedVersion, Briefing, SealedSource } from './briefing.js';
import type { LeafCode, Reason } from './refusal.js';

/** A validator's own verdict on a content. */
export interface Judgement {
  readonly isValid: boolean;
  readonly level: Level;
  /** The receipt's canonical JSON. */
  readonly text: string;
  readonly receiptDigest: Uint8Array;
  /** What a second engine says; absent where there is none. */
  readonly isValidElsewhere?: boolean;
}

/** Port: validation under one ProfileSet. Deterministic: the same content gives the same bytes everywhere. */
export interface Judge {
  /** SHA-256 of the ProfileSet's manifest. */
  readonly profileSet: Uint8Array;
  judge(resource: Resource): Judgement | Promise<Judgement>;
}

/** Port: where sealed blocks come from. Trust: none, digests are compared. */
export interface Blocks {
  /** Bytes by digest in hexadecimal; what is not there is left out. @throws Error when the source cannot be asked. */
  fetch(ticket: Uint8Array, digests: readonly BlockDigest[]): Promise<ReadonlyMap<string, Uint8Array>>;
}

/** What of a leaf goes into the statement. */
export interface Accepted {
  readonly level: Level;
  readonly receiptDigest: Uint8Array;
}

/** A receipt of ours that is not the server's, for the record. Holds rules and paths, never values. */
export interface Disagreement {
  readonly leaf: number;
  readonly code: LeafCode;
  readonly own: string;
  /** The server's receipt digest, hexadecimal. */
  readonly claimed: string;
}

export interface Examination {
  /** By place in the batch; undefined where the leaf is refused. */
  readonly accepted: readonly (Accepted | undefined)[];
  readonly reasons: readonly Reason[];
  readonly disagreements: readonly Disagreement[];
}

export interface Batch {
  readonly first: number;
  /** Leaves as the server claims them, 32 bytes each, packed. */
  readonly leaves: Uint8Array;
  readonly briefing: Briefing;
  /** Indexes that the statement leaves out. */
  readonly refused: ReadonlySet<number>;
}

/** Verdicts on leaves that were accepted before: a leaf's hash stands for everything that was judged. */
export type Known = Map<string, Accepted>;

const fetchCount = 500;

/** @throws Error when the blocks' source cannot be asked: then nothing is known, and nothing is refused. */
export async function examine(batch: Batch, judge: Judge, blocks: Blocks, known: Known): Promise<Examination> {
  const { briefing, first, refused } = batch;
  const context = leafContext(judge.profileSet, briefing.baseUrl);
  const accepted: (Accepted | undefined)[] = [];
  const reasons: Reason[] = [];
  const disagreements: Disagreement[] = [];
  for (let from = 0; from < briefing.leaves.length; from += fetchCount) {
    const until = Math.min(from + fetchCount, briefing.leaves.length);
    const places = Array.from({ length: until - from }, (_, n) => from + n);
    const fresh = places.filter((at) => !refused.has(first + at) && !known.has(leafKey(batch, at)));
    const fetched = await blocks.fetch(
      briefing.ticket,
      fresh.flatMap((at) => blockOf(briefing.leaves[at]) ?? []),
    );
    for (const at of places) {
      if (at % 25 === 24) await nextTurn();
      const leaf = first + at;
      if (refused.has(leaf)) {
        accepted.push({ level: 3, receiptDigest: refusedReceipt });
        continue;
      }
      const found = known.get(leafKey(batch, at)) ?? (await examineLeaf(batch, at, context, judge, blocks, fetched));
      if ('code' in found) {
        reasons.push({ leaf, code: found.code });
        if (found.own !== undefined)
          disagreements.push({ leaf, code: found.code, own: found.own, claimed: found.claimed });
        accepted.push(undefined);
        continue;
      }
      known.set(leafKey(batch, at), found);
      accepted.push(found);
    }
  }
  return { accepted, reasons, disagreements };
}

/** Contents of definitions that belong to a ProfileSet. @throws Error when one is missing or does not open. */
export async function openDefinitions(briefing: Briefing, blocks: Blocks): Promise<Resource[]> {
  const { definitions, ticket } = briefing;
  if (definitions.length === 0) return [];
  const fetched = await blocks.fetch(
    ticket,
    definitions.map(({ block }) => block),
  );
  const opened: Resource[] = [];
  for (const source of definitions) {
    const content = await openSealed(source, ticket, blocks, fetched);
    if (typeof content === 'string') throw new Error(`${source.reference} of the ProfileSet: ${content}`);
    opened.push(content);
  }
  return opened;
}

type Refused = { readonly code: LeafCode; readonly own?: string; readonly claimed: string };

async function examineLeaf(
  { briefing, leaves }: Batch,
  at: number,
  context: LeafContext,
  judge: Judge,
  blocks: Blocks,
  fetched: ReadonlyMap<string, Uint8Array>,
): Promise<Accepted | Refused> {
  const brief = briefing.leaves[at];
  const claimedLeaf = leaves.subarray(32 * at, 32 * at + 32);
  if (brief.kind === 'erased') return { code: 'erased', claimed: '' };
  const { reference, leafSalt: salt } = brief;
  if (brief.kind === 'deletion') {
    const { leaf } = makeDeletionLeaf(context, { reference, salt, lastUpdated: brief.lastUpdated });
    return sameBytes(leaf, claimedLeaf)
      ? { level: 3, receiptDigest: noReceipt }
      : { code: 'leaf-differs', claimed: toHex(leaf) };
  }
  const resource = await openSealed(brief, briefing.ticket, blocks, fetched);
  if (typeof resource === 'string') return { code: resource, claimed: '' };
  const judgement = await judge.judge(resource);
  const problem = judgementProblem(judgement, brief);
  if (problem !== undefined) return { code: problem, own: judgement.text, claimed: toHex(brief.receiptDigest) };
  const { level, receiptDigest } = judgement;
  const { leaf } = makeLeaf(context, { reference, salt, resource, block: brief.block, level, receiptDigest });
  return sameBytes(leaf, claimedLeaf) ? { level, receiptDigest } : { code: 'leaf-differs', claimed: toHex(leaf) };
}

function judgementProblem(judgement: Judgement, brief: BriefedVersion): LeafCode | undefined {
  if (!judgement.isValid) return 'invalid';
  if (judgement.isValidElsewhere === false) return 'engine-disagrees';
  const isSame = judgement.level === brief.level && sameBytes(judgement.receiptDigest, brief.receiptDigest);
  return isSame ? undefined : 'receipt-differs';
}

/** The content, or why it cannot be had. */
async function openSealed(
  { reference, block: digest, dataKey }: SealedSource,
  ticket: Uint8Array,
  blocks: Blocks,
  fetched: ReadonlyMap<string, Uint8Array>,
): Promise<Resource | LeafCode> {
  const block = fetched.get(toHex(digest));
  if (block === undefined) return 'block-missing';
  if (!sameBytes(sha256(block), digest)) return 'block-altered';
  let content: Uint8Array;
  try {
    const fetchChunk = async (chunk: BlockDigest) => {
      const bytes = (await blocks.fetch(ticket, [chunk])).get(toHex(chunk));
      if (bytes === undefined) throw new Lost('block-missing');
      if (!sameBytes(sha256(bytes), chunk)) throw new Lost('block-altered');
      return bytes;
    };
    content = await openContent(dataKey, reference.replace('/_history/', '/'), block, fetchChunk);
  } catch (error) {
    return error instanceof Lost ? error.code : 'unopenable';
  }
  try {
    const resource = parseJson(Buffer.from(content).toString('utf8')) as unknown as Resource;
    const { resourceType, id, meta } = resource;
    const isNamed = `${resourceType}/${String(id)}/_history/${String(meta?.versionId)}` === reference;
    return isNamed ? resource : 'other-content';
  } catch {
    return 'other-content';
  }
}

class Lost extends Error {
  constructor(readonly code: 'block-missing' | 'block-altered') {
    super(code);
  }
}

function blockOf(leaf: Briefing['leaves'][number]): BlockDigest | undefined {
  return leaf.kind === 'version' ? leaf.block : undefined;
}

function leafKey({ leaves }: Batch, at: number): string {
  return Buffer.from(leaves.buffer, leaves.byteOffset + 32 * at, 32).toString('latin1');
}
