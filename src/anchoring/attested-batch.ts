/**
 * From pending leaves to a statement that a quorum signed.
 *
 * A leaf that keeps a quorum from forming, because more than N - M validators refuse it, is left out of what the statement vouches for: it stays in the
 * log, its receipt entry becomes 32 bytes 0xff, and the others are attested without it. Design: docs/decisions/0035-refused-leaves.md.
 */
import { toHex } from '../base/bytes.js';
import { encodeIsValidator, decodeBoolean, type HeadStatement, type StoredHead } from '../chain/anchor-log.js';
import type { Hex } from '../chain/chain.js';
import type { AttestationSignature, Eip712Domain } from '../chain/signing.js';
import type { AnchorerOptions } from './anchorer-options.js';
import { collectAttestations, QuorumMissing, type Attestor, type Collected } from './attestation.js';
import type { RefusedLeaf } from './outbox.js';

export interface AttestedBatch {
  readonly statement: HeadStatement;
  readonly signatures: readonly AttestationSignature[];
  readonly refused: readonly RefusedLeaf[];
  /** 32 bytes a leaf, packed: what `receiptsRoot` is the root of. */
  readonly receipts: Uint8Array;
}

type Parts = Required<Pick<AnchorerOptions, 'tiles' | 'facts' | 'attestors' | 'attestationTimeoutMs' | 'chain'>>;

/** @throws QuorumMissing with each validator's reason; whatever the log or the chain throws. */
export async function attestBatch(
  parts: Parts,
  domain: Eip712Domain,
  head: StoredHead,
  limit: number,
): Promise<AttestedBatch> {
  const { tiles, facts, attestationTimeoutMs } = parts;
  const attestors = await members(parts, domain.contract);
  const blocking = head.validatorCount - head.quorum + 1;
  const refusedBy = new Map<number, string[]>();
  for (;;) {
    const found = await facts(head.size, limit, new Set(refusedBy.keys()));
    const { until, profileSet, receiptsRoot, leastLevel } = found;
    const statement: HeadStatement = {
      root: `0x${toHex(await tiles.root(until))}`,
      size: until,
      prevRoot: head.root,
      prevSize: head.size,
      profileSet,
      receiptsRoot,
      leastLevel,
      epoch: head.epoch,
    };
    const request = { domain, statement, refused: found.refused };
    const collected = await collectAttestations(attestors, request, head.quorum, attestationTimeoutMs);
    if (collected.signatures.length >= head.quorum) {
      const refused = found.refused.map((leaf) => ({ leaf, reasons: refusedBy.get(leaf) ?? ['erased'] }));
      return { statement, signatures: collected.signatures, refused, receipts: found.receipts };
    }
    const refused = blockedLeaves(collected, blocking).filter(({ leaf }) => !refusedBy.has(leaf));
    if (refused.length === 0) throw new QuorumMissing(collected.problem);
    for (const { leaf, reasons } of refused) refusedBy.set(leaf, [...reasons]);
  }
}

/** Validators of the epoch: a signature of anybody else would make the contract refuse the batch. */
async function members({ chain, attestors }: Parts, contract: Hex): Promise<Attestor[]> {
  const isMember = await Promise.all(
    attestors.map(async ({ address }) => decodeBoolean(await chain.call(contract, encodeIsValidator(address)))),
  );
  return attestors.filter((_, at) => isMember[at]);
}

/** Leaves that so many refuse that no quorum is left. */
function blockedLeaves({ refusals }: Collected, blocking: number): RefusedLeaf[] {
  const reasons = new Map<number, string[]>();
  for (const [address, refusal] of refusals)
    for (const { leaf, code } of refusal.reasons)
      if (leaf !== undefined) reasons.set(leaf, [...(reasons.get(leaf) ?? []), `${address}: ${code}`]);
  return [...reasons]
    .filter(([, by]) => by.length >= blocking)
    .map(([leaf, by]) => ({ leaf, reasons: by }))
    .sort((a, b) => a.leaf - b.leaf);
}
