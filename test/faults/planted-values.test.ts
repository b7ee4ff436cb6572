/** Nothing that a resource says, and nothing of its identity, can be found in any file of the store: not in clear, not in hex, not in base64. */
import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { openFileAccessLog } from '../../src/commit/file-access-log.js';
import type { Draft } from '../../src/commit/draft.js';
import { openKeyRing } from '../../src/vault/file-key-ring.js';
import { packTerms } from '../../src/vault/blinder.js';
import { accessRecord } from '../suites/access-log.js';
import { commit, openStore, save, type Store } from '../suites/store.js';
import { tempFolder } from '../suites/temp.js';

const planted = [
  'Zaphodina',
  'plantedsystem',
  'PLANTED-CODE-7',
  'planted-id-1',
  'planted-author',
  '1999-12-31T23:59',
  'planted-patient',
];

function plantedDraft(store: Store): Draft {
  const [family, system, code, id, author, date, patient] = planted as [
    string,
    string,
    string,
    string,
    string,
    string,
    string,
  ];
  const body = {
    resourceType: 'Observation',
    id,
    family,
    system,
    code,
    author,
    date,
    patient,
    long: `${family} `.repeat(300),
  };
  return {
    resourceType: 'Observation',
    id,
    versionId: 1,
    isDeleted: false,
    render: (lastUpdated) => Buffer.from(JSON.stringify({ ...body, lastUpdated })),
    terms: packTerms(planted.map((text) => store.blinder.term(text))),
    links: [{ param: store.blinder.term('subject'), target: store.names.resource('Patient', patient) }],
    patients: [patient],
    attributes: {
      resourceType: 'Observation',
      id,
      patients: [patient],
      securityLabels: [{ system, code }],
      codes: [{ system, code, display: family }],
      author: `Practitioner/${author}`,
    },
    level: 1,
    sortKeys: { date, family },
  };
}

/** The forms in which a text could lie in a file: as it is, in hex, and in base64 at each of the three alignments. */
function formsOf(text: string): string[] {
  const base64 = [0, 1, 2].map((shift) => {
    const whole = Buffer.from(`${'\u0000'.repeat(shift)}${text}`).toString('base64');
    return whole.slice(shift === 0 ? 0 : shift + 1, -4);
  });
  return [text, Buffer.from(text).toString('hex'), Buffer.from(text, 'utf16le').toString('latin1'), ...base64];
}

async function findIn(folder: string, texts: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const file of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!file.isFile()) continue;
    const name = path.join(file.parentPath, file.name);
    const bytes = `${file.name}\n${(await readFile(name)).toString('latin1')}`.toLowerCase();
    for (const text of texts) {
      for (const form of formsOf(text)) if (bytes.includes(form.toLowerCase())) found.push(`${form} in ${file.name}`);
    }
  }
  return found;
}

test('planted values are in no file of block store, catalog, access log and key ring', async () => {
  const folder = await tempFolder();
  const store = await openStore(folder);
  await commit(store, plantedDraft(store));
  await save(store, 'Patient/planted-patient', 'Zaphodina');
  const ring = await openKeyRing(path.join(folder, 'keys.json'));
  const log = await openFileAccessLog(path.join(folder, 'access'), ring.derive('access'));
  await log.append({
    ...accessRecord(1),
    actor: 'Practitioner/planted-author',
    patients: ['planted-patient'],
    entities: ['Observation/planted-id-1/_history/1'],
  });
  await log.close();
  // While the write-ahead log still holds everything, and after it was folded into the database.
  assert.deepEqual(await findIn(folder, planted), []);
  await store.close();
  assert.deepEqual(await findIn(folder, planted), []);
});

test('the search for planted values finds them where they are', async () => {
  const folder = await tempFolder();
  await writeFile(path.join(folder, 'clear'), 'xx Zaphodina yy');
  await writeFile(path.join(folder, 'hex'), `00${Buffer.from('Zaphodina').toString('hex')}`);
  for (const shift of [0, 1, 2])
    await writeFile(
      path.join(folder, `base64-${shift}`),
      Buffer.from(`${'x'.repeat(shift)}Zaphodina and more`).toString('base64'),
    );
  assert.equal(new Set((await findIn(folder, ['Zaphodina'])).map((line) => line.split(' in ')[1])).size, 5);
});
