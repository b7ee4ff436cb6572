/**
 * What a server posts to a validator, and what comes back. JSON; authenticated by the log's Ed25519 key over the body.
 *
 * Spec: docs/poi.md, "Validators".
 */
import { fromHex, sha256, toHex } from '../../base/bytes.js';
import type { HeadStatement } from '../../chain/anchor-log.js';
import type { Hex } from '../../chain/chain.js';
import type { Eip712Domain } from '../../chain/signing.js';

const requestFormat = 'mooring-attest-1';
/** Header with the base64 signature over `signedRequest(address, body)`. */
export const signatureHeader = 'mooring-log-signature';

/** That the head which the validator signed last and the one of the statement are of one log. */
export interface ConsistencyProof {
  /** Of the validator's last head. */
  readonly size: number;
  readonly path: readonly Uint8Array[];
}

export interface AttestRequest {
  readonly domain: Eip712Domain;
  readonly statement: HeadStatement;
  /** Name of the log, first line of its checkpoints. */
  readonly origin: string;
  /** Roots of the complete subtrees of the first `prevSize` leaves, largest first. */
  readonly peaks: readonly Uint8Array[];
  /** Leaves [prevSize, size), packed. */
  readonly leaves: Uint8Array;
  /** Indexes of leaves that the statement leaves out. */
  readonly refused: readonly number[];
  readonly consistency?: ConsistencyProof;
  /** A Briefing, sealed by HPKE for the validator; associated data is the digest of the statement. */
  readonly briefing: Uint8Array;
}

/** The bytes that the log's key signs: nobody else can make a validator work, nor pass a request on to another one. */
export function signedRequest(validator: Hex, body: Uint8Array): string {
  return `mooring/attest-request/1\n${validator}\n${toHex(sha256(body))}\n`;
}

export function encodeRequest(request: AttestRequest): Buffer {
  const { domain, statement, origin, peaks, leaves, refused, consistency, briefing } = request;
  const text = JSON.stringify({
    format: requestFormat,
    ...domain,
    statement,
    origin,
    peaks: peaks.map(toHex),
    leaves: Buffer.from(leaves).toString('base64'),
    refused,
    ...(consistency && { consistency: { size: consistency.size, path: consistency.path.map(toHex) } }),
    briefing: Buffer.from(briefing).toString('base64'),
  });
  return Buffer.from(text, 'utf8');
}

/** @throws RangeError naming what is malformed. */
export function decodeRequest(body: Uint8Array): AttestRequest {
  const given = parse(body);
  const { statement, consistency } = given;
  if (given.format !== requestFormat) throw new RangeError(`format is "${String(given.format)}"`);
  const refused = listOf(given.refused, 'refused').map((index) => wholeNumber(index, 'refused'));
  return {
    domain: { chainId: wholeNumber(given.chainId, 'chainId'), contract: hex(given.contract, 20, 'contract') },
    statement: readStatement(statement),
    origin: text(given.origin, 'origin'),
    peaks: listOf(given.peaks, 'peaks').map((hash) => hashOf(hash, 'peaks')),
    leaves: base64(given.leaves, 'leaves'),
    refused,
    ...(consistency === undefined
      ? {}
      : {
          consistency: {
            size: wholeNumber((consistency as Json).size, 'consistency'),
            path: listOf((consistency as Json).path, 'consistency').map((hash) => hashOf(hash, 'consistency')),
          },
        }),
    briefing: base64(given.briefing, 'briefing'),
  };
}

/** @throws RangeError */
function readStatement(value: unknown): HeadStatement {
  const given = (typeof value === 'object' && value !== null ? value : {}) as Json;
  return {
    root: hex(given.root, 32, 'root'),
    size: wholeNumber(given.size, 'size'),
    prevRoot: hex(given.prevRoot, 32, 'prevRoot'),
    prevSize: wholeNumber(given.prevSize, 'prevSize'),
    profileSet: hex(given.profileSet, 32, 'profileSet'),
    receiptsRoot: hex(given.receiptsRoot, 32, 'receiptsRoot'),
    leastLevel: wholeNumber(given.leastLevel, 'leastLevel'),
    epoch: wholeNumber(given.epoch, 'epoch'),
  };
}

type Json = Readonly<Record<string, unknown>>;

function parse(body: Uint8Array): Json {
  try {
    const value = JSON.parse(Buffer.from(body).toString('utf8')) as unknown;
    if (typeof value === 'object' && value !== null) return value as Json;
  } catch {
    // told below
  }
  throw new RangeError('the body is no JSON object');
}

function wholeNumber(value: unknown, name: string): number {
  if (Number.isSafeInteger(value) && (value as number) >= 0) return value as number;
  throw new RangeError(`${name} is no count`);
}

function text(value: unknown, name: string): string {
  if (typeof value === 'string' && /^[^\s+]{1,256}$/.test(value)) return value;
  throw new RangeError(`${name} is no name`);
}

function hex(value: unknown, sizeBytes: number, name: string): Hex {
  if (typeof value === 'string' && new RegExp(`^0x[0-9a-f]{${2 * sizeBytes}}$`).test(value)) return value as Hex;
  throw new RangeError(`${name} is not 0x and ${2 * sizeBytes} lower-case hexadecimal digits`);
}

function hashOf(value: unknown, name: string): Uint8Array {
  if (typeof value === 'string' && /^[0-9a-f]{64}$/.test(value)) return fromHex(value);
  throw new RangeError(`${name} holds something else than hashes`);
}

function base64(value: unknown, name: string): Uint8Array {
  if (typeof value === 'string' && /^[A-Za-z0-9+/]*={0,2}$/.test(value)) return Buffer.from(value, 'base64');
  throw new RangeError(`${name} is no base64`);
}

function listOf(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new RangeError(`${name} is no list`);
}
