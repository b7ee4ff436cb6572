/**
 * Builds the proof of a resource version from the log, the sealed header and the anchorers' batches.
 *
 * Every proof is checked here (all but the chain's part) before it leaves: what a damaged tile would give is never handed out.
 */
import { FhirError, fhirError } from '../base/outcome.js';
import { ChainUnavailable } from '../chain/chain.js';
import type { VersionRow } from '../commit/catalog.js';
import type { Anchorer } from './anchorer.js';
import { disclose, selects } from './disclosure.js';
import { encodeLeaf, leafHash } from './leaf.js';
import { openLeaf, type LeafSource, type OpenedContent } from './opened-leaf.js';
import { receiptPath } from './receipt-path.js';
import type { Parameters } from './parameters.js';
import { toParameters } from './proof-parameters.js';
import type { Anchor, Proof, ProofContent } from './proof.js';
import type { OrganisationKey } from './sd-jwt.js';
import type { TileStore } from './tile-store.js';
import { checkContent, checkLeaf, checkPath, ProofRefused } from './verify-proof.js';

export type { ProofHeader } from './opened-leaf.js';

export interface ProofSource extends LeafSource {
  readonly tiles: TileStore;
  /** One per chain. */
  readonly anchorers: readonly Anchorer[];
  /** Signs disclosures as SD-JWT; absent: none are given. */
  readonly organisationKey?: OrganisationKey;
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
  const described = await describe(source, row, request);
  const proof: Proof = { ...described, anchors };
  checkContent(proof);
  checkLeaf(proof);
  if (leadsToAnchors(proof)) return toParameters(proof);
  // A tile was damaged.
  await source.tiles.rebuild();
  const again: Proof = { ...described, anchors: await findAnchors(source, row.leafIndex) };
  for (const anchor of again.anchors) checkPath(again, anchor);
  return toParameters(again);
}

function leadsToAnchors(proof: Proof): boolean {
  try {
    for (const anchor of proof.anchors) checkPath(proof, anchor);
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

async function describe(source: ProofSource, row: VersionRow, request: ProofRequest): Promise<Omit<Proof, 'anchors'>> {
  const { url, urlSalt, parts, content: opened } = await openLeaf(source, row);
  const content: ProofContent = opened === undefined ? { kind: 'none' } : show(request, opened);
  return { url, urlSalt, parts, leaf: leafHash(encodeLeaf(parts)), leafIndex: row.leafIndex, content };
}

function show({ show: wanted = 'resource' }: ProofRequest, { resource, tree, leafSalt }: OpenedContent): ProofContent {
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
      const receipts = receiptPath(await anchorer.receiptsOf(record), leafIndex - statement.prevSize);
      anchors.push({
        inclusion,
        receipts,
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
