/** What every KeyRing does. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test, type TestContext } from 'node:test';
import { KeyUnavailable, type KeyRing } from '../../src/vault/key-ring.js';

export interface OpenedKeyRing {
  readonly ring: KeyRing;
  reopen(): Promise<KeyRing>;
  /** Another ring, with keys of its own. */
  another(): Promise<KeyRing>;
  /** Makes the ring wrap under a new master key. */
  rotate(): Promise<void>;
}

export function keyRingSuite(name: string, openRing: (t: TestContext) => Promise<OpenedKeyRing>): void {
  test(`${name}: a wrapped key is unwrapped, also after a restart`, async (t) => {
    const { ring, reopen } = await openRing(t);
    const key = randomBytes(32);
    const wrapped = ring.wrap(key);
    assert.deepEqual(Buffer.from(ring.unwrap(wrapped)), key);
    assert.deepEqual(Buffer.from((await reopen()).unwrap(wrapped)), key);
  });

  test(`${name}: a wrapped key does not show the key`, async (t) => {
    const { ring } = await openRing(t);
    const key = randomBytes(32);
    assert.equal(Buffer.from(ring.wrap(key)).includes(key.subarray(0, 8)), false);
  });

  test(`${name}: a wrap with one bit changed, or of another ring, is refused`, async (t) => {
    const { ring, another } = await openRing(t);
    const wrapped = ring.wrap(randomBytes(32));
    for (let index = 0; index < wrapped.byteLength; index += 1) {
      const altered = Uint8Array.from(wrapped);
      altered[index]! ^= 1;
      assert.throws(() => ring.unwrap(altered), KeyUnavailable);
    }
    const stranger = await another();
    assert.throws(() => stranger.unwrap(wrapped), KeyUnavailable);
  });

  test(`${name}: after rotation old wraps still open, and new ones name the new key`, async (t) => {
    const { ring, reopen, rotate } = await openRing(t);
    const key = randomBytes(32);
    const before = ring.wrap(key);
    await rotate();
    const after = ring.wrap(key);
    assert.notDeepEqual(before.subarray(0, 4), after.subarray(0, 4));
    for (const opened of [ring, await reopen()]) {
      assert.deepEqual(Buffer.from(opened.unwrap(before)), key);
      assert.deepEqual(Buffer.from(opened.unwrap(after)), key);
    }
  });

  test(`${name}: what another process did to the ring is taken in on reload, and not before`, async (t) => {
    const { ring, reopen } = await openRing(t);
    const key = randomBytes(32);
    const old = ring.wrap(key);
    const elsewhere = await reopen();
    await elsewhere.rotate();
    const wrapped = elsewhere.wrap(key);
    assert.throws(() => ring.unwrap(wrapped), KeyUnavailable);
    await ring.reload();
    assert.deepEqual(Buffer.from(ring.unwrap(wrapped)), key);
    assert.equal(ring.newest, elsewhere.newest);
    await elsewhere.retire();
    await ring.reload();
    assert.throws(() => ring.unwrap(old), KeyUnavailable);
  });

  test(`${name}: derived keys depend on the purpose alone, and outlive rotation and restart`, async (t) => {
    const { ring, reopen, another, rotate } = await openRing(t);
    const index = ring.derive('index');
    assert.equal(index.byteLength, 32);
    assert.notDeepEqual(ring.derive('header'), index);
    await rotate();
    assert.deepEqual(ring.derive('index'), index);
    assert.deepEqual((await reopen()).derive('index'), index);
    assert.notDeepEqual((await another()).derive('index'), index);
  });
}
