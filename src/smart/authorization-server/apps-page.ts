/**
 * The page on which people see which apps they have allowed what, and end it (SMART's `management_endpoint`), and on which they add passkeys.
 *
 * Signing in here opens no session: see page-tickets.ts.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../../base/clock.js';
import type { Account } from '../accounts/accounts.js';
import { patientsOf, type SecurityEvent } from '../security-events.js';
import type { SealedStore } from '../store/sealed-store.js';
import { addressOf, readSmallBody } from './forms.js';
import { html, type Html } from './html.js';
import { page, sendPage, type PageFrame, type PageIn } from './page.js';
import { PageTickets } from './page-tickets.js';
import { passkeyForm } from './passkey-form.js';
import { scopeText } from './scope-texts.js';
import { signInForm } from './sign-in-form.js';
import { parsed, signInByPasskey, signInByPassword, type SignInParts } from './sign-in.js';
import { endGrant, grantsOf, scopesOf, type StoredGrant } from './stored-grants.js';
import { textsFor } from './texts/languages.js';

export interface AppsPageParts extends SignInParts {
  readonly store: SealedStore;
  readonly clock: Clock;
  readonly frame: PageFrame;
  /** Signs tickets (32 bytes). */
  readonly key: Uint8Array;
}

/** What a passkey's answer is for that signs in here. */
const signInPurpose = 'apps';

interface Visit {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly frame: PageIn;
}

export class AppsPage {
  private readonly tickets: PageTickets;

  constructor(private readonly parts: AppsPageParts) {
    this.tickets = new PageTickets(parts.key, parts.clock);
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const texts = textsFor(request.headers['accept-language']);
    const visit = { request, response, frame: { ...this.parts.frame, texts } };
    if (request.method !== 'POST') return this.showSignIn(visit, 200);
    const form = new URLSearchParams(await readSmallBody(request));
    const account = await this.parts.accounts.byId(this.tickets.accountOf(form.get('ticket')) ?? '');
    if (account === undefined) return this.signIn(visit, form);
    const problem = await this.change(visit, account, form);
    await this.showApps(visit, account, problem);
  }

  private async signIn(visit: Visit, form: URLSearchParams): Promise<void> {
    const place = { request: visit.request, purpose: signInPurpose };
    const done = await (form.has('credential') ? signInByPasskey : signInByPassword)(this.parts, place, form);
    const { problems } = visit.frame.texts;
    if (done.kind === 'ok') return this.showApps(visit, done.account);
    if (done.kind === 'refused') return this.showSignIn(visit, 401, problems[done.way]);
    visit.response.setHeader('Retry-After', String(done.retryAfterSeconds));
    return this.showSignIn(visit, 429, problems.throttled(Math.ceil(done.retryAfterSeconds / 60)));
  }

  /** Does what a form asks for. @returns what went wrong. */
  private async change(visit: Visit, account: Account, form: URLSearchParams): Promise<string | undefined> {
    const { store, clock, passkeys, securityLog } = this.parts;
    const who = { actor: account.fhirUser, patients: patientsOf(account.fhirUser), address: addressOf(visit.request) };
    const told = (event: Pick<SecurityEvent, 'kind' | 'outcome' | 'client' | 'query' | 'cause'>) =>
      securityLog.record({ ...who, ...event });
    const ended = (await grantsOf(store, clock, account.id)).find(({ jti }) => jti === form.get('end'));
    if (ended !== undefined) {
      await endGrant(store, ended.jti);
      await told({ kind: 'end-grant', outcome: 'permit', client: ended.clientId });
    }
    const removed = form.get('remove-passkey');
    if (removed !== null && (await passkeys?.remove(account.id, removed)))
      await told({ kind: 'passkey', outcome: 'permit', query: 'removed' });
    if (!form.has('credential') || passkeys === undefined) return undefined;
    const isAdded = await passkeys.add(account.id, parsed(form.get('credential')), account.id);
    await told({
      kind: 'passkey',
      outcome: isAdded ? 'permit' : 'deny',
      query: 'added',
      ...(isAdded ? {} : { cause: 'passkey-not-proven' }),
    });
    return isAdded ? undefined : visit.frame.texts.problems.passkeyNotAdded;
  }

