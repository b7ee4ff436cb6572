/**
 * One sealed record of the access log in bytes: `u32 length ‖ nonce (24) ‖ ciphertext ‖ tag (16) ‖ check (8)`.
 *
 * Associated data = the record's number (f64), so that records cannot change places. `check` is the beginning of the chain's digest after the
 * record: SHA-256(digest before ‖ nonce ‖ ciphertext ‖ tag).
 */
import { sha256 } from '../base/bytes.js';
import { randomBytes } from '../vault/random.js';
import { nonceBytes, openBytes, sealBytes } from '../vault/xchacha.js';
import type { AccessRecord } from './access-log.js';

const checkBytes = 8;
const mostBytes = 16 * 1024 * 1024;

type Packed = readonly [
  time: number,
  requestId: string,
  actor: string,
  client: string | null,
  purpose: string,
  interaction: string,
  outcome: 0 | 1,
  entities: readonly string[],
  patients: readonly string[],
  block: number | null,
  /** Absent in records of earlier versions. */
  query?: string | null,
  reason?: string | null,
  address?: string | null,
  cause?: string | null,
];

export interface SealedAccess {
  readonly bytes: Buffer;
  /** Of the chain, after this record. */
  readonly digest: Uint8Array;
}

/** @param before digest of the chain before this record. */
export function sealAccess(key: Uint8Array, number: number, before: Uint8Array, record: AccessRecord): SealedAccess {
  const packed: Packed = [
    record.time,
    record.requestId,
    record.actor,
    record.client ?? null,
    record.purpose,
    record.interaction,
    record.outcome === 'permit' ? 1 : 0,
    record.entities,
    record.patients,
    record.block ?? null,
    record.query ?? null,
    record.reason ?? null,
    record.address ?? null,
    record.cause ?? null,
  ];
  const nonce = randomBytes(nonceBytes);
  const sealed = Buffer.concat([nonce, sealBytes(key, nonce, place(number), Buffer.from(JSON.stringify(packed)))]);
  const digest = sha256(before, sealed);
  const length = Buffer.allocUnsafe(4);
  length.writeUInt32LE(sealed.byteLength);
  return { bytes: Buffer.concat([length, sealed, digest.subarray(0, checkBytes)]), digest };
}

/**
 * The record that begins at `at`, checked against the chain.
 * @returns undefined when it is cut short or does not continue the chain.
 */
export function nextAccess(
  bytes: Buffer,
  at: number,
  before: Uint8Array,
): { readonly sealed: Buffer; readonly digest: Uint8Array; readonly end: number } | undefined {
  if (at + 4 > bytes.byteLength) return undefined;
  const length = bytes.readUInt32LE(at);
  const end = at + 4 + length + checkBytes;
  if (length < nonceBytes || length > mostBytes || end > bytes.byteLength) return undefined;
  const sealed = bytes.subarray(at + 4, at + 4 + length);
  const digest = sha256(before, sealed);
  if (bytes.compare(digest, 0, checkBytes, end - checkBytes, end) !== 0) return undefined;
  return { sealed, digest, end };
}

/** Where the record at `at` ends by its own word; undefined when no record fits there. */
export function skipAccess(bytes: Buffer, at: number): number | undefined {
  if (at + 4 > bytes.byteLength) return undefined;
  const length = bytes.readUInt32LE(at);
  const end = at + 4 + length + checkBytes;
  return length < nonceBytes || length > mostBytes || end > bytes.byteLength ? undefined : end;
}

/** The sealed bytes of the record in [at, end). */
export function sealedPart(bytes: Buffer, at: number, end: number): Buffer {
  return bytes.subarray(at + 4, end - checkBytes);
}

/** @throws SealBroken when it is not record `number` of this log. */
export function openAccess(key: Uint8Array, number: number, sealed: Buffer): AccessRecord {
  const opened = openBytes(key, sealed.subarray(0, nonceBytes), place(number), sealed.subarray(nonceBytes));
  const packed = JSON.parse(opened.toString('utf8')) as Packed;
  const [time, requestId, actor, client, purpose, interaction, outcome, entities, patients, block, query, reason] =
    packed;
  const [, , , , , , , , , , , , address, cause] = packed;
  return {
    time,
    requestId,
    actor,
    ...(client === null ? {} : { client }),
    purpose,
    interaction,
    outcome: outcome === 1 ? 'permit' : 'deny',
    entities,
    patients,
    ...(block === null ? {} : { block }),
    ...(query == null ? {} : { query }),
    ...(reason == null ? {} : { reason }),
    ...(address == null ? {} : { address }),
    ...(cause == null ? {} : { cause }),
  };
}

function place(number: number): Buffer {
  const bytes = Buffer.allocUnsafe(8);
  bytes.writeDoubleBE(number);
  return bytes;
}
