import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { systemClock } from '../../src/base/clock.js';
import { run as account } from '../../src/cli/account.js';
import { run as app } from '../../src/cli/app.js';
import { Accounts } from '../../src/smart/accounts/accounts.js';
import type { SealedStore } from '../../src/smart/store/sealed-store.js';
import { openKeyRing } from '../../src/vault/file-key-ring.js';
import { openSealedStore } from '../../src/wiring/smart.js';
import { testConfig } from '../e2e/server.js';

describe('mooring account and mooring app', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mooring-cli-'));
  const { DATA_DIR } = process.env;
  const secret = path.join(folder, 'password');
  const keys = path.join(folder, 'jwks.json');
  const quiet = globalThis.console.error;
  let store: SealedStore;

  before(async () => {
    process.env.DATA_DIR = folder;
    globalThis.console.error = () => undefined;
    writeFileSync(secret, 'a long enough password\nanother line\n');
    writeFileSync(keys, JSON.stringify({ keys: [] }));
    store = await openSealedStore(testConfig(folder), await openKeyRing(path.join(folder, 'keys', 'key-ring.json')));
  });
  after(async () => {
    globalThis.console.error = quiet;
    if (DATA_DIR === undefined) delete process.env.DATA_DIR;
    else process.env.DATA_DIR = DATA_DIR;
    await store.close();
    rmSync(folder, { recursive: true });
  });

  const signIn = async (name: string, password: string) =>
    (await new Accounts(store, systemClock).signIn(name, password, '192.0.2.1')).kind;

  it('an account is made once, changed, locked, opened and removed', async () => {
    const add = () => account(['add', 'Ada', '--user', 'Patient/ada', '--password-file', secret]);
    assert.equal(await add(), 0);
    assert.equal(await add(), 2, 'the name is taken');
    assert.equal(await signIn('ada', 'a long enough password'), 'ok');
    assert.equal(await signIn('ADA', 'another line'), 'refused');
    assert.equal(await account(['lock', 'ada']), 0);
    assert.equal(await signIn('ada', 'a long enough password'), 'refused');
    assert.equal(await account(['unlock', 'ada']), 0);
    assert.equal(await signIn('ada', 'a long enough password'), 'ok');
    writeFileSync(secret, 'quite another password');
    assert.equal(await account(['password', 'ada', '--password-file', secret]), 0);
    assert.equal(await signIn('ada', 'a long enough password'), 'refused');
    assert.equal(await signIn('ada', 'quite another password'), 'ok');
    const [{ purpose, patients, fhirUser }] = await new Accounts(store, systemClock).list();
    assert.deepEqual([purpose, patients, fhirUser], ['PATRQT', [], 'Patient/ada']);
    assert.equal(await account(['remove', 'ada']), 0);
    assert.equal(await account(['remove', 'ada']), 2);
  });

  it('what is wrong with an account is refused', async () => {
    writeFileSync(secret, 'short');
    const add = (...more: string[]) => account(['add', 'bob', '--password-file', secret, ...more]);
    assert.equal(await add('--user', 'Patient/bob'), 2, 'a short password');
    writeFileSync(secret, 'a long enough password');
    assert.equal(await add('--user', 'bob'), 2);
    assert.equal(await add('--user', 'Patient/bob', '--role', 'king'), 2);
    assert.equal(await add('--user', 'Patient/bob', '--member', 'clinic'), 2);
    assert.equal(await add('--user', 'Patient/bob', '--role', 'auditor'), 0);
    assert.equal(await account([]), 2);
    assert.equal(await account(['dance', 'bob']), 2);
  });

  it('an app is registered once with what it needs, and refused without', async () => {
    const redirect = ['--redirect', 'https://app.example/cb'];
    assert.equal(await app(['add', 'one', '--name', 'One', ...redirect, '--public']), 0);
    assert.equal(await app(['add', 'one', '--name', 'One', ...redirect, '--public']), 2, 'the id is taken');
    const { value } = (await store.get<Record<string, unknown>>('Client', 'one')) ?? {};
    assert.deepEqual([value?.token_endpoint_auth_method, value?.client_secret], ['none', undefined]);
    assert.equal(await app(['add', 'two', '--name', 'Two']), 2, 'no redirect');
    assert.equal(await app(['add', 'two', ...redirect]), 2, 'no name');
    assert.equal(await app(['add', 'two', '--name', 'Two', ...redirect, '--scope', 'patient/all']), 2);
    assert.equal(await app(['add', 'b', '--name', 'B', '--backend', '--scope', 'system/*.rs']), 2, 'no keys');
    assert.equal(await app(['add', 'b', '--name', 'B', '--backend', '--jwks', keys]), 2, 'no scope');
    assert.equal(
      await app(['add', 'b', '--name', 'B', '--backend', '--jwks', keys, '--scope', 'system/*.rs', '--actor', 'us']),
      2,
    );
    assert.equal(await app(['add', 'b', '--name', 'B', '--backend', '--jwks', keys, '--scope', 'system/*.rs']), 0);
    assert.equal(await app(['remove', 'b']), 0);
    assert.equal(await app(['remove', 'b']), 2);
    assert.equal(await app(['token', '--hours', 'x']), 2);
  });
});
