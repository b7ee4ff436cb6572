import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { Blinder, packTerms, withTerm } from '../../src/vault/blinder.js';
import { Names } from '../../src/vault/names.js';

const key = randomBytes(32);

test('a term is HMAC-SHA-256 of the text under the index key, cut to 16 bytes', () => {
  const expected = createHmac('sha256', key).update('code\u0000é', 'utf8').digest().subarray(0, 16);
  assert.deepEqual(Buffer.from(new Blinder(key).term('code\u0000é')), expected);
});

test('equal texts give equal terms however full the cache is; other texts and other keys give others', () => {
  const blinder = new Blinder(key, 10);
  const first = blinder.term('a');
  for (let index = 0; index < 100; index += 1) blinder.term(`text ${index}`);
  assert.deepEqual(blinder.term('a'), first);
  assert.notDeepEqual(blinder.term('b'), first);
  assert.notDeepEqual(new Blinder(randomBytes(32)).term('a'), first);
});

test('packed terms are sorted and distinct, and a term is added in its place', () => {
  const blinder = new Blinder(key);
  const terms = ['a', 'b', 'c', 'b', 'd'].map((text) => blinder.term(text));
  const packed = packTerms(terms);
  const unpacked = Array.from({ length: packed.byteLength / 16 }, (_, i) =>
    Buffer.from(packed.subarray(i * 16, i * 16 + 16)),
  );
  assert.deepEqual(unpacked, ['a', 'b', 'c', 'd'].map((text) => Buffer.from(blinder.term(text))).sort(Buffer.compare));
  assert.equal(withTerm(packed, blinder.term('c')), packed);
  for (const text of ['e', 'f', 'g', 'h']) {
    assert.deepEqual(
      Buffer.from(withTerm(packed, blinder.term(text))),
      Buffer.from(packTerms([...terms, blinder.term(text)])),
    );
  }
  assert.deepEqual(Buffer.from(withTerm(new Uint8Array(0), blinder.term('a'))), Buffer.from(blinder.term('a')));
});

test('a patient, the compartment of the patient and the type have names that cannot be told to belong together', () => {
  const names = new Names(new Blinder(key));
  const all = [names.resource('Patient', '1'), names.compartment('1'), names.type('Patient'), names.server];
  assert.equal(new Set(all.map((name) => Buffer.from(name).toString('hex'))).size, 4);
});
