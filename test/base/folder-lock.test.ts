import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { FolderLocked, lockFolder } from '../../src/base/folder-lock.js';
import { tempFolder } from '../suites/temp.js';

const module = new URL('../../src/base/folder-lock.js', import.meta.url).href;

/** Another process that holds the folder until it is killed. */
async function holderOf(folder: string) {
  const script = `const { lockFolder } = await import(${JSON.stringify(module)}); lockFolder(${JSON.stringify(folder)}); console.log('held'); setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return child;
}

test('a folder that another process holds is refused, naming that process, and is free once it was killed', async () => {
  const folder = await tempFolder();
  const child = await holderOf(folder);
  assert.throws(() => lockFolder(folder), new FolderLocked(folder, child.pid));
  child.kill('SIGKILL');
  await once(child, 'exit');
  lockFolder(folder).release();
});

test('one process does not get a folder twice, and gets it again after it gave it back', async () => {
  const folder = await tempFolder();
  const lock = lockFolder(folder);
  assert.throws(() => lockFolder(folder), new FolderLocked(folder, process.pid));
  lock.release();
  lockFolder(folder).release();
});
