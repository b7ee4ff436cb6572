import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  jwtVerify,
  type JSONWebKeySet,
} from 'jose';
import { systemClock } from '../../../src/base/clock.js';
import { rotateSigningKeys } from '../../../src/smart/authorization-server/signing-keys.js';
import { answerOf, Browser, pkce } from './browser.js';
import { basic, redirect, SmartWorld } from './world.js';

describe('a SMART app', () => {
  let world: SmartWorld;
  before(async () => {
    world = await SmartWorld.start();
  });
  after(() => world.stop());

  const read = (token: string, url: string) => world.server.get(url, { token });

  it('finds the authorization server beside the root and below /fhir, and in the CapabilityStatement', async () => {
    for (const url of [
      `${world.origin}/.well-known/smart-configuration`,
      `${world.server.baseUrl}/.well-known/smart-configuration`,
    ]) {
      const { status, body, headers } = await world.server.get(url, { token: '' });
      assert.equal(status, 200);
      assert.equal(headers.get('access-control-allow-origin'), '*');
      assert.equal(body.authorization_endpoint, `${world.oauth}/authorize`);
      assert.deepEqual(body.code_challenge_methods_supported, ['S256']);
      for (const capability of ['launch-ehr', 'launch-standalone', 'permission-v2', 'client-confidential-asymmetric'])
        assert.ok(body.capabilities.includes(capability), capability);
      assert.equal(body.registration_endpoint, undefined, 'registration is off');
    }
    const { body: statement } = await world.server.get('metadata', { token: '' });
    const uris = statement.rest[0].security.extension[0];
    assert.match(uris.url, /oauth-uris$/);
    assert.equal(uris.extension.find(({ url }: { url: string }) => url === 'token').valueUri, `${world.oauth}/token`);
    const { body: openId } = await world.server.get(`${world.oauth}/.well-known/openid-configuration`, { token: '' });
    assert.deepEqual([openId.issuer, openId.token_endpoint], [world.oauth, `${world.oauth}/token`]);
  });

  it('is launched by the patient, reads within its scopes and nothing beyond', async () => {
    const { status, body } = await world.launch({ scope: 'launch/patient openid fhirUser patient/Observation.rs' });
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal(body.token_type, 'Bearer');
    assert.equal(body.patient, 'ada');
    assert.equal(body.refresh_token, undefined);
    assert.equal((await read(body.access_token, 'Observation')).body.total, 2);
    assert.equal((await read(body.access_token, 'Observation/ada-laboratory')).status, 200);
    assert.equal((await read(body.access_token, 'Observation/bob-laboratory')).status, 404);
    const refused = await read(body.access_token, 'Patient/ada');
    assert.equal(refused.status, 403);
    assert.match(refused.headers.get('www-authenticate') ?? '', /error="insufficient_scope"/);
  });

  it('learns who its user is by an id token that its key set proves', async () => {
    const { body } = await world.launch({ scope: 'launch/patient openid fhirUser patient/Patient.r', nonce: 'n-0S6' });
    const keys = createRemoteJWKSet(new URL(`${world.oauth}/jwks`));
    const { payload, protectedHeader } = await jwtVerify(body.id_token, keys, {
      issuer: world.oauth,
      audience: 'growth',
    });
    assert.equal(protectedHeader.alg, 'RS256');
    assert.equal(payload.fhirUser, `${world.server.baseUrl}/Patient/ada`);
    assert.equal(payload.nonce, 'n-0S6');
  });

  it('goes on trusting id tokens when the key that signs them is rotated beside the running server', async () => {
    const idToken = async () =>
      (await world.launch({ scope: 'launch/patient openid patient/Patient.r' })).body.id_token;
    const keySet = async () => (await (await fetch(`${world.oauth}/jwks`)).json()) as JSONWebKeySet;
    const before = (await idToken()) as string;
    const [signing] = await rotateSigningKeys(world.store, systemClock);
    let keys = await keySet();
    while (keys.keys.length < 2) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      keys = await keySet();
    }
    assert.ok(keys.keys.every((key) => !('d' in key) && !('retiredAt' in key)));
    const after = (await idToken()) as string;
    assert.deepEqual(
      [decodeProtectedHeader(before).kid === signing, decodeProtectedHeader(after).kid],
      [false, signing],
    );
    for (const token of [before, after]) await jwtVerify(token, createLocalJWKSet(keys), { audience: 'growth' });
  });

  it('gets no more than the user leaves ticked', async () => {
    const { body } = await world.launch(
      { scope: 'launch/patient patient/Observation.rs patient/Patient.r' },
      { fields: { scope: 'patient/Patient.r' } },
    );
    assert.deepEqual(body.scope.split(' ').sort(), ['launch/patient', 'patient/Patient.r']);
    assert.equal((await read(body.access_token, 'Patient/ada')).status, 200);
    assert.equal((await read(body.access_token, 'Observation')).status, 403);
  });

  it('is told when the user refuses', async () => {
    const browser = new Browser(world.origin);
    const page = await world.toDecision(browser, {
      scope: 'launch/patient patient/*.rs',
      code_challenge: pkce().challenge,
    });
    const back = await browser.submit(page, '/decide', { decision: 'deny' });
    assert.equal(answerOf(back.url).error, 'access_denied');
  });

  it('with version 1 scopes and granular ones reads and writes within them alone', async () => {
    const { body: v1 } = await world.launch({
      scope: 'launch/patient patient/Observation.read patient/Observation.write',
    });
    assert.equal((await read(v1.access_token, 'Observation')).body.total, 2);
    const lab = 'http://terminology.hl7.org/CodeSystem/observation-category|laboratory';
    const scope = `launch/patient patient/Observation.rs?category=${lab} patient/Observation.cu?category=${lab}`;
    const { body } = await world.launch({ scope });
    assert.equal(body.scope, scope);
    const token = body.access_token;
    assert.equal((await read(token, 'Observation')).body.total, 1);
    assert.equal((await read(token, 'Observation/ada-laboratory')).status, 200);
    assert.equal((await read(token, 'Observation/ada-vital-signs')).status, 404);
    const { body: own } = await read(token, 'Observation/ada-laboratory');
    const { body: other } = await world.server.get('Observation/ada-vital-signs');
    assert.equal((await world.server.put('Observation/ada-laboratory', own, { token })).status, 200);
    assert.equal((await world.server.put('Observation/ada-vital-signs', other, { token })).status, 404);
    assert.equal(
      (await world.server.put('Observation/ada-laboratory', { ...own, category: other.category }, { token })).status,
      403,
    );
    assert.equal((await world.server.post('Observation', { ...own, id: undefined }, { token })).status, 201);
    assert.equal((await world.server.post('Observation', { ...other, id: undefined }, { token })).status, 403);
    assert.equal((await world.server.delete('Observation/ada-laboratory', { token })).status, 403);
  });

  it('with offline_access refreshes, also for fewer scopes and after a restart, and not with an old token', async () => {
    const scope = 'launch/patient offline_access patient/Observation.rs patient/Patient.rs';
    const { body } = await world.launch({ scope });
    assert.ok(body.refresh_token);
    await world.server.restart();
    const refresh = (refresh_token: string, more = {}) =>
      world.token({ grant_type: 'refresh_token', refresh_token, client_id: 'growth', ...more });
    const less = await refresh(body.refresh_token, { scope: 'patient/Patient.rs' });
    assert.equal(less.status, 200, JSON.stringify(less.body));
    assert.equal(less.body.patient, 'ada');
    assert.equal((await read(less.body.access_token, 'Observation')).status, 403);
    assert.equal((await read(less.body.access_token, 'Patient/ada')).status, 200);
    const unnamed = await world.token({ grant_type: 'refresh_token', refresh_token: 'guessed' });
    assert.equal(unnamed.status, 400);
    const more = await refresh(less.body.refresh_token, { scope: 'patient/Condition.rs' });
    assert.deepEqual([more.status, more.body.error], [400, 'invalid_scope']);
    const again = await refresh(body.refresh_token);
    assert.deepEqual([again.status, again.body.error], [400, 'invalid_grant'], 'a used refresh token');
    assert.equal((await read(less.body.access_token, 'Patient/ada')).status, 401, 'its family ends with it');
  });

  it('with online_access refreshes until the user signs out', async () => {
    const browser = new Browser(world.origin);
    const { body } = await world.launch({ scope: 'launch/patient online_access patient/Patient.rs' }, { browser });
    const form = { grant_type: 'refresh_token', refresh_token: body.refresh_token, client_id: 'growth' };
    const fresh = await world.token(form);
    assert.equal(fresh.status, 200, JSON.stringify(fresh.body));
    const page = await browser.open(`${world.oauth}/logout`);
    const xsrf = /name="xsrf" value="([^"]+)"/.exec(page.text)?.[1] ?? '';
    await browser.open(`${world.oauth}/logout/confirm`, { xsrf, logout: 'yes' });
    assert.equal((await read(fresh.body.access_token, 'Patient/ada')).status, 401);
    assert.equal((await world.token({ ...form, refresh_token: fresh.body.refresh_token })).status, 400);
  });

  it('is refused without PKCE, with another method, another verifier, a used code, a foreign redirect or a foreign aud', async () => {
    const browser = () => new Browser(world.origin);
    const error = async (parameters: Record<string, string | undefined>) => {
      const { url, status, text } = await browser().open(world.authorizeUrl({ scope: 'patient/*.rs', ...parameters }));
      return answerOf(url).error ?? `${status} ${text}`;
    };
    assert.equal(await error({ code_challenge_method: undefined }), 'invalid_request');
    assert.equal(await error({ code_challenge: 'x'.repeat(43), code_challenge_method: 'plain' }), 'invalid_request');
    const { challenge, verifier } = pkce();
    assert.equal(await error({ code_challenge: challenge, aud: 'https://elsewhere.example/fhir' }), 'invalid_request');
    assert.equal(await error({ code_challenge: challenge, aud: undefined }), 'invalid_request');
    const { baseUrl } = world.server;
    for (const aud of [`${baseUrl}x`, `${baseUrl}/Patient`, baseUrl.replace('http:', 'https:'), world.origin])
      assert.equal(await error({ code_challenge: challenge, aud }), 'invalid_request', aud);
    assert.match(await error({ code_challenge: challenge, aud: `${baseUrl}/` }), /^200/);
    const foreign = ['https://evil.example/', `${redirect}/`, `${redirect}?x=1`, `${redirect}#x`, `${redirect}x`];
    for (const redirect_uri of [...foreign, 'http://127.0.0.1:9/Callback', 'http://localhost:9/callback']) {
      const page = await browser().open(
        world.authorizeUrl({ scope: 'openid', code_challenge: challenge, redirect_uri }),
      );
      assert.equal(page.status, 400, redirect_uri);
      assert.match(page.headers.get('content-type') ?? '', /html/);
      assert.equal(page.headers.get('location'), null, 'nobody is sent there');
    }
    const wrong = await world.launch({ scope: 'launch/patient patient/*.rs' }, { token: { code_verifier: verifier } });
    assert.deepEqual([wrong.status, wrong.body.error], [400, 'invalid_grant']);
    const pair = pkce();
    const app = browser();
    const page = await world.toDecision(app, { scope: 'launch/patient patient/*.rs', code_challenge: pair.challenge });
    const back = await app.submit(page, '/decide', { decision: 'allow', scope: 'patient/*.rs', patient: 'ada' });
    const form = {
      grant_type: 'authorization_code',
      code: answerOf(back.url).code,
      redirect_uri: redirect,
      client_id: 'growth',
      code_verifier: pair.verifier,
    };
    const both = await Promise.all([world.token(form), world.token(form)]);
    assert.equal(
      both.filter(({ status }) => status === 200).length <= 1,
      true,
      'of two at the same time one wins at most',
    );
    const late = await world.token(form);
    assert.deepEqual([late.status, late.body.error], [400, 'invalid_grant']);
    const won = both.find(({ status }) => status === 200);
    if (won !== undefined)
      assert.equal((await read(won.body.access_token, 'Patient/ada')).status, 401, 'a stolen code ends its tokens');
  });

  it('a clinician looks for the patient, and the app gets the one who was chosen', async () => {
    const browser = new Browser(world.origin);
    const { verifier, challenge } = pkce();
    const page = await world.toDecision(
      browser,
      { scope: 'launch/patient openid fhirUser patient/Observation.rs', code_challenge: challenge },
      'dr',
    );
    assert.match(page.text, /Look for the patient/);
    const found = await browser.open(`${page.url}?search=moor+bob`);
    assert.match(found.text, /Bob Moor, born 1984-05-02/);
    assert.doesNotMatch(found.text, /Ada Moor/);
    const missing = await browser.submit(found, '/decide', {
      decision: 'allow',
      scope: 'patient/Observation.rs',
      patient: 'nobody',
    });
    assert.equal(missing.status, 422);
    const back = await browser.submit(found, '/decide', {
      decision: 'allow',
      scope: ['fhirUser', 'patient/Observation.rs'],
      patient: 'bob',
    });
    const { code } = answerOf(back.url);
    const { body } = await world.token({
      grant_type: 'authorization_code',
      code,
      redirect_uri: redirect,
      client_id: 'growth',
      code_verifier: verifier,
    });
    assert.equal(body.patient, 'bob');
    assert.equal(decodeJwt(body.id_token).fhirUser, `${world.server.baseUrl}/Practitioner/dr`);
    assert.equal((await read(body.access_token, 'Observation/bob-laboratory')).status, 200);
    assert.equal((await read(body.access_token, 'Observation/ada-laboratory')).status, 404);
  });

  it('a patient cannot choose somebody else', async () => {
    const browser = new Browser(world.origin);
    const page = await world.toDecision(browser, {
      scope: 'launch/patient patient/*.rs',
      code_challenge: pkce().challenge,
    });
    const answer = await browser.submit(page, '/decide', { decision: 'allow', scope: 'patient/*.rs', patient: 'bob' });
    assert.equal(answer.status, 422);
    assert.match(answer.text, /Choose whose records/);
  });

  it('is launched by an EHR with the patient and encounter that it prepared, once', async () => {
    await world.app({ id: 'ehr-app', isPublic: true, launch: 'http://127.0.0.1:9/launch' });
    const ehr = await world.server.tokenFor({
      actor: 'Practitioner/dr',
      memberships: ['Organization/clinic'],
      scope: 'user/*.rs',
    });
    await world.server.put('Encounter/e1', {
      resourceType: 'Encounter',
      id: 'e1',
      status: 'in-progress',
      class: { system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'AMB' },
      subject: { reference: 'Patient/bob' },
    });
    const parameters = (patient: string) => ({
      resourceType: 'Parameters',
      parameter: [
        { name: 'client', valueString: 'ehr-app' },
        { name: 'patient', valueReference: { reference: patient } },
        { name: 'encounter', valueReference: { reference: 'Encounter/e1' } },
        { name: 'intent', valueString: 'reconcile-medications' },
      ],
    });
    assert.equal(
      (await world.server.post('$launch-context', parameters('Patient/nobody'), { token: ehr })).status,
      404,
    );
    const prepared = await world.server.post('$launch-context', parameters('Patient/bob'), { token: ehr });
    assert.equal(prepared.status, 200, prepared.text);
    const [{ valueString: launch }, , { valueUrl }] = prepared.body.parameter;
    assert.equal(new URL(valueUrl).searchParams.get('launch'), launch);
    const request = { client_id: 'ehr-app', scope: 'launch openid fhirUser patient/Observation.rs', launch };
    const { body } = await world.launch(request, { user: 'dr' });
    assert.deepEqual(
      [body.patient, body.encounter, body.intent, body.need_patient_banner],
      ['bob', 'e1', 'reconcile-medications', true],
    );
    assert.equal((await read(body.access_token, 'Observation')).body.total, 2);
    const again = await new Browser(world.origin).open(
      world.authorizeUrl({ ...request, code_challenge: pkce().challenge }),
    );
    assert.equal(answerOf(again.url).error, 'invalid_request');
    const other = await world.server.post('$launch-context', parameters('Patient/bob'), { token: ehr });
    const stranger = await new Browser(world.origin).open(
      world.authorizeUrl({
        scope: 'launch patient/*.rs',
        launch: other.body.parameter[0].valueString,
        code_challenge: pkce().challenge,
      }),
    );
    assert.equal(answerOf(stranger.url).error, 'invalid_request', 'prepared for another app');
  });

  it('that keeps a secret must show it; introspection and revocation do what they say', async () => {
    await world.app({ id: 'confidential' }, 's3cret');
    await world.app({ id: 'resource-server', redirects: [], mayIntrospect: true }, 'rs-secret');
    const scope = 'launch/patient offline_access patient/Patient.rs';
    const wrong = await world.launch({ client_id: 'confidential', scope }, { headers: basic('confidential', 'wrong') });
    assert.deepEqual([wrong.status, wrong.body.error], [401, 'invalid_client']);
    assert.match(wrong.headers.get('www-authenticate') ?? '', /Basic/);
    const { body } = await world.launch(
      { client_id: 'confidential', scope },
      { headers: basic('confidential', 's3cret') },
    );
    const ask = (token: string, headers: Record<string, string>) => world.post('introspect', { token }, headers);
    const told = await ask(body.access_token, basic('resource-server', 'rs-secret'));
    assert.deepEqual(
      [told.body.active, told.body.patient, told.body.fhirUser, told.body.scope, told.body.client_id],
      [true, 'ada', `${world.server.baseUrl}/Patient/ada`, scope, 'confidential'],
    );
    assert.equal((await ask(body.access_token, basic('confidential', 's3cret'))).body.active, true);
    assert.equal((await ask(body.access_token, basic('confidential', 'no'))).status, 401);
    await world.app({ id: 'nosy' }, 'nosy-secret');
    assert.deepEqual((await ask(body.access_token, basic('nosy', 'nosy-secret'))).body, { active: false });
    assert.equal((await read(body.access_token, 'Patient/ada')).status, 200);
    assert.equal(
      (await world.post('revoke', { token: body.access_token }, basic('confidential', 's3cret'))).status,
      200,
    );
    const revoked = await read(body.access_token, 'Patient/ada');
    assert.equal(revoked.status, 401);
    assert.match(revoked.headers.get('www-authenticate') ?? '', /error="invalid_token"/);
    assert.deepEqual((await ask(body.access_token, basic('resource-server', 'rs-secret'))).body, { active: false });
    const form = { grant_type: 'refresh_token', refresh_token: body.refresh_token };
    assert.equal((await world.token(form, basic('confidential', 's3cret'))).status, 400, 'the whole grant has ended');
    const other = await world.launch(
      { client_id: 'confidential', scope },
      { headers: basic('confidential', 's3cret') },
    );
    await world.post('revoke', { token: other.body.refresh_token }, basic('nosy', 'nosy-secret'));
    assert.equal((await read(other.body.access_token, 'Patient/ada')).status, 200, 'others cannot revoke it');
    await world.post('revoke', { token: other.body.refresh_token }, basic('confidential', 's3cret'));
    assert.equal(
      (await read(other.body.access_token, 'Patient/ada')).status,
      401,
      'with the refresh token its access tokens end',
    );
  });

  it('may push its request first (RFC 9126), and gets offline_access that way too', async () => {
    const { verifier, challenge } = pkce();
    const pushed = await world.post('par', {
      response_type: 'code',
      client_id: 'growth',
      redirect_uri: redirect,
      aud: world.server.baseUrl,
      state: 'af0ifjsldkj',
      scope: 'launch/patient offline_access patient/Patient.rs',
      code_challenge: challenge,
      code_challenge_method: 'S256',
    });
    assert.equal(pushed.status, 201, JSON.stringify(pushed.body));
    const browser = new Browser(world.origin);
    const login = await browser.open(
      `${world.oauth}/authorize?client_id=growth&request_uri=${encodeURIComponent(pushed.body.request_uri)}`,
    );
    const page = await browser.submit(login, '/login', { name: 'ada', password: 'correct horse battery' });
    const back = await browser.submit(page, '/decide', {
      decision: 'allow',
      scope: 'patient/Patient.rs',
      patient: 'ada',
    });
    const { body } = await world.token({
      grant_type: 'authorization_code',
      code: answerOf(back.url).code,
      redirect_uri: redirect,
      client_id: 'growth',
      code_verifier: verifier,
    });
    assert.ok(body.refresh_token, JSON.stringify(body));
  });
});
