import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { exportJWK, SignJWT } from 'jose';
import { BSON, MongoClient } from 'mongodb';
import { freeAttempts } from '../../../src/smart/accounts/throttle.js';
import { Browser, pkce } from './browser.js';
import { password, redirect, SmartWorld } from './world.js';

describe('apps and accounts', () => {
  let world: SmartWorld;
  let keys: { keys: object[] };
  let keyServer: Server;
  let asked = 0;
  before(async () => {
    world = await SmartWorld.start({ REGISTRATION: 'token' });
    keyServer = createServer((_request, response) => {
      asked += 1;
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(keys));
    });
    await new Promise<void>((resolve) => keyServer.listen(0, '127.0.0.1', resolve));
  });
  after(async () => {
    keyServer.closeAllConnections();
    keyServer.close();
    await world.stop();
  });

  const register = async (metadata: object, token: string) => {
    const response = await fetch(`${world.oauth}/register`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json', ...(token === '' ? {} : { Authorization: `Bearer ${token}` }) },
      body: JSON.stringify(metadata),
    });
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    return { status: response.status, body: (await response.json()) as any };
  };

  it('an app registers itself with a token of the operator, cannot make itself more than an app, and works', async () => {
    const jti = randomUUID();
    const iat = Math.floor(Date.now() / 1000);
    await world.store.put('InitialAccessToken', jti, { jti, iat, exp: iat + 60, kind: 'InitialAccessToken' });
    const scope = 'launch/patient openid fhirUser patient/Patient.rs';
    const metadata = { client_name: 'Self Made', redirect_uris: [redirect], token_endpoint_auth_method: 'none', scope };
    assert.equal((await register(metadata, '')).status, 401, 'without a token');
    assert.equal((await register(metadata, 'guess')).status, 401);
    for (const name of ['mooring_actor', 'mooring_trusted', 'mooring_introspection', 'mooring_roles']) {
      const { status, body } = await register({ ...metadata, [name]: 'Organization/self' }, jti);
      assert.deepEqual([status, body.error], [400, 'invalid_client_metadata'], name);
    }
    const { status, body } = await register(metadata, jti);
    assert.equal(status, 201, JSON.stringify(body));
    assert.deepEqual([body.scope, body.smart_scope, body.client_secret], [scope, undefined, undefined]);
    const browser = new Browser(world.origin);
    const page = await world.toDecision(browser, {
      client_id: body.client_id,
      scope,
      code_challenge: pkce().challenge,
    });
    assert.match(page.text, /This app registered itself/);
    const launched = await world.launch({ client_id: body.client_id, scope: `${scope} patient/Observation.rs` });
    assert.doesNotMatch(launched.body.scope, /Observation/, 'no more than it registered for');
    assert.equal((await world.server.get('Patient/ada', { token: launched.body.access_token })).status, 200);
    for (const uri of ['javascript:alert(1)', 'http://evil.example/cb', 'https://ok.example/#part']) {
      assert.equal((await register({ ...metadata, redirect_uris: [uri] }, jti)).status, 400, uri);
    }
    assert.equal((await register({ ...metadata, redirect_uris: ['org.example.app:/cb'] }, jti)).status, 201);
  });

  it('a backend service whose keys are at a URL is known by them; they are not fetched for every token', async () => {
    const pair = () => generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const publish = async (kid: string, { publicKey }: ReturnType<typeof pair>) => {
      keys = { keys: [{ ...(await exportJWK(publicKey)), kid, alg: 'ES384', use: 'sig' }] };
    };
    const url = `http://127.0.0.1:${(keyServer.address() as AddressInfo).port}/jwks.json`;
    await world.app({ id: 'warehouse', isBackend: true, scope: 'system/*.rs', jwksUrl: url });
    const ask = async (kid: string, { privateKey }: ReturnType<typeof pair>) => {
      const client_assertion = await new SignJWT({
        iss: 'warehouse',
        sub: 'warehouse',
        aud: `${world.oauth}/token`,
        jti: randomUUID(),
        exp: Math.floor(Date.now() / 1000) + 200,
      })
        .setProtectedHeader({ alg: 'ES384', typ: 'JWT', kid })
        .sign(privateKey);
      const client_assertion_type = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';
      return world.token({
        grant_type: 'client_credentials',
        scope: 'system/Observation.rs',
        client_assertion_type,
        client_assertion,
      });
    };
    const [first, second] = [pair(), pair()];
    await publish('1', first);
    const { status, body } = await ask('1', first);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal((await ask('1', second)).status, 401);
    const before = asked;
    assert.equal((await ask('1', first)).status, 200);
    assert.equal(asked, before, 'the keys are remembered for a while');
    const search = await world.server.get('Observation?patient=ada', { token: body.access_token });
    assert.equal(search.body.total, 2);
  });

  it('too many wrong passwords close the account for a while, whatever the next one is, and say so to the right user too', async () => {
    const account = { displayName: 'E', fhirUser: 'Patient/ada', memberships: [], patients: [], purpose: 'PATRQT' };
    await world.accounts.add({ ...account, name: 'eve' }, password);
    const attempt = async (name: string, word: string) => {
      const browser = new Browser(world.origin);
      const login = await browser.open(world.authorizeUrl({ scope: 'patient/*.rs', code_challenge: pkce().challenge }));
      return browser.submit(login, '/login', { name, password: word });
    };
    const wrong = await attempt('eve', 'wrong');
    const unknown = await attempt('nobody', 'wrong');
    assert.deepEqual([wrong.status, unknown.status], [401, 401]);
    const blank = (text: string) => text.replaceAll(/(value|action)="[^"]*"/g, '').replaceAll('autofocus', '');
    assert.equal(blank(wrong.text), blank(unknown.text), 'whether a name exists is not told');
    for (let count = 1; count < freeAttempts; count += 1) await attempt('eve', 'wrong');
    const closed = await attempt('eve', password);
    assert.equal(closed.status, 429);
    assert.ok(Number(closed.headers.get('retry-after')) > 0);
    assert.match(closed.text, /Too many attempts/);
    assert.match((await attempt('ada', password)).text, /Allow Growth Chart/, 'others are not closed out');
    await world.server.restart();
    assert.equal((await attempt('eve', password)).status, 429, 'nor does a restart open it');
    await world.accounts.change('eve', { isLocked: false });
    assert.match((await attempt('eve', password)).text, /Allow Growth Chart/);
  });

  it('pages run no script but their own, are framed by nobody and kept nowhere; a form from elsewhere is refused', async () => {
    const browser = new Browser(world.origin);
    const page = await world.toDecision(browser, {
      scope: 'launch/patient patient/*.rs',
      code_challenge: pkce().challenge,
    });
    const policy = page.headers.get('content-security-policy') ?? '';
    assert.match(policy, /default-src 'none'.*form-action 'self' http:\/\/127\.0\.0\.1:9; frame-ancestors 'none'/);
    assert.match(policy, /script-src 'self';/);
    const scripts = page.text.match(/<script[^>]*>/g);
    assert.deepEqual(scripts, ['<script src="/oauth/passkey.js" defer>']);
    assert.doesNotMatch(page.text, /\son[a-z]+=|javascript:/);
    const files = [...page.text.matchAll(/(?:<link[^>]* href|<script[^>]* src)="([^"]+)"/g)].map((found) => found[1]!);
    assert.equal(files.length, 3, 'two style sheets and the script');
    for (const file of files) assert.equal((await fetch(new URL(file, page.url))).status, 200, file);
    assert.equal((await fetch(new URL('/oauth/patient.css', page.url))).status, 404);
    assert.equal(page.headers.get('cache-control'), 'no-store');
    const action = /action="([^"]+\/decide)"/.exec(page.text)?.[1] ?? '';
    const forged = await browser.open(new URL(action, page.url).href, {
      decision: 'allow',
      scope: 'patient/*.rs',
      patient: 'ada',
      csrf: 'x',
    });
    assert.equal(forged.status, 400);
    const stranger = await new Browser(world.origin).open(page.url);
    assert.equal(stranger.status, 400, 'without the cookie of the browser that began');
  });

  it('people see what they have allowed and end it, each their own', async () => {
    const account = { displayName: 'F', fhirUser: 'Patient/ada', memberships: [], patients: [], purpose: 'PATRQT' };
    await world.accounts.add({ ...account, name: 'flo' }, password);
    const { body } = await world.launch({ scope: 'launch/patient offline_access patient/Patient.rs' }, { user: 'flo' });
    const browser = new Browser(world.origin);
    const url = `${world.oauth}/apps`;
    assert.equal((await browser.open(url, { name: 'flo', password: 'wrong' })).status, 401);
    const page = await browser.open(url, { name: 'flo', password });
    assert.match(page.text, /Growth Chart[^]*birth date/);
    const grant = /name="end" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    const others = await browser.open(url, { name: 'dr', password });
    const ticket = (text: string) => /name="ticket" value="([^"]+)"/.exec(text)?.[1] ?? '';
    await browser.open(url, { ticket: ticket(others.text), end: grant });
    assert.equal((await browser.open(url, { ticket: 'x.9999999999999.y', end: grant })).status, 401);
    const read = () => world.server.get('Patient/ada', { token: body.access_token });
    assert.equal((await read()).status, 200, 'nobody else ends it');
    const after = await browser.open(url, { ticket: ticket(page.text), end: grant });
    assert.match(after.text, /no app anything/);
    assert.equal((await read()).status, 401);
    const refresh = { grant_type: 'refresh_token', refresh_token: body.refresh_token, client_id: 'growth' };
    assert.equal((await world.token(refresh)).status, 400);
  });

  it('when a patient is erased, her account and what apps may do about her go too', async () => {
    await world.server.put('Patient/gone', { resourceType: 'Patient', id: 'gone' });
    const account = { displayName: 'G', fhirUser: 'Patient/gone', memberships: [], patients: [], purpose: 'PATRQT' };
    await world.accounts.add({ ...account, name: 'gone' }, password);
    await world.accounts.add({ ...account, name: 'mother', fhirUser: 'Patient/ada', patients: ['gone'] }, password);
    const request = { scope: 'launch/patient patient/Patient.rs' };
    const { body } = await world.launch(request, { user: 'mother', fields: { patient: 'gone' } });
    assert.equal(body.patient, 'gone');
    const erased = await world.server.post('Patient/gone/$erase', { resourceType: 'Parameters' });
    assert.equal(erased.status, 200, erased.text);
    assert.equal((await world.server.get('Patient/gone', { token: body.access_token })).status, 401);
    const names = (await world.accounts.list()).map(({ name, patients }) => [name, patients]);
    assert.ok(!names.some(([name]) => name === 'gone'));
    assert.deepEqual(names.find(([name]) => name === 'mother')?.[1], []);
  });

  it('nothing of what the authorization server remembers can be read from where it is stored', async () => {
    const { body } = await world.launch({ scope: 'launch/patient offline_access openid patient/Patient.rs' });
    const planted = [
      body.access_token,
      body.refresh_token,
      'Ada Moor',
      'Patient/ada',
      'Practitioner/dr',
      'Growth Chart',
      'app-secret',
      password,
    ];
    const stored = await storedBySmart(world.server.folder);
    for (const [file, bytes] of stored) {
      for (const value of planted) assert.ok(!bytes.includes(value), `${file} holds ${value}`);
    }
  });
});

/** Files of the store, or what is in its place: every document of the server's database, by collection. */
async function storedBySmart(folder: string): Promise<Map<string, Buffer>> {
  const url = process.env.E2E_MONGODB_URL;
  if (url === undefined) {
    const files = readdirSync(path.join(folder, 'smart'));
    assert.ok(files.includes('store.sqlite'));
    return new Map(files.map((file) => [file, readFileSync(path.join(folder, 'smart', file))]));
  }
  const client = await new MongoClient(url).connect();
  try {
    const db = client.db(path.basename(folder));
    const stored = new Map<string, Buffer>();
    for (const { name } of await db.listCollections().toArray()) {
      const documents = await db.collection(name).find().toArray();
      stored.set(name, Buffer.concat(documents.map((document) => BSON.serialize(document))));
    }
    assert.ok((stored.get('smart')?.byteLength ?? 0) > 0, [...stored.keys()].join());
    return stored;
  } finally {
    await client.close();
  }
}
