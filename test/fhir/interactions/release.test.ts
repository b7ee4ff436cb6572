import assert from 'node:assert/strict';
import { test } from 'node:test';
import { onceRecorded } from '../../../src/fhir/interactions/release.js';

/** A record that becomes durable, or fails, when it is told to. */
function record() {
  let resolve!: () => void;
  let reject!: (error: Error) => void;
  const recorded = new Promise<void>((done, failed) => {
    resolve = done;
    reject = failed;
  });
  return { recorded, resolve, reject };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('an answer is made while its record becomes durable, and leaves when it is', async () => {
  const { recorded, resolve } = record();
  const seen: string[] = [];
  const answer = onceRecorded(recorded, () => {
    seen.push('made');
    return 'answer';
  }).then((text) => seen.push(text));
  await turn();
  assert.deepEqual(seen, ['made']);
  resolve();
  await answer;
  assert.deepEqual(seen, ['made', 'answer']);
});

test('an error leaves no sooner than an answer does', async () => {
  const { recorded, resolve } = record();
  let isTold = false;
  const answer = onceRecorded(recorded, () => {
    throw new Error('gone');
  }).catch((error: Error) => {
    isTold = true;
    return error.message;
  });
  await turn();
  assert.equal(isTold, false);
  resolve();
  assert.equal(await answer, 'gone');
});

test('without a record nothing leaves, neither an answer nor an error', async () => {
  for (const make of [() => 'answer', () => Promise.reject(new Error('gone'))]) {
    const { recorded, reject } = record();
    const answer = onceRecorded<string>(recorded, make);
    reject(new Error('the disk is full'));
    await assert.rejects(answer, /the disk is full/);
  }
});
