/** HPKE against the published vectors of RFC 9180, and what its callers rely on. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { fromHex, toHex } from '../../src/base/bytes.js';
import { hpkeJwk, hpkeKeyOfJwk, hpkeOpen, hpkePublicKey, hpkeSeal, makeHpkeKeyPair } from '../../src/vault/hpke.js';
import { KeyUnavailable } from '../../src/vault/key-ring.js';

const vector = JSON.parse(readFileSync('test/cases/hpke/rfc9180-a2.json', 'utf8')) as Record<string, string>;
const of = (name: string): Uint8Array => fromHex(vector[name]);
const context = { info: Buffer.from('mooring/test'), associated: Buffer.from('Observation/1/1') };

test('derives the keys, and opens the message, of RFC 9180 A.2.1', async () => {
  const recipient = await makeHpkeKeyPair(of('ikmR'));
  assert.equal(toHex(recipient.privateKey), vector.skRm);
  assert.equal(toHex(recipient.publicKey), vector.pkRm);
  const ephemeral = await makeHpkeKeyPair(of('ikmE'));
  assert.equal(toHex(ephemeral.privateKey), vector.skEm);
  assert.equal(toHex(ephemeral.publicKey), vector.enc);
  const sealed = Buffer.concat([of('enc'), of('ct')]);
  const opened = await hpkeOpen(of('skRm'), { info: of('info'), associated: of('aad') }, sealed);
  assert.equal(toHex(opened), vector.pt);
});

test('what is sealed for one key opens with it, for its purpose and binding, and with nothing else', async () => {
  const [mine, other] = [await makeHpkeKeyPair(), await makeHpkeKeyPair()];
  const sealed = await hpkeSeal(mine.publicKey, context, Buffer.from('a key'));
  assert.equal(Buffer.from(await hpkeOpen(mine.privateKey, context, sealed)).toString(), 'a key');
  const altered = Uint8Array.from(sealed);
  altered[40] ^= 1;
  const refused = [
    () => hpkeOpen(other.privateKey, context, sealed),
    () => hpkeOpen(mine.privateKey, { ...context, info: Buffer.from('mooring/else') }, sealed),
    () => hpkeOpen(mine.privateKey, { ...context, associated: Buffer.from('Observation/1/2') }, sealed),
    () => hpkeOpen(mine.privateKey, context, altered),
    () => hpkeOpen(mine.privateKey, context, sealed.subarray(0, 47)),
  ];
  for (const attempt of refused) await assert.rejects(attempt, KeyUnavailable);
});

test('nothing is sealed for a key that is too short or that shares no secret', async () => {
  await assert.rejects(hpkeSeal(Buffer.alloc(31, 1), context, Buffer.of(1)), RangeError);
  await assert.rejects(hpkeSeal(Buffer.alloc(32), context, Buffer.of(1)), RangeError);
  const { publicKey } = await makeHpkeKeyPair();
  assert.equal((await hpkeSeal(publicKey, context, Buffer.of(1))).byteLength, 49);
});

test('a public key goes through its JWK, and belongs to its private key', async () => {
  const pair = await makeHpkeKeyPair();
  assert.deepEqual(hpkeKeyOfJwk(hpkeJwk(pair.publicKey, 'share-1')), Buffer.from(pair.publicKey));
  assert.equal(hpkeKeyOfJwk({ kty: 'EC', crv: 'P-256', x: 'AA' }), undefined);
  assert.equal(toHex(hpkePublicKey(pair.privateKey)), toHex(pair.publicKey));
});
