/** Backup, loss of everything, keys from shares, restore; a point in time; the erasure list: all by the command line, as an operator does it. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, rm, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createServer, type Server } from '../../src/server.js';
import { testConfig, TestServer } from '../e2e/server.js';
import { tempFolder } from '../suites/temp.js';

const main = fileURLToPath(new URL('../../src/cli/mooring.js', import.meta.url));

/** Runs a command on a folder. @returns its exit status and what it said. */
function mooring(
  dataDir: string,
  args: string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number; text: string }> {
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [main, ...args],
      { env: { ...process.env, DATA_DIR: dataDir, ...env }, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => resolve({ code: error === null ? 0 : Number(error.code), text: stdout + stderr }),
    );
  });
}

describe('backup and restore', () => {
  let server: TestServer;
  let backups: string;
  let seqBefore = 0;
  before(async () => {
    server = await TestServer.start({ ANCHOR_MAX_AGE_MS: '20' });
    backups = await tempFolder();
    for (const id of ['ann', 'bob']) {
      await server.put(`Patient/${id}`, { resourceType: 'Patient', id, name: [{ family: `Backup-${id}` }] });
    }
    const shares = await mooring(server.folder, [
      'keys',
      'backup',
      '--shares',
      '5',
      '--threshold',
      '3',
      '--out',
      path.join(backups, 'shares'),
    ]);
    assert.equal(shares.code, 0, shares.text);
  });
  after(() => server.stop());

  /** A server on what was restored into a new folder. */
  async function restored(
    backup: string,
    more: string[] = [],
    shares = [1, 3, 5],
  ): Promise<{ opened: Server; get: (url: string) => Promise<Response>; folder: string }> {
    const folder = await tempFolder();
    const files = shares.map((number) => path.join(backups, 'shares', `share-${number}.txt`));
    const keys = await mooring(folder, ['keys', 'restore', ...files]);
    assert.equal(keys.code, 0, keys.text);
    const done = await mooring(folder, ['restore', backup, ...more]);
    assert.equal(done.code, 0, done.text);
    const opened = await createServer(testConfig(folder));
    const token = await opened.token();
    const get = (url: string) => fetch(`${opened.baseUrl}/${url}`, { headers: { Authorization: `Bearer ${token}` } });
    return { opened, get, folder };
  }

  it('brings everything back on an empty machine, made while the server was writing; what came after is not in it', async () => {
    const backup = path.join(backups, 'one');
    let writing = true;
    const writer = (async () => {
      for (let turn = 0; writing; turn += 1) {
        const { status } = await server.post('Observation', {
          resourceType: 'Observation',
          status: 'final',
          code: { text: `turn ${turn}` },
          subject: { reference: 'Patient/bob' },
        });
        assert.equal(status, 201);
      }
    })();
    const made = await mooring(server.folder, ['backup', backup]);
    writing = false;
    await writer;
    assert.equal(made.code, 0, made.text);
    const manifest = JSON.parse(await readFile(path.join(backup, 'manifest.json'), 'utf8')) as {
      seq: number;
      leafCount: number;
    };
    seqBefore = manifest.seq;
    await server.put('Patient/late', { resourceType: 'Patient', id: 'late' });
    const { opened, get } = await restored(backup);
    try {
      const ann = (await (await get('Patient/ann')).json()) as { name: { family: string }[] };
      assert.equal(ann.name[0]!.family, 'Backup-ann');
      assert.equal((await get('Patient/late')).status, 404);
      const found = (await (await get('Patient?family=Backup-bob')).json()) as { total: number };
      assert.equal(found.total, 1);
      const all = (await (await get('Observation?_summary=count')).json()) as { total: number };
      assert.equal(all.total, manifest.leafCount - 2);
      const proof = await get('Patient/ann/$proof');
      assert.equal(proof.status, 200, await proof.text());
    } finally {
      await opened.close();
    }
  });

  it('ends at a point in time when asked to, and goes on from there', async () => {
    const { opened, get, folder } = await restored(path.join(backups, 'one'), ['--until', '1'], [2, 4, 5]);
    try {
      assert.equal((await get('Patient/ann')).status, 200);
      assert.equal((await get('Patient/bob')).status, 404);
      const token = await opened.token();
      const made = await fetch(`${opened.baseUrl}/Patient/bob`, {
        method: 'PUT',
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/fhir+json', Prefer: 'wait=20' },
        body: JSON.stringify({ resourceType: 'Patient', id: 'bob' }),
      });
      assert.equal(made.status, 201);
      assert.equal((await get('Patient/bob/$proof')).status, 200);
    } finally {
      await opened.close();
    }
    const fsck = await mooring(folder, ['fsck']);
    assert.equal(fsck.code, 0, fsck.text);
    const odd = await mooring(await tempFolder(), [
      'restore',
      path.join(backups, 'one'),
      '--until',
      String(seqBefore + 1),
    ]);
    assert.notEqual(odd.code, 0);
  });

  it('does not bring back what was erased since, when the erasure list is applied; without it, it does', async () => {
    assert.equal((await server.post('Patient/ann/$erase', undefined)).status, 200);
    const list = await mooring(server.folder, ['backup', '--erasures']);
    assert.equal(list.code, 0, list.text);
    assert.doesNotMatch(list.text, /ann/);
    const file = path.join(backups, 'erasures.ndjson');
    await writeFile(file, list.text);
    const { opened, get } = await restored(path.join(backups, 'one'), ['--erasures', file]);
    try {
      assert.equal((await get('Patient/ann')).status, 404);
      assert.equal((await get('Patient/bob')).status, 200);
    } finally {
      await opened.close();
    }
  });

  it('refuses a damaged backup, a wrong or missing key ring, too few shares, and stores that are not empty', async () => {
    const backup = path.join(backups, 'one');
    const [one, two] = [1, 2].map((number) => path.join(backups, 'shares', `share-${number}.txt`)) as [string, string];
    const folder = await tempFolder();
    const few = await mooring(folder, ['keys', 'restore', one, two, one]);
    assert.deepEqual([few.code, /3 different shares are needed, 2 are given/.test(few.text)], [1, true], few.text);
    const none = await mooring(folder, ['restore', backup]);
    assert.deepEqual([none.code, /no key ring/.test(none.text)], [1, true], none.text);
    const stranger = await TestServer.start();
    await stranger.put('Patient/x', { resourceType: 'Patient', id: 'x' });
    await stranger.halt();
    const full = await mooring(stranger.folder, ['restore', backup]);
    assert.deepEqual([full.code, /not empty/.test(full.text)], [1, true], full.text);
    for (const part of ['catalog', 'blocks', 'access', 'chain', 'smart']) {
      await rm(path.join(stranger.folder, part), { recursive: true, force: true });
    }
    const wrong = await mooring(stranger.folder, ['restore', backup]);
    assert.deepEqual([wrong.code, /not the one of this backup/.test(wrong.text)], [1, true], wrong.text);
    await rm(stranger.folder, { recursive: true, force: true });
    const log = path.join(backup, 'log-00001.bin');
    const bytes = await readFile(log);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(log, bytes);
    const keys = await mooring(folder, ['keys', 'restore', one, two, path.join(backups, 'shares', 'share-3.txt')]);
    assert.equal(keys.code, 0, keys.text);
    const damaged = await mooring(folder, ['restore', backup]);
    assert.deepEqual(
      [damaged.code, /log-00001.bin is not as it was written/.test(damaged.text)],
      [1, true],
      damaged.text,
    );
  });

  it('migrates between engines record by record; doing it again changes nothing; source and target must differ', async () => {
    await server.halt();
    try {
      const target = await tempFolder();
      const env = { TARGET_DATA_DIR: target };
      const moved = await mooring(server.folder, ['migrate'], env);
      assert.equal(moved.code, 0, moved.text);
      const again = await mooring(server.folder, ['migrate'], env);
      assert.equal(again.code, 0, again.text);
      const same = await mooring(server.folder, ['migrate'], { TARGET_DATA_DIR: server.folder });
      assert.equal(same.code, 2, same.text);
      const checked = await mooring(server.folder, ['migrate', '--verify-only'], env);
      assert.match(checked.text, /each was compared and fits/);
    } finally {
      await server.resume();
    }
  });
});
