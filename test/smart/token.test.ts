import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { createHmac, createPublicKey, generateKeyPairSync } from 'node:crypto';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { SignJWT, exportJWK, type JWK } from 'jose';
import { FhirError } from '../../src/base/outcome.js';
import { localAudience, localIssuer, TokenIssuer, type TokenClaims } from '../../src/smart/token-issuer.js';
import { Authenticator } from '../../src/smart/authenticator.js';
import { RoleMatrix } from '../../src/smart/role-matrix.js';
import { localTokens } from '../../src/smart/token-verifier.js';

const folder = mkdtempSync(path.join(tmpdir(), 'mooring-token-'));
after(() => rmSync(folder, { recursive: true }));

const clock = { time: 1_700_000_000_000, now: () => clock.time };
const claims: TokenClaims = { actor: 'Practitioner/1', scope: 'system/*.rs', purpose: 'TREAT', expiresInSeconds: 60 };
const issuer = await TokenIssuer.open(folder);
const verifier = await verifierFor(issuer.publicJwk);

async function verifierFor(publicJwk: JWK) {
  const authenticator = new Authenticator({
    byIssuer: new Map([[localIssuer, await localTokens(publicJwk, clock)]]),
    matrix: new RoleMatrix({ groups: {}, roles: {}, operations: {} }),
    organization: 'Organization/self',
    proofs: { clock, nonceKey: new Uint8Array(32), requiresNonce: false, unique: () => Promise.resolve(true) },
    baseUrls: ['http://127.0.0.1/fhir'],
  });
  return {
    verify: (authorization: string | undefined) =>
      authenticator.authenticate({ authorization, method: 'GET', path: '/Patient' }),
  };
}

async function refusal(authorization: string | undefined): Promise<FhirError> {
  try {
    await verifier.verify(authorization);
  } catch (error) {
    if (error instanceof FhirError) return error;
    throw error;
  }
  throw new Error('accepted');
}

describe('a bearer token', () => {
  it('names its principal', async () => {
    const token = await issuer.issue(
      { ...claims, patient: 'p1', memberships: ['Organization/o'], client: 'app' },
      clock,
    );
    const { tokenId, role, ...principal } = await verifier.verify(`Bearer ${token}`);
    assert.ok(tokenId !== undefined && role !== undefined);
    assert.deepEqual(principal, {
      actor: 'Practitioner/1',
      memberships: ['Organization/o'],
      purposeOfUse: 'TREAT',
      scopes: ['system/*.rs'],
      client: 'app',
      patient: 'p1',
      roles: ['practitioner'],
    });
    assert.equal(
      typeof (verifier.verify(`Bearer ${token}`) as object as { then?: unknown }).then,
      'undefined',
      'the second time it is remembered',
    );
  });

  it('is refused when it has expired, also when it was remembered', async () => {
    const token = await issuer.issue(claims, clock);
    await verifier.verify(`Bearer ${token}`);
    clock.time += 61_000;
    const error = await refusal(`Bearer ${token}`);
    assert.deepEqual([error.status, error.issues[0].code], [401, 'expired']);
    assert.match(error.headers['WWW-Authenticate'], /error="invalid_token"/);
  });

  it('is refused when it is missing, of another scheme or no token', async () => {
    for (const header of [undefined, 'Basic abc', 'Bearer', 'Bearer a b', 'Bearer abc.def.ghi']) {
      const error = await refusal(header);
      assert.deepEqual([error.status, error.issues[0].code], [401, 'login']);
      assert.ok(error.headers['WWW-Authenticate'].startsWith('Bearer realm='));
    }
  });

  it('is refused when its signature, algorithm, issuer, audience, type or time is wrong, beside one that is right', async () => {
    const own = generateKeyPairSync('ed25519').privateKey;
    const now = Math.floor(clock.now() / 1000);
    const other = await TokenIssuer.open(mkdtempSync(path.join(folder, 'other-')));
    const ownVerifier = await verifierFor({ ...(await exportJWK(createPublicKey(own))), alg: 'EdDSA' });
    const make = (change: Record<string, unknown>, header: Record<string, unknown> = {}) =>
      new SignJWT({
        iss: localIssuer,
        aud: localAudience,
        iat: now,
        exp: now + 60,
        jti: 'x',
        scope: 'system/*.rs',
        fhirUser: 'Practitioner/1',
        ...change,
      })
        .setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt', ...header })
        .sign(own);
    assert.equal((await ownVerifier.verify(`Bearer ${await make({})}`)).actor, 'Practitioner/1');
    const wrong = [
      await make({ iss: 'https://elsewhere.example' }),
      await make({ aud: 'urn:other' }),
      await make({ nbf: now + 30 }),
      await make({ exp: undefined }),
      await make({ scope: undefined }),
      await make({ scope: 7 }),
      await make({ fhirUser: 'nobody' }),
      await make({ memberships: 'Organization/1' }),
      await make({}, { typ: 'JWT' }),
      await other.issue(claims, clock),
    ];
    const unsigned = `${Buffer.from('{"alg":"none","typ":"at+jwt"}').toString('base64url')}.${wrong[0].split('.')[1]}.`;
    const head = Buffer.from('{"alg":"HS256","typ":"at+jwt"}').toString('base64url');
    const body = (await make({})).split('.')[1];
    const confused = `${head}.${body}.${createHmac('sha256', JSON.stringify(issuer.publicJwk)).update(`${head}.${body}`).digest('base64url')}`;
    for (const token of [...wrong, unsigned, confused]) {
      await assert.rejects(
        async () => ownVerifier.verify(`Bearer ${token}`),
        (error) => error instanceof FhirError && error.status === 401,
      );
    }
  });
});

describe('the issuer key', () => {
  it('is kept with mode 0600, found again, and refused when others can read it', async () => {
    const file = path.join(folder, 'issuer-key.pem');
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.deepEqual((await TokenIssuer.open(folder)).publicJwk, issuer.publicJwk);
    chmodSync(file, 0o644);
    await assert.rejects(TokenIssuer.open(folder), /0600/);
    chmodSync(file, 0o600);
  });
});
