/**
 * The page on which people see which apps they have allowed what, and end it. SMART's `management_endpoint`.
 *
 * Signing in here opens no session: each form carries a ticket for this account and a quarter of an hour.
 */
import { createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../base/clock.js';
import type { Accounts } from '../accounts/accounts.js';
import type { SealedStore } from '../store/sealed-store.js';
import { addressOf, readSmallBody } from './forms.js';
import { html, type Html } from './html.js';
import { page, sendPage, type PageFrame } from './page.js';
import { scopeText } from './scope-texts.js';

export interface AppsPageParts {
  readonly accounts: Accounts;
  readonly store: SealedStore;
  readonly clock: Clock;
  readonly frame: PageFrame;
  /** Signs tickets (32 bytes). */
  readonly key: Uint8Array;
}

const ticketMs = 900_000;

/** A grant as oidc-provider stores it; times in seconds. */
interface StoredGrant {
  readonly jti: string;
  readonly accountId: string;
  readonly clientId: string;
  readonly iat: number;
  readonly exp: number;
  readonly resources?: Readonly<Record<string, string>>;
  readonly rejected?: { readonly resources?: Readonly<Record<string, string>> };
}

export class AppsPage {
  constructor(private readonly parts: AppsPageParts) {}

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.method !== 'POST') return this.showSignIn(response, 200, undefined);
    const form = new URLSearchParams(await readSmallBody(request));
    const account = this.accountOf(form.get('ticket'));
    if (account === undefined) return this.signIn(request, response, form);
    const ended = form.get('end');
    if (ended !== null) await this.end(account, ended);
    await this.showApps(response, account);
  }

  private async signIn(request: IncomingMessage, response: ServerResponse, form: URLSearchParams): Promise<void> {
    const { accounts } = this.parts;
    const done = await accounts.signIn(form.get('name') ?? '', form.get('password') ?? '', addressOf(request));
    if (done.kind === 'ok') return this.showApps(response, done.account.id);
    if (done.kind === 'refused') return this.showSignIn(response, 401, 'The user name or the password is not right.');
    response.setHeader('Retry-After', String(done.retryAfterSeconds));
    return this.showSignIn(response, 429, 'Too many attempts. Try again later.');
  }

  private showSignIn(response: ServerResponse, status: number, problem: string | undefined): void {
    const content = html`<h1>Apps that use your records</h1>
      <p>Sign in to see what you have allowed, and to end it.</p>
      ${problem === undefined ? undefined : html`<p class="problem" role="alert">${problem}</p>`}
      <form method="post" action="${this.action}">
        <label for="name">User name</label>
        <input
          type="text"
          id="name"
          name="name"
          autocomplete="username"
          autocapitalize="none"
          spellcheck="false"
          required
        />
        <label for="password">Password</label>
        <input type="password" id="password" name="password" autocomplete="current-password" required />
        <div class="buttons"><button type="submit">Sign in</button></div>
      </form>`;
    sendPage(response, status, page(this.parts.frame, 'Apps that use your records', content));
  }

  private async showApps(response: ServerResponse, account: string): Promise<void> {
    const grants = await this.grantsOf(account);
    const ticket = this.ticketFor(account);
    const items = await Promise.all(grants.map((grant) => this.item(grant, ticket)));
    const content = html`<h1>Apps that use your records</h1>
      ${items.length === 0 ? html`<p>You have allowed no app anything.</p>` : items}`;
    sendPage(response, 200, page(this.parts.frame, 'Apps that use your records', content));
  }

  private async item(grant: StoredGrant, ticket: string): Promise<Html> {
    const client = await this.parts.store.get<{ readonly client_name?: string }>('Client', grant.clientId);
    const texts = scopesOf(grant).flatMap((scope) => scopeText(scope, 'the patient’s') ?? []);
    return html`<h2>${client?.value.client_name ?? grant.clientId}</h2>
      <p class="quiet">Allowed on ${dayOf(grant.iat)}, until ${dayOf(grant.exp)} at the latest.</p>
      <ul>
        ${texts.map((text) => html`<li>${text}</li>`)}
      </ul>
      <form method="post" action="${this.action}">
        <input type="hidden" name="ticket" value="${ticket}" />
        <button class="second" type="submit" name="end" value="${grant.jti}">End this</button>
      </form>`;
  }

  private async end(account: string, grantId: string): Promise<void> {
    const own = await this.grantsOf(account);
    if (!own.some(({ jti }) => jti === grantId)) return;
    await this.parts.store.removeGroup(grantId);
    await this.parts.store.remove('Grant', grantId);
  }

  private async grantsOf(account: string): Promise<StoredGrant[]> {
    const now = this.parts.clock.now() / 1000;
    const grants = await this.parts.store.list<StoredGrant>('Grant');
    return grants.filter(({ accountId, exp }) => accountId === account && exp > now);
  }

  private get action(): string {
    return `${this.parts.frame.root}/apps`;
  }

  private ticketFor(account: string): string {
    const until = this.parts.clock.now() + ticketMs;
    return `${account}.${until}.${this.sign(account, String(until))}`;
  }

  private accountOf(ticket: string | null): string | undefined {
    const [account = '', until = '', signature = ''] = (ticket ?? '').split('.');
    const expected = Buffer.from(this.sign(account, until));
    const given = Buffer.from(signature);
    const isOwn = expected.length === given.length && timingSafeEqual(expected, given);
    return isOwn && Number(until) > this.parts.clock.now() ? account : undefined;
  }

  private sign(account: string, until: string): string {
    return createHmac('sha256', this.parts.key).update(`${account} ${until}`).digest('base64url');
  }
}

function scopesOf({ resources = {}, rejected }: StoredGrant): string[] {
  return Object.entries(resources).flatMap(([resource, scope]) => {
    const refused = new Set(rejected?.resources?.[resource]?.split(' '));
    return scope.split(' ').filter((one) => !refused.has(one));
  });
}

function dayOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString().slice(0, 10);
}
