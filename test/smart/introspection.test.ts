import assert from 'node:assert/strict';
import { generateKeyPairSync, randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import { exportJWK, SignJWT, type JWK } from 'jose';
import { FhirError } from '../../src/base/outcome.js';
import { readConfig, ConfigError } from '../../src/config.js';
import type { TokenSource } from '../../src/smart/authenticator.js';
import { OutsideIssuer } from '../../src/smart/outside-issuer.js';

const secret = 's:3/cret';

describe('an outside issuer that is asked about its tokens', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const said = new Map<string, object>();
  let now = Date.now();
  let asked = 0;
  let isDown = false;
  let server: Server;
  let url: string;
  let issuer: OutsideIssuer;

  before(async () => {
    const jwk: JWK = { ...(await exportJWK(publicKey)), kid: 'a', alg: 'ES256' };
    server = createServer((request, response) => {
      void (async () => {
        const send = (body: object, status = 200) =>
          response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body));
        if (request.url?.endsWith('openid-configuration'))
          return send({ issuer: url, jwks_uri: `${url}/keys`, introspection_endpoint: `${url}/introspect` });
        if (request.url?.endsWith('/keys')) return send({ keys: [jwk] });
        asked += 1;
        const text = (await request.toArray()).join('');
        const expected = `Basic ${Buffer.from(`mooring:${encodeURIComponent(secret)}`).toString('base64')}`;
        if (isDown || request.headers.authorization !== expected) return send({ error: 'invalid_client' }, 401);
        return send(said.get(new URLSearchParams(text).get('token') ?? '') ?? { active: false });
      })();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    issuer = new OutsideIssuer({
      url,
      audience: 'fhir',
      claims: {},
      identifiers: [],
      introspection: { clientId: 'mooring', secret },
      findPerson: () => Promise.resolve(undefined),
      baseUrl: 'https://fhir.example/fhir',
      clock: { now: () => now },
    });
  });
  after(() => {
    server.closeAllConnections();
    server.close();
  });

  const claims = () => ({
    iss: url,
    aud: 'fhir',
    sub: 'u1',
    jti: randomUUID(),
    exp: Math.floor(now / 1000) + 600,
    fhirUser: 'https://fhir.example/fhir/Practitioner/dr',
    scope: 'user/Patient.rs',
  });
  const signed = () => new SignJWT(claims()).setProtectedHeader({ alg: 'ES256', kid: 'a' }).sign(privateKey);
  const outcome = async (source: TokenSource | undefined, token: string) => {
    try {
      return (await source?.verify(token))?.principal.actor;
    } catch (error) {
      return error instanceof FhirError ? error.status : error;
    }
  };

  it('a signed token counts while its issuer calls it active, and ten seconds after at most', async () => {
    const token = await signed();
    assert.equal(await outcome(issuer.tokens, token), 401, 'well signed, but not active');
    said.set(token, { active: true });
    assert.equal(await outcome(issuer.tokens, token), 'Practitioner/dr');
    said.delete(token);
    const before = asked;
    assert.equal(await outcome(issuer.tokens, token), 'Practitioner/dr');
    assert.equal(asked, before, 'not asked at every request');
    now += 10_001;
    assert.equal(await outcome(issuer.tokens, token), 401, 'revoked');
  });

  it('a token that only the issuer can read is what the issuer says, if that is for us', async () => {
    said.set('opaque', { active: true, ...claims() });
    assert.equal(await outcome(issuer.opaque, 'opaque'), 'Practitioner/dr');
    const wrong: Record<string, object> = {
      'another audience': { aud: 'portal' },
      'no audience': { aud: undefined },
      'another issuer': { iss: 'https://elsewhere.example' },
      expired: { exp: Math.floor(now / 1000) - 1 },
      'no user': { fhirUser: undefined },
      'active is a text': { active: 'true' },
    };
    for (const [name, change] of Object.entries(wrong)) {
      said.set(name, { active: true, ...claims(), ...change });
      assert.equal(await outcome(issuer.opaque, name), 401, name);
    }
    assert.equal(await outcome(issuer.opaque, 'unknown'), 401);
  });

  it('while the issuer does not answer us nobody is let in', async () => {
    const token = await signed();
    said.set(token, { active: true });
    isDown = true;
    assert.equal(await outcome(issuer.tokens, token), 503);
    assert.equal(await outcome(issuer.opaque, 'opaque-2'), 503);
    isDown = false;
    assert.equal(await outcome(issuer.tokens, token), 'Practitioner/dr');
  });

  it('the configuration names client and secret together, or stops the start', () => {
    const env = { ISSUER_URL: 'https://login.example', ISSUER_CLIENT: 'mooring' };
    assert.throws(
      () => readConfig(env),
      (error) => error instanceof ConfigError && /go together/.test(error.message),
    );
    const missing = { ...env, ISSUER_CLIENT_SECRET_FILE: '/no/such/file' };
    assert.throws(() => readConfig(missing), /ISSUER_CLIENT_SECRET_FILE is "\/no\/such\/file"/);
  });
});
