import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { TermFilter } from '../../src/commit/sqlite/term-filter.js';

const term = (text: string) => createHash('sha256').update(text).digest().subarray(0, 16);
const terms = (from: number, until: number) =>
  Array.from({ length: until - from }, (_, index) => term(String(from + index)));

test('a filter knows every term that was added, and few others', () => {
  const filter = new TermFilter(10_000);
  filter.add(Buffer.concat(terms(0, 4_000)));
  filter.add(Buffer.concat(terms(4_000, 10_000)));
  assert.ok(terms(0, 10_000).every((one) => filter.mayHave(one)));
  const wrong = terms(10_000, 20_000).filter((one) => filter.mayHave(one)).length;
  assert.ok(wrong < 200, `${wrong} of 10,000 others`);
});

test('an empty filter knows nothing', () => {
  assert.ok(!terms(0, 1_000).some((one) => new TermFilter(0).mayHave(one)));
});
