import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { openLocalBlockStore } from '../../src/ipfs/local-block-store.js';
import { randomBlock } from '../suites/block-store.js';
import { tempFolder } from '../suites/temp.js';

const command = fileURLToPath(new URL('../../src/cli/mooring.js', import.meta.url));

function blocks(dataDir: string, ...args: string[]) {
  const env = { ...process.env, DATA_DIR: dataDir };
  return spawnSync(process.execPath, [command, 'blocks', ...args], { env, encoding: 'utf8' });
}

test('mooring blocks: what is exported as a CAR and imported elsewhere is there, block by block; a file is not overwritten', async () => {
  const [from, to] = [await tempFolder(), await tempFolder()];
  const car = path.join(to, 'blocks.car');
  const given = Array.from({ length: 20 }, () => randomBlock());
  const store = await openLocalBlockStore(path.join(from, 'blocks'));
  await store.put(given);
  await store.close();
  const exported = blocks(from, 'export', car);
  assert.deepEqual([exported.status, exported.stdout], [0, '20 blocks exported\n'], exported.stderr);
  assert.equal(blocks(from, 'export', car).status, 1);
  assert.deepEqual([blocks(to, 'import', car).stdout], ['20 blocks imported\n']);
  const other = await openLocalBlockStore(path.join(to, 'blocks'));
  for (const { digest, bytes } of given) assert.deepEqual(Buffer.from(await other.get(digest)), bytes);
  await other.close();
  assert.equal(blocks(to, 'repair').status, 1);
  assert.equal(blocks(to, 'sell').status, 2);
});
