import { before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  cutSdJwt,
  issueSdJwt,
  organisationKey,
  SdJwtRefused,
  verifySdJwt,
  type OrganisationKey,
} from '../../src/anchoring/sd-jwt.js';

const claims = {
  iss: 'https://ehr.example/fhir',
  iat: 1_700_000_000,
  url: 'https://ehr.example/fhir/Observation/o1/_history/1',
  leaf: '12'.repeat(32),
};
const elements = [
  { path: 'Observation.status', text: '"final"' },
  { path: 'Observation.valueQuantity.value', text: '13.50' },
  { path: 'Observation.note[0].text', text: '"Ångström ~ \\"x\\""' },
];

describe('an SD-JWT of elements', () => {
  let key: OrganisationKey;
  let document: string;
  before(async () => {
    key = await organisationKey(randomBytes(32));
    document = await issueSdJwt(key, claims, elements);
  });

  it('shows what was signed, decimals to the letter', async () => {
    assert.deepEqual(await verifySdJwt(document, [key.publicJwk]), { claims, elements });
  });

  it('can be cut by its holder down to nothing, without any key', async () => {
    const one = cutSdJwt(document, (path) => path === 'Observation.status');
    assert.deepEqual((await verifySdJwt(one, [key.publicJwk])).elements, [elements[0]]);
    assert.doesNotMatch(Buffer.from(one.split('~').slice(1).join(''), 'base64url').toString(), /13\.50/);
    assert.deepEqual(
      (
        await verifySdJwt(
          cutSdJwt(one, () => false),
          [key.publicJwk],
        )
      ).elements,
      [],
    );
  });

  it('does not tell how many elements were held back', () => {
    const payload = JSON.parse(Buffer.from(document.split('.')[1], 'base64url').toString()) as {
      elements: { _sd: string[] };
    };
    assert.equal(payload.elements._sd.length, 16);
    assert.deepEqual(payload.elements._sd, [...payload.elements._sd].sort());
  });

  it('does not hold when a value, the payload or the signer is another', async () => {
    const [jwt, first, ...rest] = document.split('~');
    const [head, payload, signature] = jwt.split('.');
    const forged = Buffer.from('["c2FsdA","Observation.status","amended"]').toString('base64url');
    const other = await organisationKey(randomBytes(32));
    const moved = Buffer.from(payload, 'base64url').toString().replace('o1', 'o2');
    const unsigned = Buffer.from('{"alg":"none","typ":"dc+sd-jwt"}').toString('base64url');
    const cases: [string, RegExp][] = [
      [[jwt, forged, ...rest].join('~'), /not one that was signed/],
      [[jwt, first, first, ...rest].join('~'), /stands there twice/],
      [
        [`${head}.${Buffer.from(moved).toString('base64url')}.${signature}`, first, ''].join('~'),
        /no key of the issuer/,
      ],
      [[`${unsigned}.${payload}.${signature}`, first, ''].join('~'), /no key of the issuer/],
      [document.slice(0, -1), /ends with a tilde/],
      ['~', /no compact JWS/],
    ];
    for (const [text, reason] of cases)
      await assert.rejects(verifySdJwt(text, [key.publicJwk]), (error: Error) => {
        assert.ok(error instanceof SdJwtRefused);
        assert.match(error.message, reason);
        return true;
      });
    await assert.rejects(verifySdJwt(document, [other.publicJwk]), /no key of the issuer/);
    await verifySdJwt(document, [other.publicJwk, key.publicJwk]);
  });
});
