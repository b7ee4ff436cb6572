/**
 * Sign-ins, tokens and refused logins in the access log, beside the accesses.
 *
 * Whoever sends bad tokens for hours shall not fill the disk: of one address only so many refusals a minute get a record each; the others are
 * counted, and told by one record when their minute is over.
 */
import { randomUUID } from 'node:crypto';
import type { Clock } from '../../base/clock.js';
import type { AccessLog } from '../../commit/access-log.js';
import type { SecurityEvent, SecurityLog } from '../../smart/security-events.js';

/** What interactions of such records begin with. */
export const securityPrefix = 'auth:';

const minuteMs = 60_000;
/** Refusals of one address, and of all, that get a record each within a minute. */
export const mostOfAddress = 60;
const mostInAll = 2_000;
const mostText = 500;

export class SecurityRecords implements SecurityLog {
  #minute = 0;
  #recorded = 0;
  /** Refusals by network, within this minute. */
  readonly #refusals = new Map<string, number>();

  constructor(
    private readonly accessLog: Pick<AccessLog, 'append'>,
    private readonly clock: Clock,
  ) {}

  /** Resolves when the record is durable. @throws AccessLogUnavailable */
  async record(event: SecurityEvent): Promise<void> {
    await this.#beginMinute(Math.floor(this.clock.now() / minuteMs));
    if (event.outcome === 'permit' || this.#hasRoom(event.address)) await this.#append(event);
  }

  /** Tells what is counted but not told yet: before the log is closed. */
  flush(): Promise<void> {
    return this.#beginMinute(0);
  }

  #hasRoom(address = ''): boolean {
    const network = networkOf(address);
    const count = (this.#refusals.get(network) ?? 0) + 1;
    this.#refusals.set(network, count);
    if (count > mostOfAddress || this.#recorded >= mostInAll) return false;
    this.#recorded += 1;
    return true;
  }

  async #beginMinute(minute: number): Promise<void> {
    if (minute === this.#minute) return;
    const refusals = [...this.#refusals];
    const unrecorded = refusals.reduce((sum, [, count]) => sum + count, 0) - this.#recorded;
    this.#minute = minute;
    this.#recorded = 0;
    this.#refusals.clear();
    if (unrecorded <= 0) return;
    const [[address]] = refusals.sort(([, a], [, b]) => b - a);
    await this.#append({
      kind: 'refused',
      outcome: 'deny',
      address,
      cause: `${unrecorded} further refusals within a minute, of ${refusals.length} networks, most of them of this one`,
    });
  }

  #append({ kind, actor = '', purpose = 'TREAT', requestId = randomUUID(), ...event }: SecurityEvent): Promise<void> {
    const { client, address, query, cause } = event;
    return this.accessLog.append({
      time: this.clock.now(),
      requestId,
      actor,
      purpose,
      interaction: securityPrefix + kind,
      outcome: event.outcome,
      entities: event.entities ?? [],
      patients: event.patients ?? [],
      ...(client === undefined ? {} : { client: client.slice(0, mostText) }),
      ...(address === undefined ? {} : { address: address.slice(0, mostText) }),
      ...(query === undefined ? {} : { query: query.slice(0, mostText) }),
      ...(cause === undefined ? {} : { cause: cause.slice(0, mostText) }),
    });
  }
}

/** Somebody with an IPv6 network has as many addresses as she likes: the first half counts. */
function networkOf(address: string): string {
  return address.includes('.') || !address.includes(':') ? address : `${address.split(':').slice(0, 4).join(':')}::`;
}
