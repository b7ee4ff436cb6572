/** Two servers behind one name: each request of a browser or an app goes to the other one. */
import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer, request as httpRequest, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { exportJWK, SignJWT } from 'jose';
import { systemClock } from '../../src/base/clock.js';
import { Accounts } from '../../src/smart/accounts/accounts.js';
import { freeAttempts } from '../../src/smart/accounts/throttle.js';
import { operatorClient } from '../../src/smart/authorization-server/operator-client.js';
import type { SealedStore } from '../../src/smart/store/sealed-store.js';
import { openKeyRing } from '../../src/vault/file-key-ring.js';
import { openSealedStore } from '../../src/wiring/smart.js';
import { answerOf, Browser, pkce } from '../e2e/smart/browser.js';
import { testConfig } from '../e2e/server.js';
import { startEngines, startSpeaker, type Engines, type Speaker } from './support/two-servers.js';

const redirect = 'http://127.0.0.1:9/callback';
const password = 'correct horse battery';

let engines: Engines;
let servers: readonly [Speaker, Speaker];
let store: SealedStore;
let accounts: Accounts;
let proxy: Server;
let origin: string;
let turn = 0;

/** Sends each request to the other server than the one before. */
function alternate(): Server {
  return createServer((request, response) => {
    turn += 1;
    const target = new URL(request.url ?? '/', servers[turn % 2].server.url);
    const onward = httpRequest(target, { method: request.method, headers: request.headers }, (answer) => {
      response.writeHead(answer.statusCode ?? 502, answer.headers);
      answer.pipe(response);
    });
    onward.on('error', () => response.destroy());
    request.pipe(onward);
  });
}

before(async () => {
  proxy = alternate();
  await new Promise<void>((resolve) => proxy.listen(0, '127.0.0.1', resolve));
  origin = `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`;
  engines = await startEngines({ PUBLIC_URL: origin });
  servers = [await startSpeaker(engines.env(0)), await startSpeaker(engines.env(1))];
  const config = testConfig(engines.env(0).DATA_DIR!, engines.env(0));
  store = await openSealedStore(config, await openKeyRing(`${engines.folder}/keys/key-ring.json`));
  accounts = new Accounts(store, systemClock, 2 ** 10);
  const person = { memberships: [], patients: [], purpose: 'PATRQT', fhirUser: 'Patient/ada' };
  await accounts.add({ ...person, name: 'ada', displayName: 'Ada Moor' }, password);
  for (const [id, needsProof] of [
    ['growth', false],
    ['bound', true],
  ] as const) {
    const app = { id, name: id, redirects: [redirect], isPublic: true, isBackend: false, members: [], roles: [] };
    await store.put('Client', id, operatorClient({ ...app, mayIntrospect: false, needsProof }, 'secret').client);
  }
  const patient = { resourceType: 'Patient', id: 'ada', name: [{ family: 'Moor' }] };
  assert.equal((await servers[0].send('PUT', 'Patient/ada', patient)).status, 201);
});

after(async () => {
  await store?.close();
  proxy.closeAllConnections();
  proxy.close();
  await Promise.all((servers ?? []).map(({ server }) => server.close()));
  await engines?.stop();
});

async function post(endpoint: string, form: Record<string, string>, headers: Record<string, string> = {}) {
  const body = new URLSearchParams(form);
  const response = await fetch(`${origin}/oauth/${endpoint}`, { method: 'POST', body, headers });
  const text = await response.text();
  // eslint-disable-next-line @typescript-eslint/no-explicit-any
  return { status: response.status, body: (text === '' ? undefined : JSON.parse(text)) as any };
}

async function signIn(browser: Browser, word = password, client = 'growth', challenge = pkce().challenge) {
  const url = new URL(`${origin}/oauth/authorize`);
  url.search = new URLSearchParams({
    response_type: 'code',
    client_id: client,
    redirect_uri: redirect,
    aud: `${origin}/fhir`,
    state: 's',
    scope: 'launch/patient offline_access patient/Patient.rs',
    code_challenge: challenge,
    code_challenge_method: 'S256',
  }).toString();
  return browser.submit(await browser.open(url.href), '/login', { name: 'ada', password: word });
}

