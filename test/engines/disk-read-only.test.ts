/** A disk that becomes read-only while the server serves, as ext4 does after an error: a real file system in a file (needs root, as CI's containers have it). */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { ServerProcess } from '../../bench/lib/process.js';
import { systemClock } from '../../src/base/clock.js';
import { TokenIssuer } from '../../src/smart/token-issuer.js';
import { tempFolder } from '../suites/temp.js';

let image: string;
let mounted: string;
let server: ServerProcess | undefined;
let token: string;

const run = (command: string, ...args: string[]) => execFileSync(command, args, { stdio: 'pipe' }).toString().trim();

before(async () => {
  const folder = await tempFolder();
  [image, mounted] = [path.join(folder, 'disk'), path.join(folder, 'mounted')];
  await mkdir(mounted);
  try {
    run('truncate', '-s', '256M', image);
    run('mkfs.ext4', '-q', image);
    run('mount', '-o', 'loop,errors=remount-ro', image, mounted);
  } catch (error) {
    throw new Error(`a file system in a file cannot be mounted here: this test needs root (${String(error)})`);
  }
});
after(async () => {
  await server?.kill({ withChain: true }).catch(() => undefined);
  spawnSync('umount', ['-l', mounted]);
});

/** As the kernel does when it finds the file system damaged. */
async function breakDisk(): Promise<void> {
  const device = path.basename(run('findmnt', '-no', 'SOURCE', mounted));
  await writeFile(`/sys/fs/ext4/${device}/trigger_fs_error`, '1');
}

/** As its operator does: checks it, and mounts it again. */
function mendDisk(): void {
  run('umount', mounted);
  // Status 1: something was mended.
  assert.ok([0, 1].includes(spawnSync('fsck.ext4', ['-y', '-f', image], { stdio: 'ignore' }).status ?? -1));
  run('mount', '-o', 'loop,errors=remount-ro', image, mounted);
}

async function request(method: string, id: string) {
  const headers = { Authorization: `Bearer ${token}`, 'Content-Type': 'application/fhir+json' };
  const body = JSON.stringify({ resourceType: 'Patient', id, name: [{ family: id }] });
  const answer = await fetch(`${server!.origin}/fhir/Patient/${id}`, {
    method,
    headers,
    ...(method === 'PUT' && { body }),
  });
  const { issue } = (await answer.json()) as { issue?: { code: string; diagnostics: string }[] };
  return { status: answer.status, code: issue?.[0]?.code, text: issue?.[0]?.diagnostics ?? '' };
}

it('a read-only disk is told with 503, nothing is half there, and all that was acknowledged is back with the disk', async () => {
  const data = path.join(mounted, 'data');
  server = await ServerProcess.start(data);
  const issuer = await TokenIssuer.open(path.join(data, 'keys'));
  token = await issuer.issue(
    { actor: 'Organization/self', scope: 'system/*.cruds', purpose: 'TREAT', expiresInSeconds: 3_600 },
    systemClock,
  );
  for (let turn = 0; turn < 5; turn += 1) assert.equal((await request('PUT', `before-${turn}`)).status, 201);
  await breakDisk();
  for (let turn = 0; turn < 4; turn += 1) {
    const { status, code, text } = await request('PUT', `after-${turn}`);
    assert.deepEqual([status, code], [503, 'no-store']);
    assert.match(text, /read-only/);
  }
  // No answer leaves without its access record, so reads are refused as well.
  assert.equal((await request('GET', 'before-0')).status, 503);
  await server.kill({ withChain: true });
  await assert.rejects(ServerProcess.start(data), /ended with status 1/, 'none starts on it');
  mendDisk();
  server = await ServerProcess.start(data);
  for (let turn = 0; turn < 5; turn += 1) assert.equal((await request('GET', `before-${turn}`)).status, 200);
  for (let turn = 0; turn < 4; turn += 1) assert.equal((await request('GET', `after-${turn}`)).status, 404);
  assert.equal((await request('PUT', 'after-0')).status, 201);
  assert.equal((await request('GET', 'after-0')).status, 200);
});
