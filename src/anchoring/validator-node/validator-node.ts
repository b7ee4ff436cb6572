/**
 * A validator node: judges batches of one log by itself and signs those that it would have made the same way.
 *
 *     request -> briefing opened -> every leaf examined -> roots -> consistent with the last signed head -> head durable -> signed
 *
 * One statement at a time. What it signs can never contradict what it signed before: heads of one log, all consistent with each other.
 */
import { sameBytes, toHex } from '../../base/bytes.js';
import { headDigest, signHead, type HeadStatement } from '../../chain/anchor-log.js';
import type { Hex } from '../../chain/chain.js';
import { addressOf, type AttestationSignature } from '../../chain/signing.js';
import { hpkeOpen } from '../../vault/hpke.js';
import { GrowingRoot, receiptTree, refusedReceipt } from '../batch-facts.js';
import { checkpointText } from '../checkpoint.js';
import { cosigner, type Cosigner } from '../cosignature.js';
import type { Level } from '../leaf.js';
import { emptyRoot, isConsistent } from '../merkle.js';
import { decodeBriefing, briefingInfo, type Briefing } from './briefing.js';
import type { AttestRequest } from './attest-request.js';
import { examine, type Accepted, type Blocks, type Disagreement, type Judge, type Known } from './examine.js';
import { signRefusal, type BatchCode, type Reason, type Refusal } from './refusal.js';
import type { ValidatorKeys } from './validator-keys.js';
import type { SignedHead, ValidatorState } from './validator-state.js';

export interface ValidatorParts {
  readonly keys: ValidatorKeys;
  readonly state: ValidatorState;
  readonly blocks: Blocks;
  /** Its own copy of a ProfileSet; undefined when it does not have that one and cannot make it from the briefing. */
  judgeOf(profileSet: Hex, briefing: Briefing): Promise<Judge | undefined>;
  /** Seconds since 1970. */
  now(): number;
  /** Keeps what it found other than the server did. */
  record(disagreement: Disagreement): void;
}

export type Answer =
  | { readonly kind: 'attested'; readonly signature: AttestationSignature; readonly cosignature: string }
  | { readonly kind: 'refused'; readonly refusal: Refusal }
  /** The request lacks the proof that leads from this head to its own. */
  | { readonly kind: 'consistency-wanted'; readonly last: SignedHead };

/** Leaves whose verdicts are kept. */
const knownLeaves = 50_000;

export class ValidatorNode {
  readonly address: Hex;
  readonly cosigner: Cosigner;
  readonly #known: Known = new Map();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly parts: ValidatorParts) {
    this.address = addressOf(parts.keys.attesting);
    this.cosigner = cosigner(parts.keys.name, parts.keys.cosigning);
  }

  get last(): SignedHead | undefined {
    return this.parts.state.last;
  }

  /** @throws Error when the blocks or the disk cannot be reached: neither signed nor refused, to be asked again. */
  attest(request: AttestRequest): Promise<Answer> {
    const answer = this.#turn.then(() => this.#attest(request));
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  async #attest(request: AttestRequest): Promise<Answer> {
    const { statement, domain } = request;
    const { keys, state, blocks } = this.parts;
    const refuse = (...reasons: Reason[]): Answer => ({
      kind: 'refused',
      refusal: signRefusal(keys.attesting, domain, statement, reasons),
    });
    const count = statement.size - statement.prevSize;
    if (count < 1 || request.leaves.byteLength !== 32 * count) return refuse({ code: 'malformed' });
    if (state.origin !== undefined && state.origin !== request.origin) return refuse({ code: 'not-consistent' });
    let briefing: Briefing;
    try {
      const context = { info: briefingInfo, associated: headDigest(domain, statement) };
      briefing = decodeBriefing(await hpkeOpen(keys.opening, context, request.briefing));
    } catch {
      return refuse({ code: 'briefing-unopenable' });
    }
    if (briefing.leaves.length !== count) return refuse({ code: 'malformed' });
    const roots = rootsOf(request);
    if (roots === undefined) return refuse({ code: 'malformed' });
    if (roots.before !== statement.prevRoot || roots.after !== statement.root) return refuse({ code: 'root-differs' });
    const consistency = this.#consistency(request);
    if (consistency === 'wanted') return { kind: 'consistency-wanted', last: state.last! };
    if (!consistency) return refuse({ code: 'not-consistent' });

    const judge = await this.parts.judgeOf(statement.profileSet, briefing);
    if (judge === undefined || `0x${toHex(judge.profileSet)}` !== statement.profileSet)
      return refuse({ code: 'profile-set-unknown' });
    const batch = {
      first: statement.prevSize,
      leaves: request.leaves,
      briefing,
      refused: new Set(request.refused),
    };
    const { accepted, reasons, disagreements } = await examine(batch, judge, blocks, this.#known);
    this.#forget();
    disagreements.forEach((each) => this.parts.record(each));
    if (reasons.length > 0) return refuse(...reasons);
    const problem = factsProblem(statement, accepted as readonly Accepted[]);
    if (problem !== undefined) return refuse({ code: problem });

    // Before the signatures exist: a crash in between leaves a mark without a signature, never the reverse.
    await state.remember(request.origin, { size: statement.size, root: statement.root });
    const text = checkpointText({
      origin: request.origin,
      size: statement.size,
      root: Buffer.from(statement.root.slice(2), 'hex'),
    });
    return {
      kind: 'attested',
      signature: signHead(keys.attesting, domain, statement),
      cosignature: this.cosigner.cosign(text, this.parts.now()),
    };
  }

  /** Whether the statement's head and the last signed one are of one log. */
  #consistency({ statement, consistency }: AttestRequest): boolean | 'wanted' {
    const { last } = this.parts.state;
    if (last === undefined || last.size === 0) return true;
    for (const [size, root] of [
      [statement.prevSize, statement.prevRoot],
      [statement.size, statement.root],
    ] as const)
      if (size === last.size) return root === last.root;
    if (consistency?.size !== last.size) return 'wanted';
    const own = { size: statement.size, root: statement.root };
    const [older, newer] = last.size < own.size ? [last, own] : [own, last];
    return isConsistent(older.size, bytesOf(older.root), newer.size, bytesOf(newer.root), consistency.path);
  }

  #forget(): void {
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= knownLeaves) return;
      this.#known.delete(oldest);
    }
  }
}

/** The roots that the peaks and leaves of a request give; undefined when the peaks do not fit. */
function rootsOf({ statement, peaks, leaves }: AttestRequest): { before: Hex; after: Hex } | undefined {
  let tree: GrowingRoot;
  try {
    tree = GrowingRoot.from(statement.prevSize, peaks);
  } catch {
    return undefined;
  }
  const before = statement.prevSize === 0 ? emptyRoot : tree.root();
  for (let at = 0; at < leaves.byteLength; at += 32) tree.append(leaves.subarray(at, at + 32));
  return { before: `0x${toHex(before)}`, after: `0x${toHex(tree.root())}` };
}

function factsProblem(statement: HeadStatement, accepted: readonly Accepted[]): BatchCode | undefined {
  const receipts = accepted.map(({ receiptDigest }) => receiptDigest);
  if (`0x${toHex(receiptTree(receipts).root())}` !== statement.receiptsRoot) return 'receipts-differ';
  let least: Level = 3;
  for (const { level, receiptDigest } of accepted)
    if (level < least && !sameBytes(receiptDigest, refusedReceipt)) least = level;
  return least === statement.leastLevel ? undefined : 'level-differs';
}

function bytesOf(hex: Hex): Uint8Array {
  return Buffer.from(hex.slice(2), 'hex');
}
