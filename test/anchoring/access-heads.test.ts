/** The access log's heads in the anchored log, and what a check of everything says when the access log is another one. */
import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'libsql';
import { accessLeaf, encodeAccessHead, isAccessEntry } from '../../src/anchoring/access-leaf.js';
import { leafHash } from '../../src/anchoring/leaf.js';
import { sha256 } from '../../src/base/bytes.js';
import { loggedAccessHeads, type LoggedAccessHead } from '../../src/commit/access-heads.js';
import { openFileAccessLog } from '../../src/commit/file-access-log.js';
import { readConfig } from '../../src/config.js';
import { createServer } from '../../src/server.js';
import { accessHeadForm, noteAccessHead } from '../../src/wiring/access-head.js';
import { openStorage, type Storage } from '../../src/wiring/storage.js';
import { testConfig } from '../e2e/server.js';
import { fsckOf } from './fsck-of.js';

describe('the access log in the anchored log', () => {
  let [top, sound] = ['', ''];
  before(async () => {
    top = mkdtempSync(path.join(tmpdir(), 'mooring-access-heads-'));
    sound = path.join(top, 'sound');
    const server = await createServer(testConfig(sound, { ANCHOR_MAX_AGE_MS: '10', ACCESS_HEAD_EVERY_S: '1' }));
    const headers = { authorization: `Bearer ${await server.token()}`, 'content-type': 'application/fhir+json' };
    const put = await fetch(`${server.baseUrl}/Patient/p`, {
      method: 'PUT',
      headers: { ...headers, prefer: 'wait=30' },
      body: JSON.stringify({ resourceType: 'Patient', id: 'p' }),
    });
    assert.equal(put.status, 201);
    // The patient, an access head; after another read, a second one; nothing more while nobody asks.
    for (const size of [2, 3]) {
      assert.equal((await fetch(`${server.baseUrl}/Patient/p`, { headers })).status, 200);
      for (let round = 0; round < 400 && (await sizeOf(server.url)) < size; round += 1)
        await new Promise((resolve) => setTimeout(resolve, 20));
    }
    await server.close();
  });
  after(() => rmSync(top, { recursive: true }));

  async function sizeOf(url: string): Promise<number> {
    return Number((await (await fetch(`${url}/log/checkpoint`)).text()).split('\n')[1]);
  }

  const copy = (name: string): string => {
    cpSync(sound, path.join(top, name), { recursive: true });
    return path.join(top, name);
  };

  /** Something done with the stores of a server that is stopped. */
  async function within<Result>(folder: string, work: (storage: Storage) => Promise<Result>): Promise<Result> {
    const storage = await openStorage(readConfig({ DATA_DIR: folder }));
    try {
      return await work(storage);
    } finally {
      await storage.close();
    }
  }

  async function headsOf({ catalog, keyRing }: Storage): Promise<LoggedAccessHead[]> {
    const heads: LoggedAccessHead[] = [];
    for await (const head of loggedAccessHeads(catalog, accessHeadForm(keyRing))) heads.push(head);
    return heads;
  }

  it('has an entry of 81 bytes that tells a length and a digest, and nothing else', () => {
    const head = { time: 1_700_000_000_000, server: 'a', count: 7, digest: sha256(Buffer.from('x')) };
    const entry = encodeAccessHead(head);
    assert.ok(isAccessEntry(entry) && !isAccessEntry(entry.subarray(1)));
    assert.deepEqual(accessLeaf(head), leafHash(entry));
    assert.notDeepEqual(accessLeaf({ ...head, server: 'b' }), accessLeaf(head));
    assert.throws(() => encodeAccessHead({ ...head, digest: new Uint8Array(31) }), RangeError);
  });

  it('is there as often as anything was accessed since, newest first, each as its leaf says', async () => {
    await within(copy('heads'), async (storage) => {
      const [second, first, ...others] = await headsOf(storage);
      assert.deepEqual([first.leafIndex, second.leafIndex, others], [1, 2, []]);
      assert.ok(first.count >= 1 && second.count > first.count);
      for (const head of [first, second]) {
        assert.deepEqual(await storage.catalog.leaves(head.leafIndex, head.leafIndex + 1), accessLeaf(head));
        assert.deepEqual(Buffer.from(await storage.accessLog.digestAt(head.count)), head.digest);
      }
      const [place] = await storage.catalog.versionsByLeaf(1, 2);
      assert.equal(place.isErased, true);
    });
  });

  it('is found to fit where nothing was changed', async () => {
    const { status, lines } = await fsckOf(copy('untouched'));
    assert.deepEqual([status, lines], [0, ['Everything fits: 3 versions, anchored as the chain says.']]);
  });

  it('betrays another access log, made with the very keys, of the same length', async () => {
    const folder = copy('forged');
    await within(folder, async ({ accessLog, keyRing, catalog }) => {
      const records = await accessLog.read(0, accessLog.head().count);
      const forged = await openFileAccessLog(path.join(top, 'forged-access'), keyRing.derive('access'));
      for (const record of records) await forged.append({ ...record, actor: 'Practitioner/somebody-else' });
      await noteAccessHead(catalog, forged, keyRing);
      await forged.close();
    });
    rmSync(path.join(folder, 'access'), { recursive: true });
    cpSync(path.join(top, 'forged-access'), path.join(folder, 'access'), { recursive: true });
    const { status, lines } = await fsckOf(folder);
    assert.equal(status, 1);
    assert.match(
      lines[0],
      /^access log: access records before \d+: they are not those that leaf 2 of the log tells of/,
    );
  });

  it('betrays records that were taken away, also when the note of its length was made to fit', async () => {
    const folder = copy('shortened');
    await within(folder, async ({ accessLog, keyRing, catalog }) => {
      const [record] = await accessLog.read(0, 1);
      const shorter = await openFileAccessLog(path.join(top, 'shorter-access'), keyRing.derive('access'));
      await shorter.append(record);
      await noteAccessHead(catalog, shorter, keyRing);
      await shorter.close();
    });
    rmSync(path.join(folder, 'access'), { recursive: true });
    cpSync(path.join(top, 'shorter-access'), path.join(folder, 'access'), { recursive: true });
    const { status, lines } = await fsckOf(folder);
    assert.equal(status, 1);
    assert.match(lines[0], /^access log: access log: access record 1 is missing/);
  });

  it('betrays that what is kept of a head was changed', async () => {
    const folder = copy('kept');
    const database = new Database(path.join(folder, 'catalog', 'catalog.sqlite'));
    const key = "key = 'access-log/leaf/1'";
    const [value] = database.prepare(`SELECT value FROM state WHERE ${key}`).raw().get([]) as [Buffer];
    value[value.byteLength - 3] ^= 1;
    database.prepare(`UPDATE state SET value = ? WHERE ${key}`).run([value]);
    database.close();
    const { status, lines } = await fsckOf(folder);
    assert.equal(status, 1);
    assert.match(lines[0], /^access log: access log: what is kept as "access-log\/leaf\/1" is altered/);
  });
});
