/** What wallets and passkeys sign: the typed data hashes to what the contract hashes, and signatures are read and checked as it does. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { TypedDataEncoder, Wallet } from 'ethers';
import { isOfOrigin, passkeyPoint, readAccountSignature, signerOf } from '../../src/chain/account-signature.js';
import {
  type AccountStatement,
  statementDigest,
  type TypedData,
  typedDataOf,
} from '../../src/chain/account-typed-data.js';
import type { Hex } from '../../src/chain/chain.js';
import { passkeyName } from '../../src/chain/passkey-signature.js';
import { Authenticator } from '../consent/authenticator.js';

const domain = { chainId: 31337, contract: '0x5fbdb2315678afecb367f032d93f642f64180aa3' as Hex };
const patient: Hex = `0x${'1a'.repeat(32)}`;
const key: Hex = `0x${'2b'.repeat(20)}`;
const shared = { patient, index: 3, deadline: 4_000_000_000 };
const filing = { kind: 'file', ...shared, policy: `0x${'3c'.repeat(32)}` } as const;

const statements: readonly AccountStatement[] = [
  filing,
  { kind: 'revoke', patient, policy: `0x${'3c'.repeat(32)}`, index: 3 },
  { kind: 'change-key', ...shared, key },
  { kind: 'delegate', ...shared, until: 4_000_000_001, key, actor: '4d'.repeat(16) },
  { kind: 'delegate', ...shared, until: 0 },
  { kind: 'set-recovery', ...shared, key, delayS: 60 },
  { kind: 'set-recovery', ...shared, delayS: 0 },
  { kind: 'recover', ...shared, next: key },
  { kind: 'cancel-recovery', patient, index: 3 },
];

/** ethers adds the domain's own struct itself. */
function structsIn(types: TypedData['types']): Record<string, { name: string; type: string }[]> {
  const structs = Object.entries(types).filter(([name]) => name !== 'EIP712Domain');
  return Object.fromEntries(structs.map(([name, members]) => [name, [...members]]));
}

describe('statements of a patient’s key', () => {
  it('are the same 32 bytes to a wallet, a passkey and the contract', () => {
    for (const statement of statements) {
      const { domain: name, types, primaryType, message } = typedDataOf(domain, statement);
      const hash = TypedDataEncoder.hash(name, structsIn(types), message);
      assert.equal(hash, `0x${Buffer.from(statementDigest(domain, statement)).toString('hex')}`, primaryType);
    }
  });

  it('name the wallet that signed them, in either form of the signature, and nobody for another statement', async () => {
    const wallet = new Wallet(`0x${'5e'.repeat(32)}`);
    const { domain: name, types, message } = typedDataOf(domain, filing);
    const text = await wallet.signTypedData(name, structsIn(types), message);
    const signature = readAccountSignature(text);
    const address = wallet.address.toLowerCase();
    assert.equal(signerOf(statementDigest(domain, filing), signature), address);
    assert.notEqual(signerOf(statementDigest(domain, { ...filing, index: 4 }), signature), address);
    for (const broken of ['0x1234', 'signed', `0x${'f'.repeat(130)}`, '{}', '{"response":{}}']) {
      assert.throws(() => readAccountSignature(broken), RangeError);
    }
  });

  it('name the passkey that signed them, with its user verified, for this challenge and on a page that is trusted', () => {
    const passkey = new Authenticator('example.org', 'https://portal.example.org');
    const point = passkeyPoint(passkey.publicKeyDer);
    const digest = statementDigest(domain, filing);
    const read = (changes: Parameters<Authenticator['json']>[1] = {}) =>
      readAccountSignature(passkey.json(digest, changes), point);
    const trusts = (origin: string) => origin === 'https://portal.example.org';
    assert.equal(signerOf(digest, read()), passkeyName(passkey.point));
    assert.equal(isOfOrigin(read(), trusts), true);
    assert.equal(signerOf(randomBytes(32), read()), undefined, 'another challenge');
    assert.equal(signerOf(digest, read({ type: 'webauthn.create' })), undefined, 'no assertion');
    assert.equal(signerOf(digest, read({ flags: 0x01 })), undefined, 'the user was not verified');
    const other = new Authenticator();
    assert.equal(signerOf(digest, { ...read(), ...other.point }), undefined, 'another key');
    assert.equal(isOfOrigin(read({ origin: 'https://evil.example' }), trusts), false);
    assert.equal(isOfOrigin(read({ rpId: 'evil.example' }), trusts), false);
    assert.throws(() => readAccountSignature(passkey.json(digest)), /public key is not known/);
    assert.throws(() => passkeyPoint(passkey.publicKeyDer.subarray(1)), RangeError);
    assert.throws(() => passkeyPoint(Buffer.concat([passkey.publicKeyDer.subarray(0, -1), Buffer.of(0)])), RangeError);
  });
});
