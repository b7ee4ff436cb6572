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
import type { TileStore } from './tile-store.js';

export interface AttestationRequest {
  readonly domain: Eip712Domain;
  /** The leaves [prevSize, size) are the batch. */
  readonly statement: HeadStatement;
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
}

/** Fewer valid signatures than the contract wants; the message holds each validator's reason. */
export class QuorumMissing extends Error {
  override readonly name = 'QuorumMissing';
}

/**
 * Asks all validators at once and returns as soon as `quorum` valid signatures are there.
 * @throws QuorumMissing when that cannot happen any more or `timeoutMs` have passed.
 */
export async function collectAttestations(
  attestors: readonly Attestor[],
  request: AttestationRequest,
  quorum: number,
  timeoutMs: number,
): Promise<AttestationSignature[]> {
  const signatures: AttestationSignature[] = [];
  const reasons: string[] = [];
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, timeoutMs);
    const settle = () => {
      if (signatures.length < quorum && signatures.length + reasons.length < attestors.length) return;
      clearTimeout(timer);
      resolve();
    };
    for (const attestor of attestors)
      void askOne(attestor, request)
        .then((signature) => signatures.push(signature))
        .catch((error: unknown) => reasons.push(`${attestor.address}: ${(error as Error).message}`))
        .finally(settle);
    if (attestors.length === 0) settle();
  });
  if (signatures.length >= quorum) return signatures.slice(0, quorum);
  const silent = attestors.length - signatures.length - reasons.length;
  throw new QuorumMissing(
    `${signatures.length} of ${quorum} attestations for size ${request.statement.size}${silent > 0 ? `, ${silent} did not answer` : ''}${reasons.length > 0 ? `; ${reasons.join('; ')}` : ''}`,
  );
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
