/** A validator in another process, asked over HTTP. Protocol: docs/poi.md, "Validators". */
import { headDigest } from '../chain/anchor-log.js';
import type { Hex } from '../chain/chain.js';
import type { AttestationSignature } from '../chain/signing.js';
import { hpkeSeal } from '../vault/hpke.js';
import { AttestationRefused, type AttestationRequest, type Attestor } from './attestation.js';
import type { BriefingMaker } from './briefing-maker.js';
import { checkpointText } from './checkpoint.js';
import { parseCosignerKey, type CosignatureVerifier } from './cosignature.js';
import type { NoteSigner } from './note.js';
import type { TileStore } from './tile-store.js';
import { encodeRequest, signatureHeader, signedRequest } from './validator-node/attest-request.js';
import { briefingInfo } from './validator-node/briefing.js';
import { readReasons, recoverRefusal, type Reason } from './validator-node/refusal.js';
import type { ValidatorDescription } from './validator-node/validator-keys.js';

export interface RemoteAttestorParts {
  readonly tiles: TileStore;
  /** Leaves [from, until), packed. */
  leaves(from: number, until: number): Uint8Array | Promise<Uint8Array>;
  readonly briefings: BriefingMaker;
  /** The log's key: signs checkpoints and requests. Its name is the log's origin. */
  readonly signer: NoteSigner;
  /** Told each valid cosignature. */
  cosigned(size: number, line: string): void;
  readonly timeoutMs: number;
}

/** What a validator's HTTP door answers. */
interface AnswerBody {
  readonly r?: Hex;
  readonly vs?: Hex;
  readonly cosignature?: string;
  readonly reasons?: unknown;
  readonly last?: { readonly size: number; readonly root: Hex };
  readonly problem?: string;
}

export class RemoteAttestor implements Attestor {
  readonly address: Hex;
  readonly #cosigner: CosignatureVerifier;
  /** Size of the validator's last head, as far as is known. */
  #lastSize = 0;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly validator: ValidatorDescription,
    private readonly parts: RemoteAttestorParts,
  ) {
    this.address = validator.address;
    this.#cosigner = parseCosignerKey(validator.cosigner);
  }

  /** One statement at a time: a slow validator is not buried in requests. */
  attest(request: AttestationRequest): Promise<AttestationSignature> {
    const answer = this.#turn.then(() => this.#attest(request));
    this.#turn = answer.catch(() => undefined);
    return answer;
  }

  async #attest(request: AttestationRequest): Promise<AttestationSignature> {
    let { status, body } = await this.#ask(request);
    if (status === 409 && body.last !== undefined && Number.isSafeInteger(body.last.size)) {
      this.#lastSize = body.last.size;
      ({ status, body } = await this.#ask(request));
    }
    if (status === 422) throw this.#refused(request, body);
    if (status !== 200 || body.r === undefined || body.vs === undefined)
      throw new AttestationRefused(`it answered ${status}${body.problem === undefined ? '' : `: ${body.problem}`}`);
    const { size, root } = request.statement;
    this.#lastSize = Math.max(this.#lastSize, size);
    const text = checkpointText({ origin: this.parts.signer.name, size, root: bytesOf(root) });
    const { cosignature } = body;
    if (typeof cosignature === 'string' && this.#cosigner.verify(text, cosignature) !== undefined)
      this.parts.cosigned(size, cosignature);
    return { signer: this.address, r: body.r, vs: body.vs };
  }

  async #ask(request: AttestationRequest): Promise<{ status: number; body: AnswerBody }> {
    const body = await this.#body(request);
    const signature = Buffer.from(this.parts.signer.sign(signedRequest(this.address, body))).toString('base64');
    const response = await fetch(`${this.validator.url}/attest`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', [signatureHeader]: signature },
      body,
      signal: AbortSignal.timeout(this.parts.timeoutMs),
    });
    const answer = (await response.json().catch(() => ({}))) as AnswerBody | null;
    return { status: response.status, body: answer ?? {} };
  }

  async #body({ domain, statement, refused }: AttestationRequest): Promise<Uint8Array<ArrayBuffer>> {
    const { tiles, briefings, signer } = this.parts;
    const { size, prevSize, profileSet } = statement;
    const plain = await briefings.of(profileSet, prevSize, size);
    const context = { info: briefingInfo, associated: headDigest(domain, statement) };
    const briefing = await hpkeSeal(Buffer.from(this.validator.hpkeKey, 'hex'), context, plain);
    const last = this.#lastSize;
    const isProven = last > 0 && last !== size && last !== prevSize && last <= tiles.size;
    const path = isProven ? await tiles.consistency(Math.min(last, size), Math.max(last, size)) : [];
    const encoded = encodeRequest({
      domain,
      statement,
      origin: signer.name,
      peaks: await tiles.peaks(prevSize),
      leaves: await this.parts.leaves(prevSize, size),
      refused,
      ...(isProven ? { consistency: { size: last, path } } : {}),
      briefing,
    });
    return Uint8Array.from(encoded);
  }

  #refused({ domain, statement }: AttestationRequest, body: AnswerBody): AttestationRefused {
    let reasons: Reason[];
    try {
      reasons = readReasons(body.reasons);
      const signature = { signer: this.address, r: body.r ?? '0x', vs: body.vs ?? '0x' };
      if (recoverRefusal(domain, statement, { reasons, signature }) !== this.address) throw new RangeError();
      const inBatch = reasons.filter(
        ({ leaf }) => leaf === undefined || (leaf >= statement.prevSize && leaf < statement.size),
      );
      return new AttestationRefused(`it refuses ${summary(inBatch)}`, { reasons: inBatch, signature });
    } catch {
      return new AttestationRefused('it refuses without its signature');
    }
  }
}

function summary(reasons: readonly Reason[]): string {
  const shown = reasons.slice(0, 5).map(({ leaf, code }) => (leaf === undefined ? code : `leaf ${leaf} (${code})`));
  return `${shown.join(', ')}${reasons.length > 5 ? ` and ${reasons.length - 5} more` : ''}`;
}

function bytesOf(hex: Hex): Uint8Array {
  return Buffer.from(hex.slice(2), 'hex');
}
