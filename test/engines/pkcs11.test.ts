/** The key ring sealed by a token: SoftHSM, driven by OpenSC's pkcs11-tool, as any other token would be. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { openKeyRing, plainForm } from '../../src/vault/file-key-ring.js';
import { pkcs11Form, type Pkcs11Token } from '../../src/vault/pkcs11-seal.js';
import { keyRingSuite } from '../suites/key-ring.js';
import { tempFolder } from '../suites/temp.js';

const module = ['/usr/lib/softhsm/libsofthsm2.so', '/usr/lib64/softhsm/libsofthsm2.so'].find((file) =>
  existsSync(file),
);
if (module === undefined) throw new Error('SoftHSM is missing: install the packages softhsm2 and opensc');

async function token(): Promise<Pkcs11Token> {
  const folder = await tempFolder();
  await mkdir(path.join(folder, 'tokens'));
  const conf = path.join(folder, 'softhsm2.conf');
  await writeFile(conf, `directories.tokendir = ${path.join(folder, 'tokens')}\nobjectstore.backend = file\n`);
  process.env.SOFTHSM2_CONF = conf;
  const options = { stdio: 'pipe' } as const;
  execFileSync(
    'softhsm2-util',
    ['--init-token', '--free', '--label', 'test', '--pin', '1234', '--so-pin', '5678'],
    options,
  );
  execFileSync(
    'pkcs11-tool',
    [
      '--module',
      module!,
      '--token-label',
      'test',
      '--login',
      '--pin',
      '1234',
      '--keypairgen',
      '--key-type',
      'rsa:2048',
      '--label',
      'mooring',
      '--id',
      '01',
      '--usage-decrypt',
    ],
    options,
  );
  return { module: module!, token: 'test', key: 'mooring', pin: '1234' };
}

const shared = await token();

keyRingSuite('key ring sealed by a token', async () => {
  const folder = await tempFolder();
  const [file, form] = [path.join(folder, 'keys.json'), pkcs11Form(shared)];
  const ring = await openKeyRing(file, form);
  return {
    ring,
    reopen: () => openKeyRing(file, form),
    another: () => openKeyRing(path.join(folder, 'other.json'), form),
    rotate: () => ring.rotate(),
  };
});

describe('a key ring sealed by a token', () => {
  let file: string;
  before(async () => {
    file = path.join(await tempFolder(), 'keys.json');
    await openKeyRing(file, pkcs11Form(shared));
  });

  it('opens with the PIN alone; a wrong PIN, another key and the file by itself do not open it', async () => {
    await openKeyRing(file, pkcs11Form(shared));
    await assert.rejects(openKeyRing(file, pkcs11Form({ ...shared, pin: '9999' })), { name: 'KeyUnavailable' });
    await assert.rejects(openKeyRing(file, pkcs11Form({ ...shared, key: 'other' })), { name: 'KeyUnavailable' });
    await assert.rejects(openKeyRing(file, plainForm), { name: 'KeyUnavailable' });
    const text = await readFile(file, 'utf8');
    assert.doesNotMatch(text, /root/);
  });

  it('says so when the tool is missing', async () => {
    const form = pkcs11Form({ ...shared, tool: '/nowhere/pkcs11-tool' });
    await assert.rejects(openKeyRing(file, form), { name: 'KeyUnavailable', message: /pkcs11-tool is missing/ });
  });
});
