import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { test } from 'node:test';
import { encryptKeystoreJson } from 'ethers';
import { addressOf } from '../../src/chain/signing.js';
import { readKeyFile } from '../../src/wiring/payers.js';
import { tempFolder } from '../suites/temp.js';

const privateKey = `0x${'11'.repeat(32)}`;

async function secret(name: string, text: string, mode = 0o600): Promise<string> {
  const file = path.join(await tempFolder(), name);
  await writeFile(file, text);
  await chmod(file, mode);
  return file;
}

test('the key that pays is read as digits, or out of an encrypted keystore with its password', async () => {
  const plain = readKeyFile(await secret('key', `${privateKey}\n`));
  const account = { address: addressOf(plain), privateKey };
  const keystore = await secret('keystore', await encryptKeystoreJson(account, 'open', { scrypt: { N: 1024 } }));
  assert.deepEqual(readKeyFile(keystore, await secret('password', 'open\n')), plain);
  assert.throws(() => readKeyFile(keystore), /CHAIN_KEY_PASSWORD_FILE/);
});

test('a wrong password, a file that others may read, and a file without a key are refused', async () => {
  const account = { address: addressOf(readKeyFile(await secret('key', privateKey))), privateKey };
  const keystore = await secret('keystore', await encryptKeystoreJson(account, 'open', { scrypt: { N: 1024 } }));
  const wrong = await secret('password', 'shut');
  assert.throws(() => readKeyFile(keystore, wrong), /password/);
  const open = await secret('key', privateKey, 0o644);
  assert.throws(() => readKeyFile(open), /mode 0600/);
  const empty = await secret('key', 'nothing');
  assert.throws(() => readKeyFile(empty), /no private key/);
});
