/**
 * Port: the durable record of who was answered what.
 *
 * Durability: when `append` resolves, the records survive power loss. No answer leaves before that.
 * Consistency: records have gapless numbers and a hash chain; the digest of the chain is committed to the main log, so that removal or
 *   alteration is found.
 * Concurrency: any number of calls at once; calls that arrive together share one write and one sync.
 * Trust: none for contents: records are sealed before they are written.
 *
 * A lane of its own beside the commit log, so that reads never wait for a large transaction (docs/decisions/0002-access-lane.md).
 */

export interface AccessRecord {
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly requestId: string;
  /** Canonical reference or identifier of the actor, e.g. `Practitioner/1`; empty where nobody knows who it was (a refused token). */
  readonly actor: string;
  readonly client?: string;
  readonly purpose: string;
  /**
   * `read`, `search-type`, `create`, ... (https://hl7.org/fhir/R4/valueset-type-restful-interaction.html), the name of an operation, or `auth:` and
   * what happened to a sign-in or token (src/smart/security-events.ts).
   */
  readonly interaction: string;
  /** `permit`: answered; `deny`: hidden or refused. */
  readonly outcome: 'permit' | 'deny';
  /** `Type/id/_history/version` of each resource that left (or was refused). */
  readonly entities: readonly string[];
  /** Patient ids whose records these are. */
  readonly patients: readonly string[];
  /** Block number at which consent was decided; absent where no decision was needed. */
  readonly block?: number;
  /** What was searched for, as in the URL below the base; absent where a single resource was named. */
  readonly query?: string;
  /** Why it was asked for, where the requester had to say (emergency access). */
  readonly reason?: string;
  /** Network address of the sender. */
  readonly address?: string;
  /** Why a sign-in or token was refused, as a code or the text that the sender was told: never anything secret. */
  readonly cause?: string;
}

export interface AccessLog {
  append(record: AccessRecord): Promise<void>;
  /** Records [from, until) by number, opened. */
  read(from: number, until: number): Promise<AccessRecord[]>;
  /** Digest of the chain after the first `count` records, 32 bytes. @throws AccessLogBroken when there are fewer, or some were altered. */
  digestAt(count: number): Promise<Uint8Array>;
  /** How many records there are, and the digest of the chain after the last one. */
  head(): { count: number; digest: Uint8Array };
  close(): Promise<void>;
}

/** The record could not be made durable: the answer must not leave. */
export class AccessLogUnavailable extends Error {
  override readonly name = 'AccessLogUnavailable';
}

/** Records are missing or were altered. */
export class AccessLogBroken extends Error {
  override readonly name = 'AccessLogBroken';
}
