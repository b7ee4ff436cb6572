/**
 * The built-in authorization server as a handler of everything below `/oauth`.
 *
 * Loaded when it is first asked for: a server whose tokens come from elsewhere never pays for it.
 */
import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { senderOf } from '../../base/sender.js';
import type { Principal } from '../../consent/gate.js';
import { Passkeys, relyingParty } from '../accounts/passkeys.js';
import { AppsPage } from './apps-page.js';
import { BodyTooLarge, readSmallBody, requestWithBody, senderHeader } from './forms.js';
import { Interactions } from './interactions.js';
import { quietly } from './notices.js';
import { UsedTwice } from './oidc-adapter.js';
import { scriptPath, stylePaths, type PageFrame } from './page.js';
import type { PatientDirectory } from './patient-directory.js';
import { createProvider, type ProviderParts } from './provider.js';
import { registrationWith } from './registration.js';
import { KeyWatch, signingKeys, type SigningKeys } from './signing-keys.js';
import { isUnavailable, retryAfterSeconds } from './unavailable.js';

export interface AuthorizationServerParts extends ProviderParts {
  readonly patients: PatientDirectory;
  /** An address before which a proxy stands: the sender is then the last of X-Forwarded-For. */
  readonly isBehindProxy: boolean;
  withRoles(principal: Principal): Principal;
  reportDefect(requestId: string, error: unknown): void;
}

export interface AuthorizationServer {
  /** @param request with its whole path (`/oauth/token`). */
  serve(request: IncomingMessage, response: ServerResponse): Promise<void>;
}

/** Where people see and end what apps may do. */
const appsPath = 'apps';
const webFolder = new URL('../../../../web/', import.meta.url);

export async function openAuthorizationServer(parts: AuthorizationServerParts): Promise<AuthorizationServer> {
  const { issuer, derive, reportDefect, store, clock } = parts;
  const { pathname: root, host, protocol } = new URL(issuer);
  const frame: PageFrame = { root, place: host };
  const party = relyingParty(issuer);
  const signIn = { ...parts, ...(party === undefined ? {} : { passkeys: new Passkeys(store, clock, party) }) };
  const csrfKey = derive('smart-csrf');
  const watch = new KeyWatch(store, clock);
  const first = await signingKeys(store);
  let current = withKeys((await watch.changed()) ?? first);

  function withKeys(keys: SigningKeys) {
    const provider = createProvider(parts, frame, keys);
    provider.on('server_error', (_context, error) => {
      if (!(error instanceof UsedTwice)) reportDefect('oauth', error);
    });
    return { callback: provider.callback(), interactions: new Interactions({ ...signIn, provider, frame, csrfKey }) };
  }

  /** Keys may have been rotated beside us. Making a provider anew takes a few milliseconds; what it remembers is in the store. */
  async function latest(): Promise<typeof current> {
    const keys = await watch.changed();
    if (keys !== undefined) current = await quietly(() => Promise.resolve(withKeys(keys)));
    return current;
  }

  const appsPage = new AppsPage({ ...signIn, frame, key: derive('smart-apps-page') });
  const files = new Map([
    ...stylePaths.map((path) => [path, fileOf(path, 'text/css')] as const),
    [scriptPath, fileOf(scriptPath, 'text/javascript')],
  ]);

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', issuer);
    const place = url.pathname.slice(root.length + 1);
    const { interactions, callback } = await latest();
    const [, uid, step = ''] = /^interaction\/([A-Za-z0-9_-]+)(?:\/([a-z]+))?$/.exec(place) ?? [];
    if (uid !== undefined) return interactions.serve(request, response, uid, step, url);
    const file = files.get(place);
    if (file !== undefined) return sendFile(response, file);
    if (place === appsPath) return appsPage.serve(request, response);
    const body = await bodyFor(parts, request, place);
    const passed = body === undefined ? request : requestWithBody(request, body);
    if (place === 'authorize' || place === 'logout') await readAsLink(passed, url);
    if (place === 'authorize' && passed.method === 'GET') askAlways(url.searchParams);
    passed.url = url.pathname.slice(root.length) + url.search;
    (passed as { originalUrl?: string }).originalUrl = url.pathname + url.search;
    await callback(passed, response);
  }

  return {
    async serve(request, response) {
      // Answers name the issuer's addresses, whatever the sender says about Host.
      const client = senderOf(request, parts.isBehindProxy);
      request.headers = {
        ...request.headers,
        host,
        'x-forwarded-host': host,
        'x-forwarded-proto': protocol.replace(':', ''),
        [senderHeader]: client,
      };
      try {
        await answer(request, response);
      } catch (error) {
        fail(error, response, reportDefect);
      }
    },
  };
}

