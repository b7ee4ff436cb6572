/**
 * Checks a proof against a chain: content -> commitment -> leaf -> root -> the head that the contract stored.
 *
 * Needs a JSON-RPC endpoint that the verifier trusts and, to be worth anything, the contract's address from a source other than the proof. Steps and
 * reasons: docs/poi.md, "Verification". A second implementation from that page alone: tools/verify.py.
 */
import { sameBytes, toHex } from '../base/bytes.js';
import { decodeHeadAnchored, encodeAnchor, recoverHeadSigner, type AnchoredHead } from '../chain/anchor-log.js';
import type { Hex } from '../chain/chain.js';
import { commitmentOf, DisclosureError } from './disclosure.js';
import { buildElementTree } from './element-tree.js';
import { encodeLeaf, hashUrl, leafHash, urlSaltOf } from './leaf.js';
import { rootFromInclusion } from './merkle.js';
import type { Anchor, Proof } from './proof.js';
import { vouched } from './receipt-path.js';

/** A call to a JSON-RPC endpoint: the `result`. @throws Error when there is none. */
export type Rpc = (method: string, params: readonly unknown[]) => Promise<unknown>;

export interface Expectations {
  /** The AnchorLog that the verifier trusts; without it the proof's own word is taken. */
  readonly contract?: Hex;
  /** Blocks that must lie on top of the anchor's, itself included; default 1. */
  readonly confirmations?: number;
}

/** The proof does not hold: `message` names what differs. */
export class ProofRefused extends Error {
  override readonly name = 'ProofRefused';
}

/** What a proof that holds has shown. */
export interface Shown {
  /** Of the block that holds the anchor. Seconds since 1970: the version existed by then. */
  readonly anchoredAt: number;
  readonly anchor: Anchor;
  readonly confirmations: number;
}

/**
 * Checks everything; one anchor that holds is enough.
 * @throws ProofRefused with the reason; Error when the endpoint cannot be asked.
 */
export async function verifyProof(proof: Proof, rpc: Rpc, expected: Expectations = {}): Promise<Shown> {
  checkContent(proof);
  checkLeaf(proof);
  const chainId = Number((await rpc('eth_chainId', [])) as Hex);
  const anchors = proof.anchors.filter((anchor) => anchor.chainId === chainId);
  if (anchors.length === 0)
    throw new ProofRefused(
      `the endpoint serves chain ${chainId}, the proof is anchored on ${proof.anchors.map((each) => each.chainId).join(', ')}`,
    );
  for (const anchor of anchors) checkInclusion(proof, anchor);
  let refusal: unknown;
  for (const anchor of anchors) {
    try {
      return await checkAnchor(anchor, rpc, expected);
    } catch (error) {
      refusal ??= error;
    }
  }
  throw refusal;
}

/** The content that is shown is the content that was committed. @throws ProofRefused */
export function checkContent({ content, parts, url, urlSalt }: Proof): void {
  if (!sameBytes(hashUrl(urlSalt, url), parts.urlHash))
    throw new ProofRefused(`the leaf was made for another URL than ${url}`);
  if (content.kind === 'none') return;
  if (parts.kind === 'deletion') throw new ProofRefused('the leaf is of a deletion, the proof shows content');
  if (content.kind === 'resource') {
    if (!sameBytes(urlSaltOf(content.salt), urlSalt)) throw new ProofRefused('the salt is not the one of the leaf');
    const { commitment } = buildElementTree(content.resource, content.salt);
    if (!sameBytes(commitment, parts.commitment))
      throw new ProofRefused(
        `the resource has the commitment ${toHex(commitment)}, the leaf ${toHex(parts.commitment)}: its content was changed`,
      );
    const { resourceType, id, meta } = content.resource as {
      resourceType: string;
      id?: string;
      meta?: { versionId?: string };
    };
    const reference = `${resourceType}/${String(id)}/_history/${String(meta?.versionId)}`;
    if (!url.endsWith(`/${reference}`)) throw new ProofRefused(`the resource is ${reference}, the URL is ${url}`);
    return;
  }
  let commitment: Uint8Array;
  try {
    commitment = commitmentOf(content.disclosure);
  } catch (error) {
    if (error instanceof DisclosureError) throw new ProofRefused(`the disclosure is no tree: ${error.message}`);
    throw error;
  }
  if (!sameBytes(commitment, parts.commitment))
    throw new ProofRefused(
      `the disclosed elements lead to the commitment ${toHex(commitment)}, the leaf has ${toHex(parts.commitment)}`,
    );
}

/** The parts give the leaf. @throws ProofRefused */
export function checkLeaf({ parts, leaf }: Proof): void {
  const found = leafHash(encodeLeaf(parts));
  if (!sameBytes(found, leaf))
    throw new ProofRefused(`the parts of the leaf hash to ${toHex(found)}, the proof says ${toHex(leaf)}`);
}

/** The path leads from the leaf to the anchored root. @throws ProofRefused */
export function checkPath({ leaf, leafIndex }: Proof, { statement, inclusion }: Anchor): void {
  const root = rootFromInclusion(leaf, leafIndex, statement.size, inclusion);
  if (root === undefined)
    throw new ProofRefused(
      `the inclusion path does not fit leaf ${leafIndex} of ${statement.size}: ${inclusion.length} hashes`,
    );
  if (`0x${toHex(root)}` !== statement.root)
    throw new ProofRefused(
      `the inclusion path leads to the root 0x${toHex(root)}, the anchored root is ${statement.root}`,
    );
}