async function launch(client = 'growth', headers: Record<string, string> = {}) {
  const browser = new Browser(origin);
  const { verifier, challenge } = pkce();
  const page = await signIn(browser, password, client, challenge);
  assert.match(page.text, /value="allow"/, page.text);
  const scope = [...page.text.matchAll(/name="scope" value="([^"]+)"/g)].map(([, found]) =>
    found.replaceAll('&#47;', '/'),
  );
  const back = await browser.submit(page, '/decide', { decision: 'allow', scope, patient: 'ada' });
  const { code } = answerOf(back.url);
  const form = {
    grant_type: 'authorization_code',
    code,
    redirect_uri: redirect,
    client_id: client,
    code_verifier: verifier,
  };
  return { form, ...(await post('token', form, headers)) };
}

/** What each server says to this token. */
const reads = (token: string, headers: Record<string, string> = {}) =>
  Promise.all(
    servers.map(async ({ server }) => {
      const response = await fetch(`${server.url}/fhir/Patient/ada`, {
        headers: { Authorization: `Bearer ${token}`, ...headers },
      });
      return response.status;
    }),
  );

test('a sign-in goes on on the other server, and its token holds on both', async () => {
  const { status, body } = await launch();
  assert.equal(status, 200, JSON.stringify(body));
  assert.equal(body.patient, 'ada');
  assert.deepEqual(await reads(body.access_token), [200, 200]);
  assert.deepEqual(await reads(`${body.access_token}x`), [401, 401]);
});

test('a code, and a refresh token, are used once, whichever server is asked; a second use ends the grant on both', async () => {
  const { form, body } = await launch();
  assert.equal((await post('token', form)).status, 400);
  assert.deepEqual(await reads(body.access_token), [401, 401]);
  const second = await launch();
  const refresh = { grant_type: 'refresh_token', refresh_token: second.body.refresh_token, client_id: 'growth' };
  const fresh = await post('token', refresh);
  assert.equal(fresh.status, 200);
  assert.deepEqual(await reads(fresh.body.access_token), [200, 200]);
  assert.equal((await post('token', refresh)).status, 400);
  assert.deepEqual(await reads(fresh.body.access_token), [401, 401]);
});

test('what is revoked on one server is refused by the other at once', async () => {
  const { body } = await launch();
  assert.deepEqual(await reads(body.access_token), [200, 200]);
  await post('revoke', { token: body.access_token, client_id: 'growth' });
  assert.deepEqual(await reads(body.access_token), [401, 401]);
});

test('a proof of possession that one server took, the other refuses', async () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const jwk = await exportJWK(publicKey);
  const prove = (method: string, htu: string, more: object = {}) =>
    new SignJWT({ htm: method, htu, jti: randomUUID(), ...more })
      .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk })
      .setIssuedAt()
      .sign(privateKey);
  const { status, body } = await launch('bound', { DPoP: await prove('POST', `${origin}/oauth/token`) });
  assert.equal(status, 200, JSON.stringify(body));
  const ath = createHash('sha256')
    .update(body.access_token as string)
    .digest('base64url');
  const read = async (server: Speaker, DPoP: string) => {
    const headers = { Authorization: `DPoP ${body.access_token}`, DPoP };
    return (await fetch(`${server.server.url}/fhir/Patient/ada`, { headers })).status;
  };
  const proof = await prove('GET', `${origin}/fhir/Patient/ada`, { ath });
  assert.equal(await read(servers[0], proof), 200);
  assert.equal(await read(servers[1], proof), 401);
  assert.equal(await read(servers[1], await prove('GET', `${origin}/fhir/Patient/ada`, { ath })), 200);
});

test('wrong passwords are counted together', async () => {
  for (let count = 0; count < freeAttempts; count += 1)
    assert.equal((await signIn(new Browser(origin), 'wrong')).status, 401);
  for (let count = 0; count < 2; count += 1) assert.equal((await signIn(new Browser(origin))).status, 429);
  await accounts.change('ada', { isLocked: false });
  assert.match((await signIn(new Browser(origin))).text, /value="allow"/);
});
