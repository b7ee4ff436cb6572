import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import path from 'node:path';
import { test } from 'node:test';
import { sha256, toHex } from '../../src/base/bytes.js';
import { Blinder } from '../../src/vault/blinder.js';
import { openKeyRing } from '../../src/vault/file-key-ring.js';
import { Names } from '../../src/vault/names.js';
import { FreshKeys, Vault } from '../../src/vault/vault.js';
import { tempFolder } from '../suites/temp.js';

/** A vault whose committed compartment keys are in `stored`, and a function that opens what it sealed. */
async function openVault() {
  const keyRing = await openKeyRing(path.join(await tempFolder(), 'keys.json'));
  const names = new Names(new Blinder(keyRing.derive('index')));
  const stored = new Map<string, Uint8Array>();
  const make = () => new Vault({ keyRing, storedKey: (compartment) => stored.get(toHex(compartment)) });
  const vault = make();
  const commit = (fresh: FreshKeys) => {
    for (const { compartment, wrapped } of fresh.records()) stored.set(toHex(compartment), wrapped);
    vault.adopt(fresh);
  };
  type Sealed = Awaited<ReturnType<Vault['seal']>>;
  const open = (sealed: Sealed, reference: string, by = vault) => {
    const held = new Map(sealed.blocks.map(({ digest, bytes }) => [toHex(digest), bytes]));
    return by.open(reference, sealed.keyWraps, held.get(toHex(sealed.block))!, async (digest) =>
      held.get(toHex(digest))!,
    );
  };
  return { vault, names, stored, commit, open, restarted: make };
}

const text = (repeat: number) => Buffer.from(JSON.stringify({ resourceType: 'Patient', text: 'abc'.repeat(repeat) }));

test('contents of any size come back as they were sealed', async () => {
  const { vault, names, commit, open } = await openVault();
  const contents = [Buffer.alloc(0), text(1), text(400), randomBytes(5000), text(1_000_000), randomBytes(2_500_000)];
  for (const content of contents) {
    const fresh = new FreshKeys();
    const sealed = await vault.seal('Patient/1/1', content, [names.compartment('1')], fresh);
    commit(fresh);
    assert.ok(Buffer.from(await open(sealed, 'Patient/1/1')).equals(content));
    for (const { digest, bytes } of sealed.blocks) assert.deepEqual(digest, sha256(bytes));
  }
});

test('what is larger than one MiB lies in several blocks, none much larger than one MiB', async () => {
  const { vault, names } = await openVault();
  const { blocks } = await vault.seal('Binary/1/1', randomBytes(3_000_000), [names.server], new FreshKeys());
  assert.equal(blocks.length, 4);
  assert.ok(blocks.every(({ bytes }) => bytes.byteLength < 1024 * 1024 + 100));
});

test('chunks that are swapped, dropped or repeated are refused', async () => {
  const { vault, names, commit, open } = await openVault();
  const fresh = new FreshKeys();
  const sealed = await vault.seal('Binary/1/1', randomBytes(3_000_000), [names.server], fresh);
  commit(fresh);
  const [one, two, three, manifest] = sealed.blocks;
  const lying = (blocks: Uint8Array[]) => ({
    ...sealed,
    blocks: [one!, two!, three!].map(({ digest }, index) => ({ digest, bytes: blocks[index]! })).concat(manifest!),
  });
  await assert.rejects(open(lying([two!.bytes, one!.bytes, three!.bytes]), 'Binary/1/1'), { name: 'SealBroken' });
  await assert.rejects(open(lying([one!.bytes, two!.bytes, two!.bytes]), 'Binary/1/1'), { name: 'SealBroken' });
  assert.equal((await open(lying([one!.bytes, two!.bytes, three!.bytes]), 'Binary/1/1')).byteLength, 3_000_000);
});

test('equal contents give different blocks: nobody can tell that two records say the same', async () => {
  const { vault, names } = await openVault();
  const seal = () => vault.seal('Patient/1/1', text(10), [names.server], new FreshKeys());
  const [one, two] = [await seal(), await seal()];
  assert.notDeepEqual(one.block, two.block);
});

