/** A disk that is really full: a small file system of its own (needs root, as CI's containers have it). */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { rm } from 'node:fs/promises';
import path from 'node:path';
import { after, before, it } from 'node:test';
import { createServer, type Server } from '../../src/server.js';
import { testConfig } from '../e2e/server.js';
import { tempFolder } from '../suites/temp.js';

let folder: string;
let server: Server;
let token: string;

before(async () => {
  folder = await tempFolder();
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=40m', 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    throw new Error('a small file system cannot be mounted here: this test needs root');
  }
  server = await createServer(testConfig(path.join(folder, 'data')));
  token = await server.token();
});
after(async () => {
  await server.close();
  execFileSync('umount', ['-l', folder]);
});

/** Content that no compression makes fit into what a full disk still has in pages that are begun. */
async function put(id: string): Promise<{ status: number; retryAfter: string | null; code?: string }> {
  const answer = await fetch(`${server.baseUrl}/Patient/${id}`, {
    method: 'PUT',
    headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/fhir+json' },
    body: JSON.stringify({ resourceType: 'Patient', id, name: [{ family: randomBytes(100_000).toString('hex') }] }),
  });
  const body = (await answer.json()) as { issue?: { code: string }[] };
  return { status: answer.status, retryAfter: answer.headers.get('retry-after'), code: body.issue?.[0]?.code };
}

it('a full disk is told with 507, what was stored is read as before, and writes go on when there is room', async () => {
  assert.equal((await put('before')).status, 201);
  spawnSync('dd', ['if=/dev/zero', `of=${path.join(folder, 'fill')}`, 'bs=64k'], { stdio: 'ignore' });
  for (let turn = 0; turn < 4; turn += 1) {
    assert.deepEqual(await put(`full-${turn}`), { status: 507, retryAfter: '30', code: 'no-store' });
  }
  const get = (id: string) =>
    fetch(`${server.baseUrl}/Patient/${id}`, { headers: { Authorization: `Bearer ${token}` } });
  assert.equal((await get('before')).status, 200);
  await rm(path.join(folder, 'fill'));
  for (let turn = 0; turn < 3; turn += 1) assert.equal((await put(`room-${turn}`)).status, 201);
  for (let turn = 0; turn < 4; turn += 1) assert.equal((await get(`full-${turn}`)).status, 404);
  assert.equal((await get('room-2')).status, 200);
});
