import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { SecondTime } from '../../src/vault/second-time.js';

test('a key is known when it comes a second time, and not before', () => {
  const memory = new SecondTime();
  const [one, other] = [randomBytes(16), randomBytes(16)];
  assert.equal(memory.isKnown(one), false);
  assert.equal(memory.isKnown(other), false);
  assert.equal(memory.isKnown(one), true);
  assert.equal(memory.isKnown(Buffer.alloc(16)), false, 'zeros are a key like any other');
  assert.equal(memory.isKnown(Buffer.alloc(16)), true);
});

test('of ten times as many keys as it has places it keeps the newest, in the same memory', () => {
  const memory = new SecondTime();
  const keys = Array.from({ length: 655_360 }, () => randomBytes(6));
  for (const key of keys) memory.isKnown(key);
  const late = keys.slice(-10_000).filter((key) => memory.isKnown(key)).length;
  assert.ok(late > 8_000, `${late} of the last 10,000 keys are known`);
});
