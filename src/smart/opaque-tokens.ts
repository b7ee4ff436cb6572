/**
 * Access tokens of the built-in authorization server: random texts whose meaning is in the store. Revoked is revoked at once, on every server.
 */
import type { Clock } from '../base/clock.js';
import type { TokenSource, VerifiedToken } from './authenticator.js';
import { badToken } from './challenges.js';
import { principalOf } from './principal-claims.js';
import type { SealedStore } from './store/sealed-store.js';
import type { Sooner, StoredEntry } from './store/smart-store.js';

/** An access token as oidc-provider stores it. */
interface StoredToken {
  readonly jti: string;
  /** Seconds since 1970. */
  readonly exp: number;
  readonly clientId: string;
  readonly scope?: string;
  readonly aud?: string;
  /** Thumbprint of the DPoP key. */
  readonly jkt?: string;
  readonly accountId?: string;
  readonly grantId?: string;
  readonly expiresWithSession?: boolean;
  readonly sessionUid?: string;
  /** Our own claims: fhirUser, patient, memberships, roles, purpose_of_use. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

interface StoredSession {
  readonly accountId?: string;
  /** Milliseconds are not used here: seconds since 1970. */
  readonly exp: number;
  readonly authorizations?: Readonly<Record<string, { readonly grantId?: string }>>;
}

const kinds = ['AccessToken', 'ClientCredentials'] as const;
/** How many principals are remembered: opening an entry costs more than seeing that it is the same. */
const most = 10_000;

interface Remembered extends VerifiedToken {
  readonly sealed: Uint8Array;
  readonly stored: StoredToken;
}

export class OpaqueTokens implements TokenSource {
  private readonly remembered = new Map<string, Remembered>();

  /** @param audience the FHIR base URL: what a token must have been asked for. */
  constructor(
    private readonly store: SealedStore,
    private readonly audience: string,
    private readonly clock: Clock,
  ) {}

  verify(token: string): Sooner<VerifiedToken> {
    const first = this.store.sealedEntry(kinds[0], token);
    if (first instanceof Promise) return first.then((entry) => this.settle(token, entry));
    return this.settle(token, first);
  }

  private settle(token: string, entry: StoredEntry | undefined): Sooner<VerifiedToken> {
    if (entry !== undefined) return this.checked(token, kinds[0], entry);
    const second = this.store.sealedEntry(kinds[1], token);
    if (second instanceof Promise) return second.then((found) => this.checked(token, kinds[1], found));
    return this.checked(token, kinds[1], second);
  }

  private checked(token: string, kind: string, entry: StoredEntry | undefined): Sooner<VerifiedToken> {
    if (entry === undefined) {
      this.remembered.delete(token);
      throw badToken('the token is not known, or was revoked');
    }
    const known = this.rememberedOf(token, kind, entry);
    const { exp, aud, expiresWithSession } = known.stored;
    if (exp * 1000 <= this.clock.now()) throw badToken('the token has expired', 'expired');
    if (aud !== this.audience) throw badToken('the token\'s "aud" is not as expected here');
    if (expiresWithSession !== true) return known;
    const session = this.store.getByAlias<StoredSession>('Session', known.stored.sessionUid ?? '');
    if (session instanceof Promise) return session.then((found) => this.inSession(known, found?.value));
    return this.inSession(known, session?.value);
  }

  /** A token without offline_access ends when its user signs out. */
  private inSession(known: Remembered, session: StoredSession | undefined): VerifiedToken {
    const { accountId, grantId, clientId } = known.stored;
    const isSame =
      session !== undefined &&
      session.accountId === accountId &&
      session.exp * 1000 > this.clock.now() &&
      session.authorizations?.[clientId]?.grantId === grantId;
    if (!isSame) throw badToken('the session of the token has ended', 'expired');
    return known;
  }

  private rememberedOf(token: string, kind: string, entry: StoredEntry): Remembered {
    const known = this.remembered.get(token);
    if (known !== undefined && Buffer.compare(known.sealed, entry.sealed) === 0) return known;
    const { value: stored } = this.store.open<StoredToken>(kind, entry);
    const { jti, clientId, scope, jkt, extra } = stored;
    const principal = principalOf({ ...extra, scope: scope ?? '', client_id: clientId, jti: shortened(jti) });
    const fresh = { principal, stored, sealed: entry.sealed, ...(jkt === undefined ? {} : { boundTo: jkt }) };
    if (this.remembered.size >= most) this.remembered.clear();
    this.remembered.set(token, fresh);
    return fresh;
  }
}

/** The token itself is its id: only its beginning may go into records. */
function shortened(jti: string): string {
  return jti.slice(0, 12);
}
