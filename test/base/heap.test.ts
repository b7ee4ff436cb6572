import assert from 'node:assert/strict';
import { test } from 'node:test';
import { growingPercent } from '../../src/base/heap.js';

const mebibyte = 1024 * 1024;

test('a heap may grow by the same number of bytes, whether little or much of it lives', () => {
  for (const live of [50, 100, 200]) {
    const percent = growingPercent(live * mebibyte, 60 * mebibyte);
    assert.ok(Math.abs((percent / 100) * live - 60) < 1, `${live} MiB grow by ${percent} %`);
  }
});

test('a tiny heap does not grow without end, and a huge one still grows', () => {
  assert.equal(growingPercent(1, 60 * mebibyte), 400);
  assert.equal(growingPercent(10_000 * mebibyte, 60 * mebibyte), 20);
});
