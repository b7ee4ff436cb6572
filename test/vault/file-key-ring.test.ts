import assert from 'node:assert/strict';
import { chmod, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { inspect } from 'node:util';
import { openKeyRing } from '../../src/vault/file-key-ring.js';
import { keyRingSuite } from '../suites/key-ring.js';
import { tempFolder } from '../suites/temp.js';

keyRingSuite('key ring in a file', async () => {
  const folder = await tempFolder();
  const file = path.join(folder, 'keys.json');
  const ring = await openKeyRing(file);
  return {
    ring,
    reopen: () => openKeyRing(file),
    another: () => openKeyRing(path.join(folder, 'other.json')),
    rotate: () => ring.rotate(),
  };
});

test('the file can be read by its owner alone, and nothing else is left beside it', async () => {
  const folder = await tempFolder();
  const ring = await openKeyRing(path.join(folder, 'keys.json'));
  await ring.rotate();
  assert.equal((await stat(path.join(folder, 'keys.json'))).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(folder), ['keys.json']);
});

test('a file that others may read is refused; with mode 0600 it is taken', async () => {
  const file = path.join(await tempFolder(), 'keys.json');
  await openKeyRing(file);
  await chmod(file, 0o640);
  await assert.rejects(openKeyRing(file), { name: 'KeyUnavailable', message: /mode 0640/ });
  await chmod(file, 0o600);
  await openKeyRing(file);
});

test('a damaged file is refused and left as it is, never replaced by a new ring', async () => {
  const file = path.join(await tempFolder(), 'keys.json');
  for (const content of ['', '{"version":1', '{"version":1,"root":"AA==","keys":[]}', '{}']) {
    await writeFile(file, content, { mode: 0o600 });
    await assert.rejects(openKeyRing(file), { name: 'KeyUnavailable' });
    assert.equal((await stat(file)).size, content.length);
  }
});

test('processes that make the ring at the same time end up with the same one', async () => {
  const file = path.join(await tempFolder(), 'keys.json');
  const rings = await Promise.all(Array.from({ length: 5 }, () => openKeyRing(file)));
  const keys = new Set(rings.map((ring) => Buffer.from(ring.derive('index')).toString('hex')));
  assert.equal(keys.size, 1);
});

test('a ring prints as a secret', async () => {
  const ring = await openKeyRing(path.join(await tempFolder(), 'keys.json'));
  assert.equal(inspect({ ring }), '{ ring: [secret] }');
  assert.equal(JSON.stringify({ ring }), '{"ring":"[secret]"}');
});