  private async showSignIn({ response, frame }: Visit, status: number, problem?: string): Promise<void> {
    const { passkeys } = this.parts;
    const { apps } = frame.texts;
    const passkey =
      passkeys === undefined
        ? {}
        : { passkey: { action: this.action, options: await passkeys.signInOptions(signInPurpose) } };
    const content = html`<h1>${apps.title}</h1>
      <p>${apps.intro}</p>
      ${signInForm(frame.texts, {
        action: this.action,
        fields: {},
        name: '',
        ...passkey,
        ...(problem === undefined ? {} : { problem }),
      })}`;
    sendPage(response, status, page(frame, apps.title, content));
  }

  private async showApps({ response, frame }: Visit, account: Account, problem?: string): Promise<void> {
    const { store, clock } = this.parts;
    const { apps } = frame.texts;
    const ticket = this.tickets.for(account.id);
    const grants = await grantsOf(store, clock, account.id);
    const items = await Promise.all(grants.map((grant) => this.item(frame, grant, ticket)));
    const content = html`<h1>${apps.title}</h1>
      ${problem === undefined ? undefined : html`<p class="problem" role="alert">${problem}</p>`}
      ${items.length === 0 ? html`<p>${apps.none}</p>` : items} ${await this.passkeyPart(frame, account, ticket)}`;
    sendPage(response, problem === undefined ? 200 : 422, page(frame, apps.title, content));
  }

  private async item({ texts }: PageIn, grant: StoredGrant, ticket: string): Promise<Html> {
    const client = await this.parts.store.get<{ readonly client_name?: string }>('Client', grant.clientId);
    const lines = scopesOf(grant).flatMap((scope) => scopeText(texts.scopes, scope, false) ?? []);
    return html`<h2>${client?.value.client_name ?? grant.clientId}</h2>
      <p class="quiet">${texts.apps.allowed(dayOf(grant.iat * 1000), dayOf(grant.exp * 1000))}</p>
      <ul>
        ${lines.map((line) => html`<li>${line}</li>`)}
      </ul>
      <form method="post" action="${this.action}">
        <input type="hidden" name="ticket" value="${ticket}" />
        <button class="second" type="submit" name="end" value="${grant.jti}">${texts.apps.end}</button>
      </form>`;
  }

  private async passkeyPart({ texts }: PageIn, account: Account, ticket: string): Promise<Html | undefined> {
    const { passkeys } = this.parts;
    if (passkeys === undefined) return undefined;
    const { apps } = texts;
    const own = await passkeys.of(account.id);
    return html`<h2>${apps.passkeys}</h2>
      <p>${apps.passkeysIntro}</p>
      ${own.length === 0 ? html`<p>${apps.noPasskeys}</p>` : undefined}
      ${own.map(
        ({ id, addedAt }) =>
          html`<form method="post" action="${this.action}">
            <input type="hidden" name="ticket" value="${ticket}" />
            <p>
              ${apps.passkeyAdded(dayOf(addedAt))}
              <button class="second" type="submit" name="remove-passkey" value="${id}">${apps.removePasskey}</button>
            </p>
          </form>`,
      )}
      ${passkeyForm({
        action: this.action,
        way: 'create',
        options: await passkeys.addOptions(account, account.id),
        fields: { ticket },
        button: apps.addPasskey,
      })}`;
  }

  private get action(): string {
    return `${this.parts.frame.root}/apps`;
  }
}

/** @param at milliseconds since 1970. */
function dayOf(at: number): string {
  return new Date(at).toISOString().slice(0, 10);
}
