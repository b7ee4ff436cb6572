import assert from 'node:assert/strict';
import { test } from 'node:test';
import { partsOf } from '../../src/base/parts.js';
import { atOnce, inSlices, mapInSlices, Slices } from '../../src/base/pause.js';

const parts = (sizes: number[], items: number, sizeBytes: number) => [
  ...partsOf(sizes, (size) => size, { items, sizeBytes }),
];

test('a part ends at its items or its size, whichever comes first; all items are in one', () => {
  assert.deepEqual(parts([], 2, 10), []);
  assert.deepEqual(parts([1, 1, 1], 2, 10), [[1, 1], [1]]);
  assert.deepEqual(parts([4, 6, 1, 20, 1], 9, 10), [[4, 6], [1, 20], [1]]);
  assert.deepEqual(parts([1, 1], 2, 10), [[1, 1]]);
});

function* counting(until: number): Generator<void, number> {
  let sum = 0;
  for (let at = 0; at < until; at += 1) {
    sum += at;
    yield;
  }
  return sum;
}

test('steps give the same at once and in slices, and others have their turn in between', async () => {
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 1);
  const slow = mapInSlices([1, 2, 3, 4], (item) => {
    for (const end = performance.now() + 5; performance.now() < end;);
    return item * 2;
  }, new Slices(3)); // prettier-ignore
  assert.deepEqual(await slow, [2, 4, 6, 8]);
  clearInterval(timer);
  assert.ok(turns >= 2, `${turns} turns`);
  assert.equal(atOnce(counting(10)), 45);
  assert.equal(await inSlices(counting(10)), 45);
});
