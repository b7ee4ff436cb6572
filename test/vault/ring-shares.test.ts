import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { openKeyRing, readRing } from '../../src/vault/file-key-ring.js';
import { packRing, unpackRing } from '../../src/vault/ring-secret.js';
import { ringFromShares, sharesOf } from '../../src/vault/ring-shares.js';
import { tempFolder } from '../suites/temp.js';

async function ring() {
  const file = path.join(await tempFolder(), 'keys.json');
  await (await openKeyRing(file)).rotate();
  const { root, keys } = (await readRing(file))!;
  return { root, keys };
}

test('any 3 of 5 shares give the key ring back, whatever their order', async () => {
  const secret = await ring();
  const shares = await sharesOf(secret, 5, 3);
  for (const some of [
    [0, 1, 2],
    [4, 2, 0],
    [1, 3, 4, 0],
  ]) {
    assert.deepEqual(await ringFromShares(some.map((index) => shares[index]!)), secret);
  }
});

test('2 of them, one twice, damaged ones and those of another ring are refused in words', async () => {
  const [shares, others] = [await sharesOf(await ring(), 5, 3), await sharesOf(await ring(), 5, 3)];
  await assert.rejects(ringFromShares(shares.slice(0, 2)), /3 different shares are needed, 2 are given/);
  await assert.rejects(
    ringFromShares([shares[0]!, shares[1]!, shares[1]!]),
    /3 different shares are needed, 2 are given/,
  );
  const slip = shares[1]!.replace(/.(?=\.[0-9a-f]{8}$)/, (last) => (last === 'A' ? 'B' : 'A'));
  await assert.rejects(ringFromShares([shares[0]!, slip, shares[2]!]), /share 2 is damaged/);
  await assert.rejects(ringFromShares([shares[0]!, shares[1]!, others[2]!]), /of different rings/);
  await assert.rejects(ringFromShares(['hello']), /share 1 is no share/);
});

test('a packed ring is unpacked as it was; other bytes are refused', async () => {
  const secret = await ring();
  assert.deepEqual(unpackRing(packRing(secret)), secret);
  assert.throws(() => unpackRing(packRing(secret).subarray(1)), { name: 'KeyUnavailable' });
});
