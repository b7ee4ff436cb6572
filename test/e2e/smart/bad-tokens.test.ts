import assert from 'node:assert/strict';
import { createHash, createHmac, createPublicKey, generateKeyPairSync, randomUUID, type KeyObject } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { decodeJwt, exportJWK, SignJWT, type JWK } from 'jose';
import { localAudience, localIssuer } from '../../../src/smart/token-issuer.js';
import { firstIssue, type Answer } from '../server.js';
import { basic, SmartWorld } from './world.js';

/** Status, issue code, and the error of the challenge. */
const seen = (answer: Answer) => [
  answer.status,
  firstIssue(answer).code,
  /error="([^"]+)"/.exec(answer.headers.get('www-authenticate') ?? '')?.[1],
];

describe('a bad token', () => {
  let world: SmartWorld;
  let key: KeyObject;
  let kid: string;
  before(async () => {
    world = await SmartWorld.start();
    const pem = readFileSync(path.join(world.server.folder, 'keys', 'issuer-key.pem'));
    const { createPrivateKey } = await import('node:crypto');
    key = createPrivateKey(pem);
    kid = String(JSON.parse(Buffer.from((await world.server.tokenFor({})).split('.')[0], 'base64url').toString()).kid);
  });
  after(() => world.stop());

  const now = () => Math.floor(Date.now() / 1000);
  const claims = () => ({
    iss: localIssuer,
    aud: localAudience,
    sub: 'Organization/self',
    fhirUser: 'Organization/self',
    scope: 'system/*.rs',
    jti: randomUUID(),
    iat: now(),
    exp: now() + 60,
  });
  const signed = (change: object = {}, header: object = {}, by: KeyObject = key) =>
    new SignJWT({ ...claims(), ...change })
      .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', kid, ...header })
      .sign(by);
  const get = (token: string, headers: Record<string, string> = {}) =>
    world.server.get('Patient/ada', { token, headers });
  const encoded = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');

  it('of the local issuer is refused for each thing that is wrong with it, beside one that is right', async () => {
    assert.equal((await get(await signed())).status, 200);
    const none = `${encoded({ alg: 'none', typ: 'at+jwt' })}.${encoded(claims())}.`;
    const head = encoded({ alg: 'HS256', typ: 'at+jwt', kid });
    const jwk = JSON.stringify(await exportJWK(createPublicKey(key)));
    const pem = createPublicKey(key).export({ type: 'spki', format: 'pem' }) as string;
    const confused = [jwk, pem].map((secret) => {
      const text = `${head}.${encoded(claims())}`;
      return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
    });
    const stranger = generateKeyPairSync('ed25519').privateKey;
    const own = await exportJWK(createPublicKey(stranger));
    const [, payload, signature] = (await signed()).split('.');
    const wider = encoded({ ...claims(), scope: 'system/*.cruds' });
    const wrong: Record<string, [string, string]> = {
      expired: [await signed({ exp: now() - 60 }), 'expired'],
      'not yet valid': [await signed({ nbf: now() + 60 }), 'login'],
      'of another issuer': [await signed({ iss: 'https://elsewhere.example' }), 'login'],
      'for another audience': [await signed({ aud: 'urn:other' }), 'login'],
      'without expiry': [await signed({ exp: undefined }), 'login'],
      'of another type': [await signed({}, { typ: 'JWT' }), 'login'],
      'by another key': [await signed({}, {}, stranger), 'login'],
      'with a key of its own in the header': [await signed({}, { jwk: own }, stranger), 'login'],
      unsigned: [none, 'login'],
      'with the public key as a secret (JWK)': [confused[0], 'login'],
      'with the public key as a secret (PEM)': [confused[1], 'login'],
      'with its claims changed': [`${head}.${wider}.${signature}`, 'login'],
      'with its signature cut': [`${encoded({ alg: 'EdDSA', typ: 'at+jwt', kid })}.${payload}.`, 'login'],
      'with a patient that is no id': [await signed({ patient: '../ada' }), 'login'],
      'with a role that is none': [await signed({ roles: ['king'] }), 'login'],
      'no token at all': ['abc', 'login'],
    };
    for (const [name, [token, code]] of Object.entries(wrong)) {
      assert.deepEqual(seen(await get(token)), [401, code, 'invalid_token'], name);
    }
    const missing = await get('');
    assert.deepEqual(seen(missing), [401, 'login', undefined]);
    assert.match(missing.headers.get('www-authenticate') ?? '', /^Bearer realm="mooring", DPoP/);
    assert.deepEqual(seen(await get('', { Authorization: 'Basic YTpi' })), [401, 'login', 'invalid_token']);
  });

  it('of the authorization server is refused when it was revoked, ran out, or is for something else', async () => {
    const { body } = await world.launch({ scope: 'launch/patient openid patient/Patient.rs' });
    assert.equal((await get(body.access_token)).status, 200);
    assert.deepEqual(seen(await get(`${body.access_token}x`)), [401, 'login', 'invalid_token']);
    assert.deepEqual(seen(await get(body.id_token)), [401, 'login', 'invalid_token'], 'an id token opens nothing');
    const stored = await world.store.get<Record<string, unknown>>('AccessToken', body.access_token);
    const put = (change: object) => world.store.put('AccessToken', body.access_token, { ...stored?.value, ...change });
    await put({ exp: now() - 1 });
    assert.deepEqual(seen(await get(body.access_token)), [401, 'expired', 'invalid_token']);
    await put({ aud: 'https://elsewhere.example/fhir' });
    assert.deepEqual(seen(await get(body.access_token)), [401, 'login', 'invalid_token']);
    await put({});
    assert.equal((await get(body.access_token)).status, 200);
    await world.post('revoke', { token: body.access_token, client_id: 'growth' });
    assert.deepEqual(seen(await get(body.access_token)), [401, 'login', 'invalid_token']);
  });

  it('ends with its account: a lock or a new password ends what was granted before', async () => {
    const account = { displayName: 'C', fhirUser: 'Patient/ada', memberships: [], patients: [], purpose: 'PATRQT' };
    await world.accounts.add({ ...account, name: 'carol' }, 'correct horse battery');
    const launch = () => world.launch({ scope: 'launch/patient offline_access patient/Patient.rs' }, { user: 'carol' });
    const { body } = await launch();
    assert.equal((await get(body.access_token)).status, 200);
    await world.accounts.change('carol', { isLocked: true });
    assert.equal((await get(body.access_token)).status, 401);
    const refresh = { grant_type: 'refresh_token', refresh_token: body.refresh_token, client_id: 'growth' };
    assert.equal((await world.token(refresh)).status, 400);
    await assert.rejects(launch(), /is not right/);
    await world.accounts.change('carol', { isLocked: false });
    assert.equal((await get((await launch()).body.access_token)).status, 200);
  });

  describe('that is bound to a key (DPoP)', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    let jwk: JWK;
    let token: string;

    const proof = async (url: string, more: Record<string, unknown> = {}, by = privateKey, header: object = {}) =>
      new SignJWT({ htm: 'GET', htu: url, iat: now(), jti: randomUUID(), ...more })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk, ...header })
        .sign(by);
    const ath = (text: string) => createHash('sha256').update(text).digest('base64url');
    const place = () => `${world.server.baseUrl}/Patient/ada`;
    const send = (dpop: string | undefined, scheme = 'DPoP', url = 'Patient/ada') =>
      world.server.get(url, {
        token: '',
        headers: { Authorization: `${scheme} ${token}`, ...(dpop ? { DPoP: dpop } : {}) },
      });

    before(async () => {
      jwk = await exportJWK(publicKey);
      const headers = { DPoP: await proof(`${world.oauth}/token`, { htm: 'POST' }) };
      const { body } = await world.launch({ scope: 'launch/patient patient/Patient.rs' }, { headers });
      assert.equal(body.token_type, 'DPoP', JSON.stringify(body));
      token = body.access_token;
    });

    it('opens with a fresh proof, and not without one, as Bearer, or with a proof of anything else', async () => {
      const good = () => proof(place(), { ath: ath(token) });
      assert.equal((await send(await good())).status, 200);
      assert.equal(
        (await send(await proof(`${place()}?x=1`, { ath: ath(token) }), 'DPoP', 'Patient/ada?_format=json')).status,
        200,
      );
      assert.deepEqual(seen(await send(undefined)), [401, 'login', 'invalid_dpop_proof']);
      assert.deepEqual(seen(await send(await good(), 'Bearer')), [401, 'login', 'invalid_token']);
      const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const otherJwk = await exportJWK(other.publicKey);
      const secret = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const wrong: Record<string, string> = {
        'another method': await proof(place(), { ath: ath(token), htm: 'POST' }),
        'another address': await proof(`${world.server.baseUrl}/Patient/bob`, { ath: ath(token) }),
        'another token': await proof(place(), { ath: ath('x') }),
        'no token': await proof(place()),
        'too old': await proof(place(), { ath: ath(token), iat: now() - 3_600 }),
        'of the future': await proof(place(), { ath: ath(token), iat: now() + 3_600 }),
        'another key': await proof(place(), { ath: ath(token) }, other.privateKey, { jwk: otherJwk }),
        'a key that did not sign': await proof(place(), { ath: ath(token) }, other.privateKey),
        'a private key in it': await proof(place(), { ath: ath(token) }, secret.privateKey, {
          jwk: await exportJWK(secret.privateKey),
        }),
        'another type': await proof(place(), { ath: ath(token) }, privateKey, { typ: 'JWT' }),
        'no id': await proof(place(), { ath: ath(token), jti: undefined }),
        nonsense: 'abc',
      };
      for (const [name, bad] of Object.entries(wrong)) {
        assert.deepEqual(seen(await send(bad)), [401, 'login', 'invalid_dpop_proof'], name);
      }
    });

    it('takes each proof once, also after a restart', async () => {
      const once = await proof(place(), { ath: ath(token) });
      assert.equal((await send(once)).status, 200);
      assert.deepEqual(seen(await send(once)), [401, 'login', 'invalid_dpop_proof']);
      await world.server.restart();
      assert.deepEqual(seen(await send(once)), [401, 'login', 'invalid_dpop_proof']);
      assert.equal((await send(await proof(place(), { ath: ath(token) }))).status, 200);
    });

    it('is told the nonce to use when a proof has a wrong one', async () => {
      const refused = await send(await proof(place(), { ath: ath(token), nonce: 'old' }));
      assert.deepEqual(seen(refused), [401, 'login', 'use_dpop_nonce']);
      const nonce = refused.headers.get('dpop-nonce');
      assert.equal((await send(await proof(place(), { ath: ath(token), nonce }))).status, 200);
    });

    it('a token that is not bound is not taken as DPoP', async () => {
      const { body } = await world.launch({ scope: 'launch/patient patient/Patient.rs' });
      const headers = {
        Authorization: `DPoP ${body.access_token}`,
        DPoP: await proof(place(), { ath: ath(body.access_token) }),
      };
      assert.deepEqual(seen(await world.server.get('Patient/ada', { token: '', headers })), [
        401,
        'login',
        'invalid_token',
      ]);
      assert.equal((await get(body.access_token)).status, 200);
    });
  });

  describe('of a backend service', () => {
    const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });

    before(async () => {
      const keys = [
        { ...(await exportJWK(publicKey)), kid: 'ec', alg: 'ES384', use: 'sig' },
        { ...(await exportJWK(rsa.publicKey)), kid: 'rsa', alg: 'RS384', use: 'sig' },
      ];
      await world.app({
        id: 'backend',
        isBackend: true,
        scope: 'system/Observation.rs system/Patient.r',
        jwks: { keys },
        actor: 'Organization/clinic',
      });
    });

    const assertion = (change: object = {}, header: object = {}, by: KeyObject = privateKey) =>
      new SignJWT({
        iss: 'backend',
        sub: 'backend',
        aud: `${world.oauth}/token`,
        jti: randomUUID(),
        exp: now() + 240,
        ...change,
      })
        .setProtectedHeader({ alg: 'ES384', typ: 'JWT', kid: 'ec', ...header })
        .sign(by);
    const ask = (client_assertion: string, scope = 'system/Observation.rs') =>
      world.token({
        grant_type: 'client_credentials',
        scope,
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion,
      });

    it('a signed assertion (ES384, RS384) gets a token that searches within its scopes for five minutes', async () => {
      const { status, body } = await ask(await assertion());
      assert.equal(status, 200, JSON.stringify(body));
      assert.deepEqual([body.token_type, body.expires_in, body.scope], ['Bearer', 300, 'system/Observation.rs']);
      assert.equal((await world.server.get('Observation?patient=ada', { token: body.access_token })).body.total, 2);
      assert.equal((await world.server.get('Patient/ada', { token: body.access_token })).status, 403);
      const byRsa = await ask(await assertion({}, { alg: 'RS384', kid: 'rsa' }, rsa.privateKey), 'system/Patient.r');
      assert.equal(byRsa.status, 200, JSON.stringify(byRsa.body));
      assert.equal((await get(byRsa.body.access_token)).status, 200);
    });

    it('an assertion that is replayed, expired, for others, by others or unsigned gets none', async () => {
      const once = await assertion();
      const both = await Promise.all([ask(once), ask(once)]);
      assert.equal(both.filter(({ status }) => status === 200).length, 1, 'of two at the same time');
      const stranger = generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey;
      const text = `${encoded({ alg: 'none' })}.${encoded(decodeJwt(await assertion()))}.`;
      const head = `${encoded({ alg: 'HS256', kid: 'ec' })}.${encoded(decodeJwt(await assertion()))}`;
      const secret = JSON.stringify(await exportJWK(publicKey));
      const wrong: Record<string, string> = {
        replayed: once,
        expired: await assertion({ exp: now() - 120 }),
        'not yet valid': await assertion({ nbf: now() + 120 }),
        'for another server': await assertion({ aud: 'https://elsewhere.example/token' }),
        'by another key': await assertion({}, {}, stranger),
        'of another service': await assertion({ iss: 'growth', sub: 'growth' }),
        'without an id': await assertion({ jti: undefined }),
        'without expiry': await assertion({ exp: undefined }),
        'for longer than five minutes': await assertion({ exp: now() + 330 }),
        unsigned: text,
        'the public key as a secret': `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`,
      };
      for (const [name, bad] of Object.entries(wrong)) {
        const { status, body } = await ask(bad);
        assert.deepEqual([status, body.error], [401, 'invalid_client'], `${name}: ${JSON.stringify(body)}`);
      }
      assert.equal((await ask(await assertion())).status, 200);
      assert.equal((await ask(await assertion({ exp: now() + 300 }))).status, 200, 'for five minutes');
    });

    it('no scope beyond those it is registered for, and no secret instead of a signature', async () => {
      for (const scope of ['system/*.cruds', 'system/Observation.cruds', 'patient/Observation.rs', 'openid']) {
        const { status, body } = await ask(await assertion(), scope);
        assert.deepEqual([status, body.error], [400, 'invalid_scope'], scope);
      }
      const { body } = await ask(await assertion(), 'system/Observation.rs system/Condition.rs');
      assert.equal(body.scope, 'system/Observation.rs');
      const secret = await world.token(
        { grant_type: 'client_credentials', scope: 'system/Observation.rs' },
        basic('backend', 'x'),
      );
      assert.equal(secret.status, 401);
      const app = await world.token({
        grant_type: 'client_credentials',
        scope: 'system/Observation.rs',
        client_id: 'growth',
      });
      assert.equal(app.status, 400);
    });
  });
});