test('a block opens only as the version it was sealed for', async () => {
  const { vault, names, commit, open } = await openVault();
  const fresh = new FreshKeys();
  const sealed = await vault.seal('Patient/1/1', text(10), [names.server], fresh);
  commit(fresh);
  await assert.rejects(open(sealed, 'Patient/1/2'), { name: 'SealBroken' });
  await assert.rejects(open(sealed, 'Patient/2/1'), { name: 'SealBroken' });
  await open(sealed, 'Patient/1/1');
});

test('a block that holds all is opened at once when its key is at hand; what is in several is not', async () => {
  const { vault, names, commit, restarted } = await openVault();
  const fresh = new FreshKeys();
  const [small, large] = [text(400), randomBytes(2_500_000)];
  const whole = await vault.seal('Patient/1/1', small, [names.compartment('1'), names.compartment('2')], fresh);
  const chunked = await vault.seal('Binary/1/1', large, [names.compartment('1')], fresh);
  commit(fresh);
  const { keyWraps, blocks } = whole;
  assert.deepEqual(Buffer.from(vault.openNow('Patient/1/1', keyWraps, blocks[0]!.bytes)!), small);
  assert.throws(() => vault.openNow('Patient/1/2', keyWraps, blocks[0]!.bytes), { name: 'SealBroken' });
  assert.equal(vault.openNow('Binary/1/1', chunked.keyWraps, chunked.blocks.at(-1)!.bytes), undefined);
  assert.equal(restarted().openNow('Patient/1/1', keyWraps, blocks[0]!.bytes), undefined);
  vault.forget(names.compartment('1'));
  assert.deepEqual(Buffer.from(vault.openNow('Patient/1/1', keyWraps, blocks[0]!.bytes)!), small);
  vault.forget();
  assert.equal(vault.openNow('Patient/1/1', keyWraps, blocks[0]!.bytes), undefined);
});

test('a resource in two compartments opens with either key', async () => {
  const { vault, names, stored, commit, open, restarted } = await openVault();
  const fresh = new FreshKeys();
  const sealed = await vault.seal('Observation/1/1', text(10), [names.compartment('1'), names.compartment('2')], fresh);
  commit(fresh);
  assert.equal(stored.size, 2);
  for (const patient of ['1', '2']) {
    const [name, wrapped] = [toHex(names.compartment(patient)), stored.get(toHex(names.compartment(patient)))!];
    stored.delete(name);
    assert.deepEqual(Buffer.from(await open(sealed, 'Observation/1/1', restarted())), text(10));
    stored.set(name, wrapped);
  }
  stored.clear();
  await assert.rejects(open(sealed, 'Observation/1/1', restarted()), { name: 'KeyUnavailable' });
});

test('a key of another compartment does not open a block', async () => {
  const { vault, names, commit, open } = await openVault();
  const fresh = new FreshKeys();
  const sealed = await vault.seal('Patient/1/1', text(10), [names.compartment('1')], fresh);
  await vault.seal('Patient/2/1', text(10), [names.compartment('2')], fresh);
  commit(fresh);
  const { wrapped } = sealed.keyWraps[0]!;
  const moved = { ...sealed, keyWraps: [{ compartment: names.compartment('2'), wrapped }] };
  await assert.rejects(open(moved, 'Patient/1/1'), { name: 'KeyUnavailable' });
  await open(sealed, 'Patient/1/1');
});

test('a compartment key that was never committed is used by nothing that comes later', async () => {
  const { vault, names, commit, open, restarted } = await openVault();
  await vault.seal('Patient/1/1', text(10), [names.compartment('1')], new FreshKeys());
  const fresh = new FreshKeys();
  const sealed = await vault.seal('Patient/1/1', text(10), [names.compartment('1')], fresh);
  assert.equal(fresh.records().length, 1);
  commit(fresh);
  const later = new FreshKeys();
  await vault.seal('Patient/1/2', text(10), [names.compartment('1')], later);
  assert.equal(later.records().length, 0);
  assert.deepEqual(Buffer.from(await open(sealed, 'Patient/1/1', restarted())), text(10));
});
