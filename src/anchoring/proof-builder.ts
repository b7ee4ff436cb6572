/**
 * Builds the proof of a resource version from the log, the sealed header and the anchorers' batches.
 *
 * Every proof is checked here (all but the chain's part) before it leaves: what a damaged tile would give is never handed out.
 */
import { FhirError, fhirError } from '../base/outcome.js';
import { parseJson } from '../base/json.js';
import { ChainUnavailable } from '../chain/chain.js';
import type { VersionRow } from '../commit/catalog.js';
import type { Anchorer } from './anchorer.js';
import { disclose, selects } from './disclosure.js';
import { buildElementTree } from './element-tree.js';
import { findLeafContext } from './leaf-context.js';
import {
  encodeLeaf,
  hashUrl,
  leafHash,
  noReceipt,
  readOpening,
  urlSaltOf,
  versionedUrl,
  type LeafParts,
} from './leaf.js';
import type { LeafHeader } from './batch-facts.js';
import type { StateStore } from './outbox.js';
import type { Parameters } from './parameters.js';
import { toParameters } from './proof-parameters.js';
import type { Anchor, Proof, ProofContent } from './proof.js';
import type { TileStore } from './tile-store.js';
import { checkContent, checkInclusion, checkLeaf, ProofRefused } from './verify-proof.js';

/** What is sealed in a version's header, as far as proofs go. */
export interface ProofHeader extends LeafHeader {
  readonly resourceType: string;
  readonly id: string;
  readonly versionId: number;
  /** Milliseconds since 1970. */
  readonly lastUpdated: number;
}

export interface ProofSource {
  readonly tiles: TileStore;
  /** One per chain. */
  readonly anchorers: readonly Anchorer[];
  readonly state: StateStore;
  header(row: VersionRow): ProofHeader;
  /** JSON bytes as they were sealed. */
  open(row: VersionRow): Promise<Uint8Array>;
}

export interface ProofRequest {
  /** What of the content is shown: default the whole resource. */
  readonly show?: 'resource' | 'none' | { readonly elements: readonly string[] };
}

/**
 * The proof of the version in `row`, for somebody who may read it.
 * @throws FhirError 404 while the version is not anchored on any chain (Retry-After), 422 when no element is selected, 503 when no chain answers.
 */
export async function buildProof(
  source: ProofSource,
  row: VersionRow,
  request: ProofRequest = {},
): Promise<Parameters> {
  const header = source.header(row);
  const anchors = await findAnchors(source, row.leafIndex);
  if (anchors.length === 0) {
    const reference = `${header.resourceType}/${header.id}/_history/${header.versionId}`;
    throw refusal(404, 'not-found', `${reference} is not anchored yet; ask again`, 2);
  }
  const described = await describe(source, row, header, request);
  const proof: Proof = { ...described, anchors };
  checkContent(proof);
  checkLeaf(proof);
  if (leadsToAnchors(proof)) return toParameters(proof);
  // A tile was damaged.
  await source.tiles.rebuild();
  const again: Proof = { ...described, anchors: await findAnchors(source, row.leafIndex) };
  for (const anchor of again.anchors) checkInclusion(again, anchor);
  return toParameters(again);
}

function leadsToAnchors(proof: Proof): boolean {
  try {
    for (const anchor of proof.anchors) checkInclusion(proof, anchor);
    return true;
  } catch (error) {
    if (error instanceof ProofRefused) return false;
    throw error;
  }
}

function refusal(
  status: number,
  code: 'not-found' | 'transient',
  diagnostics: string,
  retryAfterSeconds: number,
): FhirError {
  return new FhirError(status, [{ severity: 'error', code, diagnostics }], {
    'Retry-After': String(retryAfterSeconds),
  });
}

async function describe(
  source: ProofSource,
  row: VersionRow,
  header: ProofHeader,
  request: ProofRequest,
): Promise<Omit<Proof, 'anchors'>> {
  const { contextId, leafSalt } = readOpening(header.leafOpening);
  const context = await findLeafContext(source.state, contextId);
  if (context === undefined) throw new Error(`the context of leaf ${row.leafIndex} is not in the catalog`);
  const url = versionedUrl(context, `${header.resourceType}/${header.id}/_history/${header.versionId}`);
  const urlSalt = urlSaltOf(leafSalt);
  const urlHash = hashUrl(urlSalt, url);
  if (header.isDeleted || row.block === undefined) {
    const parts: LeafParts = { kind: 'deletion', urlHash, lastUpdated: header.lastUpdated };
    return {
      url,
      urlSalt,
      parts,
      leaf: leafHash(encodeLeaf(parts)),
      leafIndex: row.leafIndex,
      content: { kind: 'none' },
    };
  }
  const resource = parseJson(Buffer.from(await source.open(row)).toString('utf8')) as { resourceType: string } & object;
  const tree = buildElementTree(resource, leafSalt);
  const parts: LeafParts = {
    kind: 'version',
    profileSetDigest: context.profileSetDigest,
    level: header.level,
    commitment: tree.commitment,
    block: row.block,
    urlHash,
    receiptDigest: header.receiptDigest ?? noReceipt,
  };
  const content = show(request, tree, resource, leafSalt);
  return { url, urlSalt, parts, leaf: leafHash(encodeLeaf(parts)), leafIndex: row.leafIndex, content };
}

function show(
  { show: wanted = 'resource' }: ProofRequest,
  tree: ReturnType<typeof buildElementTree>,
  resource: { readonly resourceType: string },
  leafSalt: Uint8Array,
): ProofContent {
  if (wanted === 'none') return { kind: 'none' };
  if (wanted === 'resource') return { kind: 'resource', salt: leafSalt, resource };
  const disclosure = disclose(tree, selects(wanted.elements));
  if (disclosure.elements.length === 0)
    throw fhirError(422, 'value', `no element of this version is selected by ${wanted.elements.join(', ')}`);
  return { kind: 'elements', disclosure };
}

async function findAnchors({ anchorers, tiles }: ProofSource, leafIndex: number): Promise<Anchor[]> {
  const anchors: Anchor[] = [];
  let away: unknown;
  for (const anchorer of anchorers) {
    try {
      const record = await anchorer.batchOf(leafIndex);
      if (record?.mined === undefined) continue;
      const { batch, statement, signatures, mined } = record;
      const inclusion = await tiles.inclusion(leafIndex, statement.size);
      anchors.push({
        inclusion,
        chainId: anchorer.chainId,
        contract: anchorer.contract,
        batch,
        statement,
        signatures,
        ...mined,
      });
    } catch (error) {
      if (!(error instanceof ChainUnavailable)) throw error;
      away = error;
    }
  }
  if (anchors.length === 0 && away !== undefined) throw refusal(503, 'transient', 'no chain answers', 5);
  return anchors;
}