/** The leaf is in the log, and the statement that took it in vouches for it. @throws ProofRefused */
function checkInclusion(proof: Proof, anchor: Anchor): void {
  checkPath(proof, anchor);
  const { parts, leafIndex } = proof;
  const { statement, receipts } = anchor;
  if (leafIndex < statement.prevSize) {
    if (receipts.length > 0) throw new ProofRefused('another batch took the leaf in than the one of the receipts');
    return;
  }
  const found = vouched(parts, leafIndex, statement, receipts);
  if (found === 'refused')
    throw new ProofRefused('the leaf is in the log, but the validators refused to attest it, or it was erased before');
  if (found === 'unknown') throw new ProofRefused("the receipt's path does not lead to the attested receiptsRoot");
  if (parts.kind === 'deletion') return;
  if (`0x${toHex(parts.profileSetDigest)}` !== statement.profileSet)
    throw new ProofRefused('the leaf and the attested batch name different ProfileSets');
  if (parts.level < statement.leastLevel)
    throw new ProofRefused(
      `the leaf has level ${parts.level}, less than the least level ${statement.leastLevel} that was attested`,
    );
}

/** The contract took that head, in that transaction, from those validators. */
async function checkAnchor(anchor: Anchor, rpc: Rpc, expected: Expectations): Promise<Shown> {
  const { contract, txHash, statement } = anchor;
  if (expected.contract !== undefined && expected.contract.toLowerCase() !== contract)
    throw new ProofRefused(
      `the proof names the contract ${contract}, the trusted one is ${expected.contract.toLowerCase()}`,
    );
  const receipt = (await rpc('eth_getTransactionReceipt', [txHash])) as RpcReceipt | null;
  if (receipt === null || receipt.blockNumber === null)
    throw new ProofRefused(`the chain has no transaction ${txHash}`);
  if (Number(receipt.status) !== 1) throw new ProofRefused(`transaction ${txHash} failed`);
  const head = anchoredHead(receipt, anchor);
  for (const member of [
    'size',
    'root',
    'prevSize',
    'prevRoot',
    'profileSet',
    'receiptsRoot',
    'leastLevel',
    'epoch',
    'batch',
  ] as const) {
    const stated = member === 'batch' ? anchor.batch : statement[member];
    if (head[member] !== stated)
      throw new ProofRefused(`the contract anchored ${member} ${head[member]}, the proof says ${stated}`);
  }
  if (receipt.blockHash !== anchor.blockHash || Number(receipt.blockNumber) !== anchor.blockNumber)
    throw new ProofRefused(
      `transaction ${txHash} is in block ${Number(receipt.blockNumber)} ${receipt.blockHash}, the proof says ${anchor.blockNumber} ${anchor.blockHash}`,
    );
  await checkAttestation(anchor, rpc);
  const [block, newest] = await Promise.all([
    rpc('eth_getBlockByNumber', [receipt.blockNumber, false]) as Promise<{ hash: Hex; timestamp: Hex } | null>,
    rpc('eth_blockNumber', []) as Promise<Hex>,
  ]);
  if (block?.hash !== anchor.blockHash) throw new ProofRefused(`block ${anchor.blockHash} is not part of the chain`);
  const confirmations = Number(newest) - anchor.blockNumber + 1;
  if (confirmations < (expected.confirmations ?? 1))
    throw new ProofRefused(`the anchor has ${confirmations} confirmations, ${expected.confirmations} are wanted`);
  return { anchoredAt: Number(block.timestamp), anchor, confirmations };
}

/** The signatures are of the validators that the proof names, and the ones that the contract saw. */
async function checkAttestation({ chainId, contract, txHash, statement, signatures }: Anchor, rpc: Rpc): Promise<void> {
  for (const signature of signatures) {
    let signer: Hex | undefined;
    try {
      signer = recoverHeadSigner({ chainId, contract }, statement, signature);
    } catch {
      // no signature at all
    }
    if (signer !== signature.signer)
      throw new ProofRefused(`the attestation of ${signature.signer} is not its signature`);
  }
  const transaction = (await rpc('eth_getTransactionByHash', [txHash])) as { to: Hex | null; input: Hex } | null;
  // A relay may have called the contract; then the contract alone saw the signatures.
  if (transaction?.to?.toLowerCase() === contract && transaction.input !== encodeAnchor(statement, signatures))
    throw new ProofRefused('the attestations are not those of the transaction');
}

interface RpcReceipt {
  readonly status: Hex;
  readonly blockNumber: Hex | null;
  readonly blockHash: Hex;
  readonly logs: readonly { readonly address: Hex; readonly topics: readonly Hex[]; readonly data: Hex }[];
}

function anchoredHead({ logs }: RpcReceipt, { contract, txHash, batch }: Anchor): AnchoredHead {
  const heads = logs.flatMap((log) => {
    if (log.address.toLowerCase() !== contract) return [];
    try {
      return [decodeHeadAnchored(log)];
    } catch {
      return [];
    }
  });
  const head = heads.find((each) => each.batch === batch) ?? heads[0];
  if (head === undefined) throw new ProofRefused(`transaction ${txHash} anchored nothing at contract ${contract}`);
  return head;
}

/** JSON-RPC over HTTP with plain fetch. Spec: https://www.jsonrpc.org/specification */
export function fetchRpc(url: string, timeoutMs = 10_000): Rpc {
  return async (method, params) => {
    const response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const answer = (await response.json()) as { result?: unknown; error?: { message: string } };
    if (answer.error !== undefined) throw new Error(`${method}: ${answer.error.message}`);
    return answer.result ?? null;
  };
}