/**
 * A request that comes as a form (SMART's `authorize-post`; sign-out by OpenID Connect) goes on as if it had come in the URL: browsers do not send
 * the session's cookie with forms of other sites, so its user signs in.
 */
async function readAsLink(request: IncomingMessage, url: URL): Promise<void> {
  if (request.method !== 'POST') return;
  for (const [name, value] of new URLSearchParams(await readSmallBody(request))) url.searchParams.append(name, value);
  request.method = 'GET';
}

/** Each authorization is asked of the user; oidc-provider grants offline_access only then. Silent requests stay silent. */
function askAlways(parameters: URLSearchParams): void {
  if (parameters.has('request_uri')) return;
  const prompts = new Set((parameters.get('prompt') ?? '').split(' ').filter(Boolean));
  if (prompts.has('none')) return;
  parameters.set('prompt', [...prompts.add('consent')].join(' '));
}

/** Bodies that are changed on their way: pushed authorization requests, registrations, and refreshes of public apps. */
async function bodyFor(
  { store }: Pick<ProviderParts, 'store'>,
  request: IncomingMessage,
  place: string,
): Promise<string | undefined> {
  if (request.method !== 'POST') return undefined;
  switch (place) {
    case 'register':
      return registrationWith(await readSmallBody(request));
    case 'par': {
      const form = new URLSearchParams(await readSmallBody(request));
      askAlways(form);
      return form.toString();
    }
    case 'token':
      return request.headers.authorization === undefined ? namedClient(store, await readSmallBody(request)) : undefined;
    default:
      return undefined;
  }
}

/** Public apps (fhirclient among them) refresh without a client_id: the refresh token names its client. RFC 6749, 6. */
async function namedClient(store: ProviderParts['store'], body: string): Promise<string> {
  const form = new URLSearchParams(body);
  const token = form.get('refresh_token');
  const isNamed = form.has('client_id') || form.has('client_assertion');
  if (form.get('grant_type') !== 'refresh_token' || token === null || isNamed) return body;
  const found = await store.get<{ readonly clientId?: string }>('RefreshToken', token);
  if (found?.value.clientId !== undefined) form.set('client_id', found.value.clientId);
  return form.toString();
}

interface WebFile {
  readonly contentType: string;
  readonly bytes: Buffer;
}

function fileOf(name: string, type: string): WebFile {
  return { contentType: `${type}; charset=utf-8`, bytes: readFileSync(new URL(name, webFolder)) };
}

function sendFile(response: ServerResponse, { contentType, bytes }: WebFile): void {
  response.writeHead(200, { 'Content-Type': contentType, 'Cache-Control': 'public, max-age=3600' });
  response.end(bytes);
}

function fail(error: unknown, response: ServerResponse, reportDefect: (id: string, error: unknown) => void): void {
  const isExpired = error instanceof Error && error.name === 'SessionNotFound';
  const isAway = isUnavailable(error);
  const status = isExpired ? 400 : error instanceof BodyTooLarge ? 413 : isAway ? 503 : 500;
  if (status === 500) reportDefect('oauth', error);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  if (isAway) response.setHeader('Retry-After', String(retryAfterSeconds));
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' });
  if (isExpired) response.end('This sign-in is over. Go back to the app and start again.\n');
  else response.end(isAway ? 'This does not work just now. Try again in a moment.\n' : 'This did not work.\n');
}
