import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '../../src/base/bytes.js';
import { cidText, digestOfCid } from '../../src/ipfs/cid.js';

test('the CID of bytes is what `ipfs add --cid-version=1 --raw-leaves` prints for them', () => {
  assert.equal(
    cidText(sha256(Buffer.from('hello world'))),
    'bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e',
  );
  assert.equal(cidText(sha256(new Uint8Array(0))), 'bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku');
});

test('a CID gives its digest back', () => {
  const digest = sha256(Buffer.from('x'));
  assert.deepEqual(digestOfCid(cidText(digest)), new Uint8Array(digest));
});

test('a CID of another kind, or none, is refused', () => {
  for (const text of [
    '',
    'x',
    'QmT78zSuBmuS4z925WZfrqQ1qHaJ56DQaTfyMUF7F8ff5o',
    'bafybeigdyrzt5sfp7udm7hu76uh7y26nf3efuylqabf3oclgtqy55fbzdi',
  ]) {
    assert.throws(() => digestOfCid(text), RangeError);
  }
});
