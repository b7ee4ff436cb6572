/** Who signed in on a page that opens no session: each of its forms carries a ticket for this account and a quarter of an hour. */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { Clock } from '../../base/clock.js';

const ticketMs = 900_000;

export class PageTickets {
  /** @param key 32 bytes. */
  constructor(
    private readonly key: Uint8Array,
    private readonly clock: Clock,
  ) {}

  for(account: string): string {
    const until = this.clock.now() + ticketMs;
    return `${account}.${until}.${this.sign(account, String(until))}`;
  }

  /** @returns the id of the account; undefined for anything but a ticket that holds. */
  accountOf(ticket: string | null): string | undefined {
    const [account = '', until = '', signature = ''] = (ticket ?? '').split('.');
    const expected = Buffer.from(this.sign(account, until));
    const given = Buffer.from(signature);
    const isOwn = expected.length === given.length && timingSafeEqual(expected, given);
    return isOwn && Number(until) > this.clock.now() ? account : undefined;
  }

  private sign(account: string, until: string): string {
    return createHmac('sha256', this.key).update(`${account} ${until}`).digest('base64url');
  }
}
