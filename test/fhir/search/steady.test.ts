import assert from 'node:assert/strict';
import { test } from 'node:test';
import { steadily } from '../../../src/fhir/search/steady.js';

test('a search during which the index keys changed is asked again, whether it found something or failed; another is not', async () => {
  const keys = { epoch: 1 };
  let asked = 0;
  const found = await steadily(keys, undefined, async () => {
    asked += 1;
    await Promise.resolve();
    if (asked === 1) keys.epoch += 1;
    if (asked === 2) {
      keys.epoch += 1;
      throw new Error('not found under the key of before');
    }
    return asked;
  });
  assert.deepEqual([found, asked], [3, 3]);
  const once = await steadily(keys, undefined, () => Promise.resolve((asked += 1)));
  assert.equal(once, 4);
  await assert.rejects(
    steadily(keys, undefined, () => Promise.reject(new Error('unknown'))),
    /unknown/,
  );
});
