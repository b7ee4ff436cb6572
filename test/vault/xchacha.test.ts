import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { xchacha20poly1305 } from '@noble/ciphers/chacha.js';
import { openBytes, sealBytes, SealBroken } from '../../src/vault/xchacha.js';

test('seals like the vector of draft-irtf-cfrg-xchacha-03, A.3.1', () => {
  const hex = (text: string) => Buffer.from(text.replace(/\s/g, ''), 'hex');
  const plain = Buffer.from(
    "Ladies and Gentlemen of the class of '99: If I could offer you only one tip for the future, sunscreen would be it.",
  );
  const sealed = sealBytes(
    hex('808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f'),
    hex('404142434445464748494a4b4c4d4e4f5051525354555657'),
    hex('50515253c0c1c2c3c4c5c6c7'),
    plain,
  );
  assert.equal(
    sealed.toString('hex'),
    'bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452' +
      '2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff921f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49',
  );
});

test('gives the same bytes as the implementation of @noble/ciphers, for any length', () => {
  for (const length of [0, 1, 15, 16, 17, 63, 64, 65, 1000, 2047, 2048, 2049, 70_000]) {
    const [key, nonce, associated, plain] = [32, 24, length % 50, length].map((size) => randomBytes(size)) as [
      Buffer,
      Buffer,
      Buffer,
      Buffer,
    ];
    const reference = xchacha20poly1305(key, nonce, associated);
    const half = length >> 1;
    const sealed = sealBytes(key, nonce, associated, plain.subarray(0, half), plain.subarray(half));
    assert.deepEqual(sealed, Buffer.from(reference.encrypt(plain)));
    assert.deepEqual(openBytes(key, nonce, associated, sealed), plain);
  }
});

test('bytes with any bit changed, another key, nonce or associated data are refused', () => {
  for (const plain of [Buffer.from('plain'), Buffer.alloc(5000, 'plain')]) refusesOthers(plain);
});

function refusesOthers(plain: Buffer): void {
  const [key, nonce, associated] = [randomBytes(32), randomBytes(24), Buffer.from('Patient/1/1')] as const;
  const sealed = sealBytes(key, nonce, associated, plain);
  for (let index = 0; index < sealed.byteLength; index += index < 64 ? 1 : 97) {
    const altered = Buffer.from(sealed);
    altered[index]! ^= 0x80;
    assert.throws(() => openBytes(key, nonce, associated, altered), SealBroken);
  }
  assert.throws(() => openBytes(randomBytes(32), nonce, associated, sealed), SealBroken);
  assert.throws(() => openBytes(key, randomBytes(24), associated, sealed), SealBroken);
  assert.throws(() => openBytes(key, nonce, Buffer.from('Patient/1/2'), sealed), SealBroken);
  assert.throws(() => openBytes(key, nonce, associated, sealed.subarray(0, 10)), SealBroken);
  assert.deepEqual(openBytes(key, nonce, associated, sealed), plain);
}
