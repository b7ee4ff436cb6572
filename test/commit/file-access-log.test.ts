import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { appendFile, open, readFile, readdir, truncate, writeFile, type FileHandle } from 'node:fs/promises';
import path from 'node:path';
import { test, type TestContext } from 'node:test';
import { openFileAccessLog, type FileAccessLog } from '../../src/commit/file-access-log.js';
import { accessLogSuite, accessRecord } from '../suites/access-log.js';
import { tempFolder } from '../suites/temp.js';

async function openHere(t: TestContext, segmentBytes?: number) {
  const folder = await tempFolder();
  const key = randomBytes(32);
  let log: FileAccessLog = await openFileAccessLog(folder, key, segmentBytes);
  t.after(() => log.close());
  const reopen = async () => {
    await log.close();
    log = await openFileAccessLog(folder, key, segmentBytes);
    return log;
  };
  const newest = async () =>
    path.join(
      folder,
      (await readdir(folder))
        .filter((name) => name.endsWith('.access'))
        .sort()
        .at(-1)!,
    );
  return { folder, log, reopen, newest };
}

accessLogSuite('access log in files', (t) => openHere(t));
accessLogSuite('access log in tiny segments', (t) => openHere(t, 300));

test('nothing of a record can be read in the files', async (t) => {
  const { log, newest } = await openHere(t);
  await log.append({ ...accessRecord(0), actor: 'Practitioner/planted-value' });
  const bytes = await readFile(await newest());
  for (const planted of ['planted-value', 'Observation/0', 'TREAT', 'permit']) {
    assert.equal(bytes.includes(planted), false);
    assert.equal(bytes.includes(Buffer.from(planted).toString('hex')), false);
  }
});

test('a torn tail is kept aside and cut off; what was acknowledged is there', async (t) => {
  const { folder, log, reopen, newest } = await openHere(t);
  for (let number = 0; number < 3; number += 1) await log.append(accessRecord(number));
  const head = log.head();
  await log.close();
  await appendFile(await newest(), randomBytes(30));
  const again = await reopen();
  assert.deepEqual(again.head(), head);
  await again.append(accessRecord(3));
  assert.deepEqual(
    (await again.read(0, 4)).map(({ requestId }) => requestId),
    [0, 1, 2, 3].map((n) => `request-${n}`),
  );
  assert.ok((await readdir(folder)).some((name) => name.endsWith('.torn')));
});

test('room that a crash left behind the last record is no torn record', async (t) => {
  const { folder, log, reopen, newest } = await openHere(t);
  for (let number = 0; number < 3; number += 1) await log.append(accessRecord(number));
  const head = log.head();
  const crashed = await readFile(await newest());
  assert.equal(crashed.at(-1), 0);
  await log.close();
  assert.ok((await readFile(await newest())).byteLength < crashed.byteLength);
  await writeFile(await newest(), crashed);
  const again = await reopen();
  assert.deepEqual(again.head(), head);
  assert.equal(
    (await readdir(folder)).some((name) => name.endsWith('.torn')),
    false,
  );
});

test('an altered record is found: reading it fails, reading those before it does not', async (t) => {
  const { log, newest } = await openHere(t);
  for (let number = 0; number < 10; number += 1) await log.append(accessRecord(number));
  const file = await newest();
  const bytes = await readFile(file);
  const handle = await open(file, 'r+');
  const at = Math.floor(bytes.findLastIndex((byte) => byte !== 0) / 2);
  await handle.write(Buffer.of(bytes[at]! ^ 1), 0, 1, at);
  await handle.close();
  await assert.rejects(log.read(0, 10), { name: 'AccessLogBroken' });
  assert.equal((await log.read(0, 2)).length, 2);
});

test('an access that cannot be made durable is refused; the next one that can is recorded, and the chain is whole', async (t) => {
  const { log, reopen } = await openHere(t);
  await log.append(accessRecord(0));
  const { tail } = log as unknown as { tail: { handle: FileHandle } };
  const { handle } = tail;
  tail.handle = { fd: -1 } as FileHandle;
  await assert.rejects(log.append(accessRecord(1)), { name: 'AccessLogUnavailable', message: /EBADF|out of range/ });
  assert.equal(log.head().count, 1);
  tail.handle = handle;
  await log.append(accessRecord(2));
  const again = await reopen();
  assert.deepEqual(
    (await again.read(0, 9)).map(({ requestId }) => requestId),
    ['request-0', 'request-2'],
  );
});

test('a log whose newest records were removed does not have the digest that it had', async (t) => {
  const { log: first, reopen, newest } = await openHere(t);
  await first.append(accessRecord(0));
  const log = await reopen();
  const size = (await readFile(await newest())).byteLength;
  await log.append(accessRecord(1));
  const before = log.head();
  await log.close();
  await truncate(await newest(), size);
  const again = await reopen();
  await again.append(accessRecord(2));
  assert.equal(again.head().count, before.count);
  assert.notDeepEqual(again.head().digest, before.digest);
});
