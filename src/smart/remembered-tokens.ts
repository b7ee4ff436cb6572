/** Verified JSON Web Tokens, remembered until they expire: a signature is checked once. */
import { hash } from 'node:crypto';
import type { Clock } from '../base/clock.js';
import type { TokenSource, VerifiedToken } from './authenticator.js';

/** How many are remembered. */
const most = 10_000;

/** What a check of a token yields: with the time from which it is worth nothing, milliseconds since 1970. */
export type Checked = VerifiedToken & { readonly expiresAt: number };

export class RememberedTokens implements TokenSource {
  private readonly remembered = new Map<string, Checked>();

  constructor(
    private readonly clock: Clock,
    private readonly check: (token: string) => Promise<Checked>,
  ) {}

  verify(token: string, digest = hash('sha256', token, 'base64')): VerifiedToken | Promise<VerifiedToken> {
    const known = this.remembered.get(digest);
    if (known !== undefined && known.expiresAt > this.clock.now()) return known;
    return this.check(token).then((checked) => {
      if (this.remembered.size >= most) this.remembered.clear();
      this.remembered.set(digest, checked);
      return checked;
    });
  }
}
