import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { exportJWK, SignJWT } from 'jose';
import { firstIssue, TestServer } from '../server.js';

/** An authorization server in another house, as far as ours talks to it: its discovery document and its keys. */
class Elsewhere {
  private server: Server | undefined;
  keys: object[] = [];
  asked = 0;
  url = '';

  async start(port = 0): Promise<void> {
    this.server = createServer((request, response) => {
      const answer = request.url?.endsWith('/.well-known/openid-configuration')
        ? {
            issuer: this.url,
            jwks_uri: `${this.url}/keys`,
            authorization_endpoint: `${this.url}/auth`,
            token_endpoint: `${this.url}/token`,
          }
        : { keys: this.keys };
      if (request.url?.endsWith('/keys')) this.asked += 1;
      response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(answer));
    });
    await new Promise<void>((resolve) => this.server?.listen(port, '127.0.0.1', resolve));
    this.url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/realms/clinic`;
  }

  stop(): void {
    this.server?.closeAllConnections();
    this.server?.close();
  }
}

describe('an outside issuer', () => {
  const elsewhere = new Elsewhere();
  let server: TestServer;
  let key: KeyObject;

  const newKey = async (kid: string) => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    elsewhere.keys = [{ ...(await exportJWK(pair.publicKey)), kid, alg: 'RS256', use: 'sig' }];
    key = pair.privateKey;
  };
  const token = (change: object = {}, kid = 'a') => {
    const now = Math.floor(Date.now() / 1000);
    const claims = {
      iss: elsewhere.url,
      aud: 'fhir-server',
      sub: 'u1',
      iat: now,
      exp: now + 60,
      fhir: { user: `${server.baseUrl}/Practitioner/dr`, patient: 'ada' },
      realm_access: { roles: ['practitioner', 'offline_access'] },
      scope: 'openid user/Patient.rs patient/Observation.rs',
      azp: 'their-app',
      ...change,
    };
    return new SignJWT(claims).setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid }).sign(key);
  };
  const get = async (bearer: string, url = 'Patient/ada') => server.get(url, { token: bearer });

  before(async () => {
    await elsewhere.start();
    await newKey('a');
    server = await TestServer.start({
      ISSUER_URL: elsewhere.url,
      ISSUER_AUDIENCE: 'fhir-server',
      ISSUER_IDENTIFIERS: 'pnr=urn:oid:1.2.752.129.2.1.3.1',
      ISSUER_SCOPE: 'patient/Patient.r patient/Observation.rs',
      ISSUER_CLAIMS: 'fhirUser=fhir.user,patient=fhir.patient,roles=realm_access.roles',
    });
    await server.put('Patient/ada', { resourceType: 'Patient', id: 'ada' });
  });
  after(async () => {
    await server.stop();
    elsewhere.stop();
  });

  it('is where apps are sent; the built-in authorization server is not there', async () => {
    const { body } = await server.get('.well-known/smart-configuration', { token: '' });
    assert.deepEqual([body.issuer, body.authorization_endpoint], [elsewhere.url, `${elsewhere.url}/auth`]);
    const origin = server.baseUrl.replace('/fhir', '');
    assert.equal((await server.get(`${origin}/oauth/.well-known/openid-configuration`, { token: '' })).status, 404);
    const { body: statement } = await server.get('metadata', { token: '' });
    assert.equal(statement.rest[0].security.extension[0].extension[0].valueUri, `${elsewhere.url}/auth`);
  });

  it('its tokens are taken by its keys, its claims under our names; those of the local issuer go on working', async () => {
    assert.equal((await get(await token())).status, 200);
    assert.equal((await get(await token(), 'Observation')).body.total, 0);
    assert.equal((await get(await token(), 'Condition')).status, 403);
    const auditor = await token({ realm_access: { roles: ['auditor'] } });
    const refused = await get(auditor);
    assert.equal(refused.status, 403);
    assert.match(firstIssue(refused).diagnostics ?? '', /auditor/);
    assert.equal((await server.get('Patient/ada')).status, 200);
  });

  it('its tokens are refused when they are for others, of others, expired, or name nobody', async () => {
    const before = Math.floor(Date.now() / 1000) - 60;
    const wrong: Record<string, string> = {
      'another audience': await token({ aud: 'their-portal' }),
      'another issuer': await token({ iss: 'http://127.0.0.1:1/realms/clinic' }),
      expired: await token({ exp: before }),
      'not yet': await token({ nbf: before + 600 }),
      'no FHIR user': await token({ fhir: {} }),
      'a user that is no reference': await token({ fhir: { user: 'https://elsewhere.example/fhir/Practitioner/dr' } }),
      'an unknown key': await token({}, 'b'),
    };
    for (const [name, bad] of Object.entries(wrong)) {
      const answer = await get(bad);
      assert.equal(answer.status, 401, name);
      assert.match(answer.headers.get('www-authenticate') ?? '', /error="invalid_token"/, name);
    }
    assert.equal((await get(await token())).status, 200);
  });

  it('a national ID finds its patient, when it is the ID of one person alone', async () => {
    const person = (id: string, value: string) =>
      server.put(`Patient/${id}`, {
        resourceType: 'Patient',
        id,
        identifier: [{ system: 'urn:oid:1.2.752.129.2.1.3.1', value }],
      });
    await person('eva', '19840502-1234');
    await person('twin1', '19990101-0000');
    await person('twin2', '19990101-0000');
    const identified = (pnr: string, more = {}) => token({ fhir: {}, realm_access: {}, scope: 'openid', pnr, ...more });
    const own = await identified('19840502-1234');
    assert.equal((await get(own, 'Patient/eva')).status, 200);
    assert.equal((await get(own, 'Patient/ada')).status, 403);
    assert.equal((await get(own, 'Condition')).status, 403, 'the default scope is all she gets');
    const narrow = await identified('19840502-1234', { scope: 'openid patient/Observation.r' });
    assert.equal((await get(narrow, 'Patient/eva')).status, 403, 'a token with scopes of its own keeps to them');
    for (const pnr of ['19990101-0000', '20000101-1111', '19840502-1234,19990101-0000', '']) {
      assert.equal((await get(await identified(pnr), 'Patient/eva')).status, 401, pnr);
    }
  });

  it('may change its keys', async () => {
    const old = await token({ jti: 'not seen before' });
    const { asked } = elsewhere;
    await newKey('c');
    // The issuer's keys are asked for again, but not more often than every second.
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    assert.equal((await get(await token({}, 'c'))).status, 200);
    assert.ok(elsewhere.asked > asked);
    assert.equal((await get(old)).status, 401, 'a key that is gone proves nothing');
  });

  it('while it cannot be reached, answers are 503, never a guess', async () => {
    const lone = await TestServer.start({ ISSUER_URL: 'http://127.0.0.1:1/realms/clinic' });
    try {
      const claims = { iss: 'http://127.0.0.1:1/realms/clinic', sub: 'x', exp: Math.floor(Date.now() / 1000) + 60 };
      const orphan = await new SignJWT(claims).setProtectedHeader({ alg: 'RS256', kid: 'a' }).sign(key);
      const answer = await lone.get('Patient/x', { token: orphan });
      assert.deepEqual([answer.status, firstIssue(answer).code], [503, 'transient']);
      assert.equal((await lone.get('metadata', { token: '' })).status, 200);
    } finally {
      await lone.stop();
    }
  });
});
