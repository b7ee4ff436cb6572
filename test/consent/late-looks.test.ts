import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { LateLooks } from '../../src/consent/late-looks.js';

function looks(graceMs: number, failures = 0) {
  const seen: string[] = [];
  const problems: unknown[] = [];
  const late = new LateLooks(
    async (patient) => {
      await Promise.resolve();
      if (failures-- > 0) throw new Error('the store is away');
      seen.push(patient);
    },
    graceMs,
    (error) => problems.push(error),
  );
  return { late, seen, problems };
}

test('patients of whom another server committed Consents are looked at after the grace, not before', async () => {
  const { late, seen } = looks(20);
  late.later(['a', 'b']);
  assert.deepEqual(seen, []);
  while (seen.length < 2) await pause(5);
  assert.deepEqual(seen.sort(), ['a', 'b']);
});

test('a server that stops does not wait for the grace, and looks at each patient once', async () => {
  const { late, seen } = looks(60_000);
  late.later(['a', 'b']);
  late.later(['b']);
  await late.now();
  assert.deepEqual(seen.sort(), ['a', 'b']);
  await late.now();
  assert.equal(seen.length, 2);
});

test('a look that fails is told of and repeated; at the stop it says that it failed', async () => {
  const { late, seen, problems } = looks(10, 1);
  late.later(['a']);
  while (seen.length < 1) await pause(5);
  assert.equal(problems.length, 1);
  const stopping = looks(60_000, 1);
  stopping.late.later(['a']);
  await assert.rejects(stopping.late.now(), /the store is away/);
});
