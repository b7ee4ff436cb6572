import { after, before, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import Database from 'libsql';
import { createServer } from '../../src/server.js';
import { testConfig } from '../e2e/server.js';
import { fsckOf } from './fsck-of.js';

describe('mooring fsck', () => {
  let [top, sound] = ['', ''];
  before(async () => {
    top = mkdtempSync(path.join(tmpdir(), 'mooring-fsck-'));
    sound = path.join(top, 'sound');
    const server = await createServer(testConfig(sound, { ANCHOR_MAX_AGE_MS: '10' }));
    const headers = { authorization: `Bearer ${await server.token()}`, 'content-type': 'application/fhir+json' };
    const post = async (url: string, body: unknown, more = {}) => {
      const response = await fetch(`${server.baseUrl}${url}`, {
        method: 'POST',
        headers: { ...headers, ...more },
        body: JSON.stringify(body),
      });
      assert.ok(response.ok, await response.text());
    };
    const fullUrl = 'urn:uuid:00000000-0000-4000-8000-000000000000';
    const patients = Array.from({ length: 298 }, (_, n) => ({
      ...(n === 0 && { fullUrl }),
      resource: { resourceType: 'Patient', name: [{ family: `Family${n}` }] },
      request: { method: 'POST', url: 'Patient' },
    }));
    const observation = {
      resourceType: 'Observation',
      id: 'linked',
      status: 'final',
      code: { text: 'x' },
      subject: { reference: fullUrl },
    };
    const linked = { resource: observation, request: { method: 'PUT', url: 'Observation/linked' } };
    await post('', { resourceType: 'Bundle', type: 'transaction', entry: [...patients, linked] });
    const named = { resourceType: 'Patient', id: 'named', name: [{ family: 'Muster' }] };
    const put = await fetch(`${server.baseUrl}/Patient/named`, {
      method: 'PUT',
      headers: { ...headers, prefer: 'wait=30' },
      body: JSON.stringify(named),
    });
    assert.equal(put.status, 201);
    await server.close();
  });
  after(() => rmSync(top, { recursive: true }));

  const copy = (name: string): string => {
    cpSync(sound, path.join(top, name), { recursive: true });
    return path.join(top, name);
  };
  const inCatalog = (folder: string, work: (database: Database.Database) => void) => {
    const database = new Database(path.join(folder, 'catalog', 'catalog.sqlite'));
    work(database);
    database.close();
  };
  /** Changes one bit of a byte string in a table. */
  const flipIn = (folder: string, column: 'leaf' | 'body', leafIndex: number, offset: number) =>
    inCatalog(folder, (database) => {
      const [bytes] = database.prepare(`SELECT ${column} FROM content WHERE leafIndex = ?`).raw().get([leafIndex]) as [
        Buffer,
      ];
      bytes[offset] ^= 1;
      database.prepare(`UPDATE content SET ${column} = ? WHERE leafIndex = ?`).run([bytes, leafIndex]);
    });

  it('finds that everything fits where nothing was changed', async () => {
    const { status, lines } = await fsckOf(copy('untouched'));
    assert.deepEqual([status, lines], [0, ['Everything fits: 300 versions, anchored as the chain says.']]);
  });

  const damages: [string, (folder: string) => void, RegExp][] = [
    [
      'a leaf in the catalog',
      (folder) => flipIn(folder, 'leaf', 299, 5),
      /^catalog: Patient\/named\/_history\/1 \(leaf 299\): its leaf is/,
    ],
    [
      'a sealed header',
      (folder) => flipIn(folder, 'body', 299, 260),
      /^catalog: leaf 299: its sealed header does not open/,
    ],
    [
      'a time in a row',
      (folder) => flipIn(folder, 'body', 299, 8),
      /^catalog: Patient\/named\/_history\/1 \(leaf 299\): its row differs/,
    ],
    [
      'the CID in a row',
      (folder) => flipIn(folder, 'body', 299, 50),
      /^blocks: Patient\/named\/_history\/1 \(leaf 299\): its content does not open/,
    ],
    [
      'a wrapped key',
      (folder) => flipIn(folder, 'body', 299, 100),
      /^blocks: Patient\/named\/_history\/1 \(leaf 299\): its content does not open/,
    ],
    [
      'an index term',
      (folder) =>
        inCatalog(folder, (database) =>
          database.exec('DELETE FROM term WHERE term IN (SELECT term FROM term WHERE leafIndex = 299 LIMIT 1)'),
        ),
      /^index: Patient\/.* terms are missing/,
    ],
    [
      'a link of a version',
      (folder) => inCatalog(folder, (database) => database.exec('UPDATE link_of SET target = target + 1000000')),
      /^index: Observation\/linked\/_history\/1 .*links are missing/,
    ],
    [
      'a link to a resource',
      (folder) => inCatalog(folder, (database) => database.exec('UPDATE link SET leafIndex = leafIndex + 1000000')),
      /^index: the resource of leaf 0: 0 links to it are kept, 1 versions \(one is leaf 298\) have one/,
    ],
    ['a tile', (folder) => flip(path.join(folder, 'log/tile/0/000'), 40), /^tiles: tile\/0\/000: its hashes/],
    [
      'a batch in the outbox',
      (folder) =>
        inCatalog(folder, (database) => {
          const key = "key LIKE 'anchor/%/1'";
          const [value] = database.prepare(`SELECT value FROM state WHERE ${key}`).raw().get([]) as [Buffer];
          const text = value.toString().replace('"size":', '"size":9');
          database.prepare(`UPDATE state SET value = ? WHERE ${key}`).run([Buffer.from(text)]);
        }),
      /^outbox: batch 1 of 0x[0-9a-f]{40}: its record says size 9/,
    ],
    [
      'an access record',
      (folder) =>
        flip(
          path.join(
            folder,
            'access',
            readdirSync(path.join(folder, 'access')).find((file) => file.endsWith('.access')) ?? '',
          ),
          60,
        ),
      /^access log: .*: access record \d+ is (missing or )?altered/,
    ],
  ];
  for (const [what, damage, expected] of damages)
    it(`names the record when one byte of ${what} is changed`, async () => {
      const folder = copy(what.replaceAll(' ', '-'));
      damage(folder);
      const { status, lines } = await fsckOf(folder);
      assert.equal(status, 1, lines.join('\n'));
      assert.match(lines[0], expected);
      assert.equal(lines.length, 1, 'the first one only');
    });

  it('names the resource when one byte of its sealed block is changed', async () => {
    const folder = copy('block');
    flip(path.join(folder, 'blocks', '00000001.car'), -60);
    const { status, lines } = await fsckOf(folder);
    assert.equal(status, 1);
    assert.match(lines[0], /^blocks: Patient\/named\/_history\/1 \(leaf 299\): its content does not open/);
  });

  it('finds a log that the chain does not know, and with --all everything that follows from it', async () => {
    const folder = copy('all');
    flipIn(folder, 'leaf', 3, 5);
    const { status, lines } = await fsckOf(folder, '--all');
    assert.equal(status, 1);
    assert.match(lines[0], /\(leaf 3\): its leaf is/);
    assert.ok(
      lines.some((line) => line.startsWith('tiles: tile/0/000')),
      lines.join('\n'),
    );
    assert.ok(
      lines.some((line) => /^chain: batch 1 of 0x.*: its root is/.test(line)),
      lines.join('\n'),
    );
  });
});

/** @param offset from the end when it is negative. */
function flip(file: string, offset: number): void {
  const bytes = readFileSync(file);
  const at = offset < 0 ? bytes.length + offset : offset;
  bytes[at] ^= 1;
  writeFileSync(file, bytes);
}
