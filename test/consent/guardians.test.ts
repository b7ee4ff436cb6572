/** Guardians: k of n give a key back, k-1 learn nothing; a lost key is replaced on the chain. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import {
  encodeFinishRecovery,
  encodeSetRecovery,
  encodeStartRecovery,
  recoveryPlanDigest,
  recoveryStartDigest,
} from '../../src/chain/account-statements.js';
import type { Hex } from '../../src/chain/chain.js';
import { decodeAccount, encodeAccountOf, encodeFile, filingDigest } from '../../src/chain/consent-registry.js';
import { privateKeyFrom } from '../../src/chain/keys.js';
import { passkeyName } from '../../src/chain/passkey-signature.js';
import { addressOf, signDigest } from '../../src/chain/signing.js';
import { GuardianShareError, aboutShare, joinShares, splitKey } from '../../src/consent/guardians.js';
import { type DevChain, startDevChain } from '../chain/dev-chain.js';
import { Authenticator } from './authenticator.js';

const makeKey = () => privateKeyFrom(randomBytes(32), 'guardians');

describe('guardians', () => {
  let dev: DevChain;
  before(async () => (dev = await startDevChain()));
  after(() => dev.stop());

  it('give the key back by any three of five, and not by two', async () => {
    const key = makeKey();
    const shares = await splitKey(key, 5, 3);
    for (const picked of [
      [0, 1, 2],
      [4, 2, 0],
      [1, 3, 4],
      [0, 1, 2, 3, 4],
    ]) {
      assert.deepEqual(await joinShares(picked.map((i) => shares[i] ?? '')), key);
    }
    await assert.rejects(joinShares(shares.slice(0, 2)), /3 different shares are needed, 2 are given/);
    await assert.rejects(joinShares([shares[0] ?? '', shares[0] ?? '', shares[0] ?? '']), /1 are given/);
  });

  it('learn nothing from one share fewer: every value of a byte of the key stays possible', async () => {
    // For one byte: two points of a random quadratic say nothing of its value at zero. Over many splits of the same key the shares of the
    // same two guardians take all values, and none of them is more frequent for one key than for another.
    const seen = [new Set<number>(), new Set<number>()];
    for (const [which, key] of [makeKey(), makeKey()].entries()) {
      for (let i = 0; i < 700; i += 1) {
        const [share = ''] = await splitKey(key, 3, 3);
        seen[which]?.add(Buffer.from(share.split('.')[5] ?? '', 'base64url')[0] ?? 0);
      }
    }
    for (const values of seen) assert.ok(values.size > 205, `only ${values.size} of 256 values were seen`);
  });

  it('get their shares from the command line, which joins them again', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'guardians-'));
    const mooring = (...args: string[]) =>
      promisify(execFile)(process.execPath, [path.resolve('bin/mooring.mjs'), 'guardians', ...args]);
    const share = (n: number) => path.join(folder, `share-${n}.txt`);
    try {
      const { stdout: address } = await mooring('split', '--out', folder, '--shares', '3', '--threshold', '2');
      const joined = path.join(folder, 'joined.key');
      await assert.rejects(mooring('join', '--out', joined, share(2)), /2 different shares are needed/);
      assert.equal((await mooring('join', '--out', joined, share(2), share(3))).stdout, address);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('are told of damaged, foreign and forged shares', async () => {
    const [mine, other] = [await splitKey(makeKey(), 3, 2), await splitKey(makeKey(), 3, 2)];
    const [one = '', two = '', three = ''] = mine;
    assert.deepEqual(await joinShares([one, two]), await joinShares([two, three]));
    const slip = one.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
    await assert.rejects(joinShares([slip, two]), GuardianShareError);
    await assert.rejects(joinShares([one, other[1] ?? '']), /different keys/);
    await assert.rejects(joinShares(['something', two]), /no share of a guardian/);
    assert.equal(aboutShare(one).threshold, 2);
    await assert.rejects(splitKey(makeKey(), 3, 4), RangeError);
    await assert.rejects(splitKey(makeKey(), 3, 1), RangeError);
  });

  it('replace a lost passkey: the recovery key comes out of three shares, and hands the account to a new key', async () => {
    const relay = dev.chainOf();
    const registry = dev.contracts.consentRegistry;
    const domain = { chainId: dev.contracts.chainId, contract: registry };
    const send = (data: Hex) => dev.transact(relay, registry, data);
    const [passkey, recoveryKey, next] = [new Authenticator(), makeKey(), makeKey()];
    const patient: Hex = `0x${'1f'.repeat(32)}`;
    const policy: Hex = `0x${'2e'.repeat(32)}`;
    const deadline = 4_000_000_000;
    const filing = { patient, policy, index: 0, deadline };
    await send(encodeFile(filing, passkey.sign(filingDigest(domain, filing))));
    const plan = { patient, key: addressOf(recoveryKey), delayS: 0, index: 1, deadline };
    await send(encodeSetRecovery(plan, passkey.sign(recoveryPlanDigest(domain, plan))));
    const shares = await splitKey(recoveryKey, 5, 3);
    recoveryKey.fill(0);
    const account = async () => decodeAccount(await relay.call(registry, encodeAccountOf(patient)));
    assert.equal((await account()).key, passkeyName(passkey.point));

    const joined = await joinShares([shares[4] ?? '', shares[1] ?? '', shares[2] ?? '']);
    const start = { patient, next: addressOf(next), index: 2, deadline };
    await send(encodeStartRecovery(start, signDigest(joined, recoveryStartDigest(domain, start))));
    await send(encodeFinishRecovery(patient, [policy]));
    assert.equal((await account()).key, addressOf(next));
  });
});
