import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { unwrapKey, wrapKey, wrappingKey } from '../../src/vault/key-wrap.js';

test('the vector of RFC 3394, 4.6: 256 bits of key data under a key of 256 bits', () => {
  const key = Buffer.from('000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F', 'hex');
  const data = Buffer.from('00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F', 'hex');
  const wrapped = Buffer.from(
    '28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21',
    'hex',
  );
  assert.deepEqual(wrapKey(wrappingKey(key), data), wrapped);
  for (let time = 0; time < 3; time += 1) assert.deepEqual(unwrapKey(wrappingKey(key), wrapped), data);
});

test('many keys under one wrapping key are unwrapped, and what it did not wrap is refused in between', () => {
  const [wrapping, other] = [wrappingKey(randomBytes(32)), wrappingKey(randomBytes(32))];
  const keys = Array.from({ length: 20 }, () => randomBytes(32));
  const wraps = keys.map((key) => wrapKey(wrapping, key));
  for (const [index, wrapped] of wraps.entries()) {
    assert.deepEqual(unwrapKey(wrapping, wrapped), keys[index]);
    assert.throws(() => unwrapKey(other, wrapped), { name: 'KeyUnavailable' });
    const altered = Buffer.from(wrapped);
    altered[index]! ^= 1;
    assert.throws(() => unwrapKey(wrapping, altered), { name: 'KeyUnavailable' });
    assert.throws(() => unwrapKey(wrapping, wrapped.subarray(0, 32)), { name: 'KeyUnavailable' });
    assert.deepEqual(unwrapKey(wrapping, wrapped), keys[index]);
  }
});
