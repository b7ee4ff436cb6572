/**
 * Attestation: M of N validators sign the statement of a batch before the contract takes it.
 *
 * Spec of the signed statement: contracts/IAnchorLog.sol (EIP-712); of what a validator checks: docs/poi.md, "Attestation".
 */
import { toHex } from '../base/bytes.js';
import { recoverHeadSigner, signHead, type Eip712Domain, type HeadStatement } from '../chain/anchor-log.js';
import type { Hex } from '../chain/chain.js';
import { addressOf, type AttestationSignature } from '../chain/signing.js';
import { isConsistent } from './merkle.js';
import type { StateStore } from './outbox.js';
import type { Refusal } from './validator-node/refusal.js';
import type { TileStore } from './tile-store.js';

export interface AttestationRequest {
  readonly domain: Eip712Domain;
  /** The leaves [prevSize, size) are the batch. */
  readonly statement: HeadStatement;
  /** Leaves of the batch that the statement does not vouch for. */
  readonly refused: readonly number[];
}

/**
 * Port: a validator.
 *
 * Consistency: never signs two roots for one size. Trust: its signature is checked, so a lying one is as good as none.
 */
export interface Attestor {
  /** Address of its key, lower case. */
  readonly address: Hex;
  /** @throws AttestationRefused with the validator's reason, or any Error when it cannot be asked. */
  attest(request: AttestationRequest): Promise<AttestationSignature>;
}

export class AttestationRefused extends Error {
  override readonly name = 'AttestationRefused';
  /** @param refusal signed by the validator; absent when it could not even be asked rightly. */
  constructor(
    message: string,
    readonly refusal?: Refusal,
  ) {
    super(message);
  }
}

/** What came back from the validators before the time was over. */
export interface Collected {
  /** Valid ones, at most `quorum`. */
  readonly signatures: readonly AttestationSignature[];
  /** Signed refusals by validator. */
  readonly refusals: ReadonlyMap<Hex, Refusal>;
  /** Why there are no more signatures. */
  readonly problem: string;
}

/** Fewer valid signatures than the contract wants; the message holds each validator's reason. */
export class QuorumMissing extends Error {
  override readonly name = 'QuorumMissing';
}

/** How long the others are waited for when a quorum has become impossible: their refusals say which leaves are in the way. */
const graceMs = 2_000;

/** Asks all validators at once and returns as soon as `quorum` valid signatures are there; else when all have answered, or `timeoutMs` have passed. */
export async function collectAttestations(
  attestors: readonly Attestor[],
  request: AttestationRequest,
  quorum: number,
  timeoutMs: number,
): Promise<Collected> {
  const signatures: AttestationSignature[] = [];
  const refusals = new Map<Hex, Refusal>();
  const reasons: string[] = [];
  await new Promise<void>((resolve) => {
    let timer = setTimeout(resolve, timeoutMs);
    let isHopeless = false;
    const settle = () => {
      if (signatures.length >= quorum || signatures.length + reasons.length === attestors.length) {
        clearTimeout(timer);
        resolve();
      } else if (!isHopeless && attestors.length - reasons.length < quorum) {
        isHopeless = true;
        clearTimeout(timer);
        timer = setTimeout(resolve, Math.min(graceMs, timeoutMs));
      }
    };
    for (const attestor of attestors)
      void askOne(attestor, request)
        .then((signature) => signatures.push(signature))
        .catch((error: unknown) => {
          reasons.push(`${attestor.address}: ${(error as Error).message}`);
          if (error instanceof AttestationRefused && error.refusal) refusals.set(attestor.address, error.refusal);
        })
        .finally(settle);
    if (attestors.length === 0) settle();
  });
  const silent = attestors.length - signatures.length - reasons.length;
  const problem = `${signatures.length} of ${quorum} attestations for size ${request.statement.size}${silent > 0 ? `, ${silent} did not answer` : ''}${reasons.length > 0 ? `; ${reasons.join('; ')}` : ''}`;
  return { signatures: signatures.slice(0, quorum), refusals: new Map(refusals), problem };
}

async function askOne(attestor: Attestor, request: AttestationRequest): Promise<AttestationSignature> {
  const signature = await attestor.attest(request);
  const signer = recoverHeadSigner(request.domain, request.statement, signature);
  if (signer !== attestor.address) throw new AttestationRefused('the signature is not its own');
  return { signer, r: signature.r, vs: signature.vs };
}

/** The last statement that a validator signed: what the next one must extend. */
interface LastSigned {
  readonly size: number;
  readonly root: Hex;
}

/**
 * The validator that lives in the server: recomputes the roots from the log and signs only what extends the last head that it signed.
 *
 * It vouches for nothing that the server does not already know; a network's other members run `mooring validator`.
 */
export class LocalAttestor implements Attestor {
  readonly address: Hex;
  readonly #stateKey: string;

  constructor(
    private readonly privateKey: Uint8Array,
    private readonly tiles: TileStore,
    private readonly store: StateStore,
  ) {
    this.address = addressOf(privateKey);
    this.#stateKey = `attestor/${this.address}`;
  }

  async attest({ domain, statement }: AttestationRequest): Promise<AttestationSignature> {
    for (const [size, root] of [
      [statement.prevSize, statement.prevRoot] as const,
      [statement.size, statement.root] as const,
    ])
      if (`0x${toHex(await this.tiles.root(size))}` !== root)
        throw new AttestationRefused(`the log of ${size} leaves has another root`);
    const key = `${this.#stateKey}/${domain.chainId}/${domain.contract}`;
    const stored = await this.store.getState(key);
    const last = stored && (JSON.parse(Buffer.from(stored).toString('utf8')) as LastSigned);
    if (last && !(await this.#extends(last, statement)))
      throw new AttestationRefused(
        `size ${statement.size} does not extend the head of size ${last.size} that was signed`,
      );
    // Before the signature exists: a crash in between leaves a mark without a signature, never the reverse.
    if (!last || statement.size > last.size)
      await this.store.putState(key, Buffer.from(JSON.stringify({ size: statement.size, root: statement.root })));
    return signHead(this.privateKey, domain, statement);
  }

  async #extends(last: LastSigned, { size, root }: HeadStatement): Promise<boolean> {
    const [older, newer] = last.size <= size ? [last, { size, root }] : [{ size, root }, last];
    if (newer.size > this.tiles.size) return false;
    if (older.size === 0) return true;
    const proof = await this.tiles.consistency(older.size, newer.size);
    return isConsistent(older.size, bytesOf(older.root), newer.size, bytesOf(newer.root), proof);
  }
}

function bytesOf(hex: Hex): Uint8Array {
  return Buffer.from(hex.slice(2), 'hex');
}
