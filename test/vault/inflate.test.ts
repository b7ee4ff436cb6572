import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { inflateRaw } from '../../src/vault/inflate.js';

const text = (sizeBytes: number) => Buffer.from('{"resourceType":"Observation"}'.repeat(sizeBytes).slice(0, sizeBytes));

test('what was packed comes back, whatever its size, one after the other', () => {
  const sizes = [0, 1, 100, 4_096, 65_535, 65_536, 65_537, 1_000_000, 3];
  for (const plain of [...sizes.map(text), randomBytes(10_000), randomBytes(70_000)]) {
    for (const options of [{ level: 1, memLevel: 5, windowBits: 13 }, { level: 9 }]) {
      assert.ok(inflateRaw(deflateRawSync(plain, options)).equals(plain), `${plain.byteLength} bytes`);
    }
  }
});

test('results do not share memory', () => {
  const first = inflateRaw(deflateRawSync(text(500)));
  inflateRaw(deflateRawSync(randomBytes(500)));
  assert.deepEqual(first, text(500));
});

test('bytes that are cut short or no DEFLATE are refused as node refuses them, and the next ones are unpacked', () => {
  const packed = deflateRawSync(text(3_000));
  for (const bad of [packed.subarray(0, -1), packed.subarray(0, 3), Buffer.alloc(0), Buffer.alloc(40, 0xff)]) {
    const error = (() => {
      try {
        inflateRawSync(bad);
      } catch (thrown) {
        return thrown as Error & { code: string };
      }
      throw new Error('node unpacks it');
    })();
    assert.throws(() => inflateRaw(bad), { name: error.name, code: error.code, message: error.message });
    assert.deepEqual(inflateRaw(packed), text(3_000));
  }
});
