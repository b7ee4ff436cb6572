import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { ConfigError, readConfig } from '../src/config.js';

describe('readConfig', () => {
  it('decides on the embedded defaults from an empty environment', () => {
    const config = readConfig({});
    assert.deepEqual([config.host, config.port, config.dataDir], ['127.0.0.1', 8080, path.resolve('data')]);
    assert.deepEqual(config.chain, { kind: 'embedded', folder: path.resolve('data/chain') });
    assert.equal(config.consent.defaultPolicy, 'deny');
  });

  it('tells everything that is wrong at once, each with what was found and expected', () => {
    const env = {
      PORT: '99999',
      DEFAULT_CONSENT: 'maybe',
      CHAIN_RPC_URL: 'ftp://x',
      ORGANIZATION: 'us',
      MAX_BODY_MB: '-1',
    };
    assert.throws(
      () => readConfig(env),
      (error) => {
        assert.ok(error instanceof ConfigError);
        assert.equal(error.problems.length, 5);
        assert.match(error.message, /PORT is "99999"; expected a whole number from 0 to 65535/);
        return true;
      },
    );
  });

  it('refuses a chain by URL without its id and key, and takes it with both', () => {
    assert.throws(
      () => readConfig({ CHAIN_RPC_URL: 'http://127.0.0.1:8545' }),
      /CHAIN_ID is missing[^]*CHAIN_KEY_FILE is missing/,
    );
    const { chain } = readConfig({ CHAIN_RPC_URL: 'http://127.0.0.1:8545/', CHAIN_ID: '1337', CHAIN_KEY_FILE: 'key' });
    const url = 'http://127.0.0.1:8545';
    const payer = { kind: 'key', keyFile: path.resolve('key') };
    assert.deepEqual(chain, { kind: 'rpc', url, urls: [url], headUrls: [], chainId: 1337, payer });
    assert.throws(() => readConfig({ CHAIN_ID: '1337' }), ConfigError);
  });

  it('takes WebSocket endpoints beside others, and an external signer in place of a key', () => {
    const [CHAIN_ID, CHAIN_SIGNER_URL] = ['1337', 'http://127.0.0.1:9000'];
    const CHAIN_RPC_URL = 'http://127.0.0.1:8545,ws://127.0.0.1:8546/';
    const [a, b, c] = ['0a', '0b', '0c'].map((byte) => `0x${byte.repeat(20)}`);
    const signer = { CHAIN_RPC_URL, CHAIN_ID, CHAIN_SIGNER_URL, CHAIN_SIGNER_ACCOUNTS: [a, b, c].join() };
    const { chain } = readConfig(signer);
    assert.ok(chain.kind === 'rpc');
    assert.deepEqual([chain.urls, chain.headUrls], [['http://127.0.0.1:8545'], ['ws://127.0.0.1:8546']]);
    assert.deepEqual(chain.payer, { kind: 'signer', url: CHAIN_SIGNER_URL, deployer: a, anchorer: b, publisher: c });
    for (const [env, words] of [
      [{ ...signer, CHAIN_SIGNER_ACCOUNTS: [a, b, b].join() }, /three different addresses/],
      [{ ...signer, CHAIN_KEY_FILE: 'key' }, /both set/],
      [{ ...signer, CHAIN_SIGNER_URL: '', CHAIN_KEY_FILE: 'key' }, /CHAIN_SIGNER_ACCOUNTS is set/],
      [{ ...signer, CHAIN_RPC_URL: 'ws://127.0.0.1:8546' }, /WebSocket endpoints alone/],
      [{ CHAIN_SIGNER_URL }, /CHAIN_RPC_URL is not/],
    ] as const) {
      assert.throws(() => readConfig(env), words);
    }
  });

  it('reads just the variables that the README documents', () => {
    const src = new URL('../../src/', import.meta.url);
    const topics = readdirSync(new URL('config/', src)).map((file) => `config/${file}`);
    const source = ['config.ts', ...topics].map((file) => readFileSync(new URL(file, src), 'utf8')).join('\n');
    const read = new Set([...source.matchAll(/read\.\w+(?:<[^>]*>)?\(\s*'([A-Z_]+)'/g)].map((match) => match[1]));
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
    const documented = new Set([...readme.matchAll(/^\| `([A-Z_]+)`/gm)].map((match) => match[1]));
    assert.deepEqual([...documented].sort(), [...read].sort());
  });
});
