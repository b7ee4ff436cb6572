/** A server with two patients, a clinician, apps, and the steps that tests of SMART take again and again. */
import { createServer, type AddressInfo } from 'node:net';
import path from 'node:path';
import { systemClock } from '../../../src/base/clock.js';
import { operatorClient, type AppRegistration } from '../../../src/smart/authorization-server/operator-client.js';
import { Accounts } from '../../../src/smart/accounts/accounts.js';
import type { SealedStore } from '../../../src/smart/store/sealed-store.js';
import { openKeyRing } from '../../../src/vault/file-key-ring.js';
import { openSealedStore } from '../../../src/wiring/smart.js';
import { TestServer, testConfig } from '../server.js';
import { answerOf, Browser, pkce, type Page } from './browser.js';

export const redirect = 'http://127.0.0.1:9/callback';
export const password = 'correct horse battery';

const category = (code: string) => [
  { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/observation-category', code }] },
];

export interface Tokens {
  readonly status: number;
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  readonly body: any;
  readonly headers: Headers;
}

export class SmartWorld {
  private constructor(
    readonly server: TestServer,
    readonly store: SealedStore,
    readonly accounts: Accounts,
  ) {}

  static async start(env: NodeJS.ProcessEnv = {}): Promise<SmartWorld> {
    // The same port after a restart: tokens are for an address.
    const server = await TestServer.start({ PORT: String(await freePort()), DEFAULT_CONSENT: 'permit', ...env });
    return SmartWorld.on(server);
  }

  /** On a server that runs, whose port stays the same. */
  static async on(server: TestServer): Promise<SmartWorld> {
    // As `mooring account` and `mooring app` do, beside the running server.
    const keyRing = await openKeyRing(path.join(server.folder, 'keys', 'key-ring.json'));
    const store = await openSealedStore(testConfig(server.folder), keyRing);
    const world = new SmartWorld(server, store, new Accounts(store, systemClock, 2 ** 10));
    await world.fill();
    return world;
  }

  async stop(): Promise<void> {
    await this.store.close();
    await this.server.stop();
  }

  get origin(): string {
    return this.server.baseUrl.replace(/\/fhir$/, '');
  }

  get oauth(): string {
    return `${this.origin}/oauth`;
  }

  private async fill(): Promise<void> {
    const { server } = this;
    await server.put('Organization/clinic', { resourceType: 'Organization', id: 'clinic', name: 'Clinic' });
    await server.put('Practitioner/dr', { resourceType: 'Practitioner', id: 'dr', name: [{ family: 'Docter' }] });
    for (const [id, given] of [
      ['ada', 'Ada'],
      ['bob', 'Bob'],
    ]) {
      await server.put(`Patient/${id}`, {
        resourceType: 'Patient',
        id,
        name: [{ family: 'Moor', given: [given] }],
        birthDate: '1984-05-02',
      });
      for (const kind of ['laboratory', 'vital-signs'])
        await server.put(`Observation/${id}-${kind}`, observation(id, kind));
    }
    await this.accounts.add(
      {
        name: 'ada',
        displayName: 'Ada Moor',
        fhirUser: 'Patient/ada',
        memberships: [],
        patients: [],
        purpose: 'PATRQT',
      },
      password,
    );
    await this.accounts.add(
      {
        name: 'dr',
        displayName: 'Dr. Docter',
        fhirUser: 'Practitioner/dr',
        memberships: ['Organization/clinic'],
        patients: 'any',
        purpose: 'TREAT',
      },
      password,
    );
    await this.app({ id: 'growth', name: 'Growth Chart', isPublic: true });
  }

  async app(app: Partial<AppRegistration> & { readonly id: string }, secret = 'app-secret'): Promise<void> {
    const whole = {
      name: app.id,
      redirects: app.isBackend ? [] : [redirect],
      isPublic: false,
      isBackend: false,
      members: [],
      roles: [],
      mayIntrospect: false,
      needsProof: false,
      ...app,
    };
    const { client, problems } = operatorClient(whole, secret);
    if (problems.length > 0) throw new Error(problems.join('; '));
    await this.store.put('Client', app.id, client);
  }

  authorizeUrl(parameters: Record<string, string | undefined>): string {
    const url = new URL(`${this.oauth}/authorize`);
    const whole = {
      response_type: 'code',
      client_id: 'growth',
      redirect_uri: redirect,
      aud: this.server.baseUrl,
      state: 'af0ifjsldkj',
      code_challenge_method: 'S256',
      ...parameters,
    };
    for (const [name, value] of Object.entries(whole)) if (value !== undefined) url.searchParams.set(name, value);
    return url.href;
  }

  /** Signs in and comes to the page that asks for permission. */
  async toDecision(browser: Browser, parameters: Record<string, string | undefined>, user = 'ada'): Promise<Page> {
    const login = await browser.open(this.authorizeUrl(parameters));
    if (!login.text.includes('name="password"')) return login;
    return browser.submit(login, '/login', { name: user, password });
  }

  /** A whole launch: signs in, allows what is asked (or `fields` of the form), and fetches the tokens. */
  async launch(
    parameters: Record<string, string | undefined>,
    { user = 'ada', fields = {}, headers = {}, token = {}, browser = new Browser(this.origin) }: LaunchOptions = {},
  ): Promise<Tokens> {
    const { verifier, challenge } = pkce();
    const page = await this.toDecision(browser, { code_challenge: challenge, ...parameters }, user);
    if (!page.text.includes('value="allow"'))
      throw new Error(`no decision is asked: ${page.status} ${page.url} ${page.text}`);
    const scope = [...page.text.matchAll(/name="scope" value="([^"]+)"/g)].map(([, found]) => unescaped(found));
    const patient = /name="patient" value="([^"]+)"/.exec(page.text)?.[1];
    const back = await browser.submit(page, '/decide', {
      decision: 'allow',
      scope,
      ...(patient === undefined ? {} : { patient }),
      ...fields,
    });
    const { code, state, error } = answerOf(back.url);
    if (code === undefined || state !== 'af0ifjsldkj') throw new Error(`no code: ${error ?? back.text}`);
    return this.token(
      {
        grant_type: 'authorization_code',
        code,
        redirect_uri: redirect,
        client_id: parameters.client_id ?? 'growth',
        code_verifier: verifier,
        ...token,
      },
      headers,
    );
  }

  token(form: Record<string, string>, headers: Record<string, string> = {}): Promise<Tokens> {
    return this.post('token', form, headers);
  }

  async post(endpoint: string, form: Record<string, string>, headers: Record<string, string> = {}): Promise<Tokens> {
    const response = await fetch(`${this.oauth}/${endpoint}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/x-www-form-urlencoded', ...headers },
      body: new URLSearchParams(form).toString(),
    });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      body: text === '' ? undefined : (JSON.parse(text) as unknown),
    };
  }
}

export interface LaunchOptions {
  readonly user?: string;
  readonly fields?: Record<string, string | string[]>;
  readonly headers?: Record<string, string>;
  readonly token?: Record<string, string>;
  readonly browser?: Browser;
}

export function observation(patient: string, kind: string) {
  return {
    resourceType: 'Observation',
    id: `${patient}-${kind}`,
    status: 'final',
    category: category(kind),
    code: { coding: [{ system: 'http://loinc.org', code: '8302-2' }] },
    subject: { reference: `Patient/${patient}` },
  };
}

export function basic(id: string, secret: string): Record<string, string> {
  return { Authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}` };
}

function unescaped(text: string): string {
  return text.replaceAll(/&#(\d+);/g, (_, code: string) => String.fromCharCode(Number(code)));
}

export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const { port } = probe.address() as AddressInfo;
      probe.close(() => resolve(port));
    });
  });
}
