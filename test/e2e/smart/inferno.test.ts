/**
 * What Inferno's SMART App Launch STU 2.2 test kit asks of a server, check by check, under its ids.
 *
 * https://github.com/inferno-framework/smart-app-launch-test-kit (lib/smart_app_launch). Its EHR launch is in launch.test.ts, its granular scopes in
 * granular.test.ts.
 */
import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { createLocalJWKSet, decodeProtectedHeader, exportJWK, jwtVerify, SignJWT, type JSONWebKeySet } from 'jose';
import { Browser, pkce } from './browser.js';
import { basic, redirect, SmartWorld, type Tokens } from './world.js';

const scope = 'launch/patient openid fhirUser offline_access patient/Observation.rs';

describe('SMART App Launch STU 2.2 as Inferno checks it', () => {
  let world: SmartWorld;
  let launched: Tokens;
  /** Where the page of the registered app is. */
  const { origin } = new URL(redirect);

  before(async () => {
    world = await SmartWorld.start();
    launched = await world.launch({ scope }, { headers: { Origin: origin } });
  });
  after(() => world.stop());

  const get = async (url: string, headers: Record<string, string> = {}) => {
    const response = await fetch(url, { headers });
    // eslint-disable-next-line @typescript-eslint/no-explicit-any
    return { status: response.status, headers: response.headers, body: (await response.json()) as any };
  };

  it('well_known_endpoint, well_known_capabilities_stu2, smart_cors_well_known_endpoint, smart_cors_metadata_request', async () => {
    const { status, headers, body } = await get(`${world.server.baseUrl}/.well-known/smart-configuration`, {
      Accept: 'application/json',
      Origin: 'https://anybody.example',
    });
    assert.equal(status, 200);
    assert.match(headers.get('content-type') ?? '', /^application\/json/);
    assert.equal(headers.get('access-control-allow-origin'), '*');
    for (const name of ['authorization_endpoint', 'token_endpoint', 'issuer', 'jwks_uri'])
      assert.ok(URL.canParse(body[name]), name);
    assert.ok(body.grant_types_supported.includes('authorization_code'));
    assert.deepEqual(body.code_challenge_methods_supported, ['S256']);
    assert.ok(body.capabilities.every((capability: unknown) => typeof capability === 'string'));
    const statement = await get(`${world.server.baseUrl}/metadata`, { Origin: 'https://anybody.example' });
    assert.equal(statement.headers.get('access-control-allow-origin'), 'https://anybody.example');
  });

  it('every capability and endpoint that discovery names is there, and nothing else is named', async () => {
    const { body } = await get(`${world.origin}/.well-known/smart-configuration`);
    const { body: openid } = await get(`${body.issuer}/.well-known/openid-configuration`);
    for (const [name, value] of Object.entries(body)) {
      if (name.endsWith('_endpoint') && openid[name] !== undefined) assert.equal(value, openid[name], name);
      if (!name.endsWith('_endpoint')) continue;
      const { status } = await fetch(value as string, { method: 'POST' });
      assert.ok(status !== 404 && status !== 405 && status < 500, `${name}: ${status}`);
    }
    for (const [mine, theirs] of [
      ['grant_types_supported', 'grant_types_supported'],
      ['token_endpoint_auth_methods_supported', 'token_endpoint_auth_methods_supported'],
      ['response_types_supported', 'response_types_supported'],
      ['dpop_signing_alg_values_supported', 'dpop_signing_alg_values_supported'],
    ] as const)
      assert.deepEqual([...body[mine]].sort(), [...openid[theirs]].sort(), mine);
    assert.equal(body.registration_endpoint, undefined, 'registration is off');
  });

  it('smart_app_redirect_stu2 by form (authorize-post) leads to the same page as by link', async () => {
    const url = new URL(world.authorizeUrl({ scope, code_challenge: pkce().challenge }));
    const form = Object.fromEntries(url.searchParams);
    const browser = new Browser(world.origin);
    const page = await browser.open(`${world.oauth}/authorize`, form);
    assert.match(page.text, /name="password"/);
    const refused = await new Browser(world.origin).open(`${world.oauth}/authorize`, {
      ...form,
      aud: 'https://x.example',
    });
    assert.match(refused.url, /error=invalid_request/);
  });

  it('smart_token_exchange_stu2, smart_token_response_body, smart_token_response_headers, smart_cors_token_exchange', () => {
    const { status, body, headers } = launched;
    assert.equal(status, 200);
    for (const name of ['access_token', 'token_type', 'scope', 'refresh_token', 'patient', 'id_token'])
      assert.equal(typeof body[name], 'string', name);
    assert.equal(typeof body.expires_in, 'number');
    assert.equal(body.token_type, 'Bearer');
    assert.deepEqual(body.scope.split(' ').sort(), scope.split(' ').sort());
    assert.match(headers.get('cache-control') ?? '', /no-store/);
    assert.match(headers.get('pragma') ?? '', /no-cache/);
    assert.equal(headers.get('access-control-allow-origin'), origin);
  });

  it('smart_openid_*: configuration, keys, header and payload of the id token', async () => {
    const { body } = await get(`${world.oauth}/.well-known/openid-configuration`);
    for (const name of ['issuer', 'authorization_endpoint', 'token_endpoint', 'jwks_uri', 'response_types_supported'])
      assert.ok(body[name] !== undefined, name);
    assert.ok(body.subject_types_supported.length > 0);
    assert.deepEqual(body.id_token_signing_alg_values_supported, ['RS256']);
    const { body: jwks } = await get(body.jwks_uri as string);
    for (const key of jwks.keys) assert.equal(key.d, undefined, 'no private part');
    const { alg, kid } = decodeProtectedHeader(launched.body.id_token as string);
    assert.equal(alg, 'RS256');
    assert.ok(jwks.keys.some((key: { kid: string }) => key.kid === kid));
    const { payload } = await jwtVerify(launched.body.id_token as string, createLocalJWKSet(jwks as JSONWebKeySet), {
      issuer: body.issuer as string,
      audience: 'growth',
    });
    assert.ok(payload.sub !== undefined && payload.sub.length <= 255 && payload.exp !== undefined);
    assert.equal(payload.fhirUser, `${world.server.baseUrl}/Patient/ada`);
  });

  it('smart_openid_fhir_user_claim, smart_cors_openid_fhir_user_claim: an app may read its user', async () => {
    const { body } = await world.launch({ scope: `${scope} patient/Patient.r` });
    const headers = { Authorization: `Bearer ${body.access_token}`, Origin: origin };
    const user = await get(`${world.server.baseUrl}/Patient/ada`, headers);
    assert.deepEqual([user.status, user.body.id], [200, 'ada']);
    assert.equal(user.headers.get('access-control-allow-origin'), origin);
    const foreign = { ...headers, Origin: 'https://nobody-registered.example' };
    const elsewhere = await get(`${world.server.baseUrl}/Patient/ada`, foreign);
    assert.equal(elsewhere.headers.get('access-control-allow-origin'), null);
    const bare = { Authorization: `Bearer ${launched.body.access_token}` };
    assert.equal((await get(`${world.server.baseUrl}/Patient/ada`, bare)).status, 403, 'a Patient takes its scope');
    const byDr = async (asked: string) => {
      const dr = await world.launch({ scope: asked }, { user: 'dr', fields: { patient: 'ada' } });
      const token = { Authorization: `Bearer ${dr.body.access_token}` };
      const statuses = ['Practitioner/dr', 'Practitioner/other', 'Practitioner'].map(
        async (path) => (await get(`${world.server.baseUrl}/${path}`, token)).status,
      );
      return Promise.all(statuses);
    };
    assert.deepEqual(await byDr('launch/patient openid fhirUser patient/Observation.rs'), [200, 404, 403]);
    assert.deepEqual(await byDr('launch/patient openid patient/Observation.rs'), [403, 403, 403]);
  });

  it('smart_token_refresh_stu2, with and without scopes', async () => {
    const { body } = await world.launch({ scope });
    const form = { grant_type: 'refresh_token', refresh_token: body.refresh_token, client_id: 'growth' };
    const whole = await world.token(form);
    assert.deepEqual(whole.body.scope.split(' ').sort(), scope.split(' ').sort());
    const next = { ...form, refresh_token: whole.body.refresh_token };
    const narrow = await world.token({ ...next, scope: 'patient/Observation.rs' });
    assert.deepEqual([narrow.status, narrow.body.scope], [200, 'patient/Observation.rs']);
    assert.equal(narrow.body.patient, 'ada');
    const wider = { ...form, refresh_token: narrow.body.refresh_token, scope: `${scope} patient/Condition.rs` };
    assert.deepEqual((await world.token(wider)).body.error, 'invalid_scope');
  });

  it('token_introspection_response_group: active and inactive', async () => {
    await world.app({ id: 'introspector', redirects: [], mayIntrospect: true }, 'secret');
    const ask = async (token: string) =>
      (await world.post('introspect', { token }, basic('introspector', 'secret'))).body;
    const { body } = launched;
    const { payload } = await jwtVerify(
      body.id_token as string,
      createLocalJWKSet((await get(`${world.oauth}/jwks`)).body as JSONWebKeySet),
    );
    const told = await ask(body.access_token as string);
    assert.deepEqual(
      [told.active, told.client_id, told.patient, told.iss, told.sub, told.fhirUser],
      [true, 'growth', 'ada', payload.iss, payload.sub, payload.fhirUser],
    );
    assert.deepEqual(told.scope.split(' ').sort(), body.scope.split(' ').sort());
    assert.ok(told.exp * 1000 > Date.now());
    assert.deepEqual(await ask('no-such-token'), { active: false });
  });

  it('smart_backend_services_*: a wrong grant type, assertion type or signature, and the right one', async () => {
    const pair = generateKeyPairSync('ec', { namedCurve: 'P-384' });
    const jwks = { keys: [{ ...(await exportJWK(pair.publicKey)), kid: 'b', alg: 'ES384', use: 'sig' }] };
    await world.app({ id: 'bulk', isBackend: true, scope: 'system/*.rs', jwks });
    const ask = async (change: Record<string, string> = {}, claims: object = {}) => {
      const client_assertion = await new SignJWT({
        iss: 'bulk',
        sub: 'bulk',
        aud: `${world.oauth}/token`,
        exp: Math.floor(Date.now() / 1000) + 300,
        jti: randomUUID(),
        ...claims,
      })
        .setProtectedHeader({ alg: 'ES384', typ: 'JWT', kid: 'b' })
        .sign(pair.privateKey);
      return world.token({
        grant_type: 'client_credentials',
        scope: 'system/Observation.rs',
        client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
        client_assertion,
        ...change,
      });
    };
    const { status, body } = await ask();
    assert.deepEqual([status, body.token_type, body.scope], [200, 'Bearer', 'system/Observation.rs']);
    assert.ok(body.expires_in <= 300);
    assert.equal((await ask({ grant_type: 'not_a_grant_type' })).status, 400);
    assert.equal((await ask({ client_assertion_type: 'not_an_assertion_type' })).status, 400);
    for (const claims of [
      { iss: 'not_a_iss' },
      { sub: 'not_a_sub' },
      { aud: 'https://x.example/token' },
      { jti: undefined },
    ])
      assert.ok([400, 401].includes((await ask({}, claims)).status), JSON.stringify(claims));
  });
});
