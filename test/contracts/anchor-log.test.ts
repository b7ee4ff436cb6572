import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Interface, N, Signature, toBeHex } from 'ethers';
import {
  type AttestationSignature,
  type HeadStatement,
  decodeBoolean,
  decodeHead,
  decodeHeadAnchored,
  encodeAnchor,
  encodeDispute,
  encodeHeadCall,
  encodeIsRatified,
  encodeIsValidator,
  headDigest,
  recoverHeadSigner,
  signHead,
} from '../../src/chain/anchor-log.js';
import { artifact } from '../../src/chain/artifacts.js';
import { CallReverted, type Hex } from '../../src/chain/chain.js';
import type { EvmChain } from '../../src/chain/ethers-chain.js';
import { privateKeyFrom } from '../../src/chain/keys.js';
import { addressOf } from '../../src/chain/signing.js';
import { type DevChain, PROFILE_SET, startDevChain } from '../chain/dev-chain.js';

const EMPTY_ROOT: Hex = '0xe3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855';
const root = (n: number): Hex => `0x${(n + 0x1234567).toString(16).padStart(64, '7')}`;
const validatorKeys = Array.from({ length: 4 }, (_, i) => privateKeyFrom(new Uint8Array(32).fill(9), `validator ${i}`));
const strangerKey = privateKeyFrom(new Uint8Array(32).fill(9), 'stranger');
const networkAbi = new Interface(JSON.stringify(artifact('Network').abi));
const anchorAbi = new Interface(JSON.stringify(artifact('AnchorLog').abi));

describe('AnchorLog with four validators', () => {
  let dev: DevChain;
  let relay: EvmChain;
  let log: Hex;
  let domain: { chainId: number; contract: Hex };

  before(async () => {
    dev = await startDevChain(validatorKeys.map(addressOf));
    relay = dev.chainOf(dev.keys.anchorer);
    log = dev.contracts.anchorLog;
    domain = { chainId: dev.contracts.chainId, contract: log };
  });
  after(() => dev.stop());

  const stored = async () => decodeHead(await relay.call(log, encodeHeadCall()));

  /** The statement that extends the stored head by `leaves`, with anything changed. */
  async function statement(changes: Partial<HeadStatement> = {}, leaves = 1000): Promise<HeadStatement> {
    const head = await stored();
    return {
      root: root(head.size + leaves),
      size: head.size + leaves,
      prevRoot: head.root,
      prevSize: head.size,
      profileSet: PROFILE_SET,
      receiptsRoot: root(99),
      leastLevel: 1,
      epoch: head.epoch,
      ...changes,
    };
  }

  const signAll = (head: HeadStatement, keys = validatorKeys.slice(0, 3)) =>
    keys.map((key) => signHead(key, domain, head));

  const anchor = (head: HeadStatement, signatures: readonly AttestationSignature[]) =>
    dev.transact(relay, log, encodeAnchor(head, signatures));

  /** Asserts that `anchor` is refused with the error, and that the head stays. */
  async function refused(head: HeadStatement, signatures: readonly AttestationSignature[], error: RegExp) {
    const before = await stored();
    await assert.rejects(anchor(head, signatures), (problem) => {
      assert.ok(problem instanceof CallReverted);
      assert.match(problem.message, error);
      return true;
    });
    assert.deepEqual(await stored(), before);
  }

  const govern = (target: Hex, action: string) =>
    dev.transact(
      dev.chainOf(dev.keys.deployer),
      dev.contracts.network,
      networkAbi.encodeFunctionData('propose', [target, action]) as Hex,
    );

  it('starts with the head of the empty log, epoch 1 and a quorum of floor(2N/3)+1', async () => {
    const empty = { root: EMPTY_ROOT, size: 0, batch: 0, epoch: 1, validatorCount: 4, quorum: 3, paused: false };
    assert.deepEqual(await stored(), empty);
  });

  it('computes the digest that validators sign as TypeScript does', async () => {
    const head = await statement();
    const data = anchorAbi.encodeFunctionData('digestOf', [head]) as Hex;
    assert.equal(await relay.call(log, data), `0x${Buffer.from(headDigest(domain, head)).toString('hex')}`);
    const [signature] = signAll(head);
    assert.equal(recoverHeadSigner(domain, head, signature as AttestationSignature), signature?.signer);
  });

  it('stores an extension that a quorum signed, and tells it in an event', async () => {
    const head = await statement();
    const receipt = await anchor(head, signAll(head));
    assert.equal(receipt.status, 'success');
    const after = await stored();
    assert.deepEqual([after.root, after.size, after.batch], [head.root, head.size, 1]);
    const [event] = await relay.logs(log, receipt.blockNumber, receipt.blockNumber);
    assert.ok(event);
    assert.deepEqual(decodeHeadAnchored(event), { ...head, batch: 1 });
  });

  it('takes the signatures of all validators as well as of just enough', async () => {
    const head = await statement();
    assert.equal((await anchor(head, signAll(head, validatorKeys))).status, 'success');
  });

  it('refuses one signature less than the quorum', async () => {
    const head = await statement();
    await refused(head, signAll(head, validatorKeys.slice(0, 2)), /^AnchorLogQuorumMissing\(2, 3\)$/);
  });

  it('refuses the same validator twice, also with the signatures in order', async () => {
    const head = await statement();
    const [one, two] = signAll(head) as [AttestationSignature, AttestationSignature];
    await refused(head, [one, two, two], /^AnchorLogSignersNotSorted/);
  });

  it('refuses signatures that are not sorted by signer', async () => {
    const head = await statement();
    const sorted = signAll(head).sort((a, b) => (a.signer < b.signer ? -1 : 1));
    const data = anchorAbi.encodeFunctionData('anchor', [head, [...sorted].reverse()]) as Hex;
    await assert.rejects(dev.transact(relay, log, data), /AnchorLogSignersNotSorted/);
  });

  it('refuses a signer who is no validator, even beside a quorum', async () => {
    const head = await statement();
    await refused(head, signAll(head, [...validatorKeys, strangerKey]), /^AnchorLogNotValidator/);
  });

  it('refuses a malleable signature (the high s of the same point)', async () => {
    const head = await statement();
    const signatures = signAll(head);
    const [first] = signatures as [AttestationSignature];
    const { s, yParity } = Signature.from({ r: first.r, yParityAndS: first.vs });
    const highS = N - BigInt(s);
    // A high s of 256 bits does not fit EIP-2098; where it does, the other parity goes with it.
    const vs = toBeHex((BigInt(1 - yParity) << 255n) | (highS & ((1n << 255n) - 1n)), 32) as Hex;
    await refused(
      head,
      [{ ...first, vs }, ...signatures.slice(1)],
      /^AnchorLog(InvalidSignature|NotValidator|SignersNotSorted)/,
    );
  });

  it('refuses signatures for another chain, another contract and another statement', async () => {
    const head = await statement();
    const elsewhere = [
      { ...domain, chainId: 1 },
      { ...domain, contract: dev.contracts.network },
    ];
    for (const foreign of elsewhere) {
      const signatures = validatorKeys.slice(0, 3).map((key) => signHead(key, foreign, head));
      await refused(head, signatures, /^AnchorLog(NotValidator|SignersNotSorted|InvalidSignature)/);
    }
    const others = signAll(await statement({ leastLevel: 3 }));
    await refused(head, others, /^AnchorLog(NotValidator|SignersNotSorted|InvalidSignature)/);
  });

  it('refuses a replay, a fork, a shrunk log and a gap', async () => {
    const head = await statement();
    const signatures = signAll(head);
    await anchor(head, signatures);
    await refused(head, signatures, /^AnchorLogNotExtension/);
    const fork = await statement({ prevRoot: root(5) });
    await refused(fork, signAll(fork), /^AnchorLogNotExtension/);
    const gap = await statement({ prevSize: head.size + 1 });
    await refused(gap, signAll(gap), /^AnchorLogNotExtension/);
    const same = await statement({ size: head.size });
    await refused(same, signAll(same), /^AnchorLogNotGrown/);
    const shrunk = await statement({ size: head.size - 1 });
    await refused(shrunk, signAll(shrunk), /^AnchorLogNotGrown/);
  });

  it('refuses a ProfileSet that the members did not ratify, and takes it once they did', async () => {
    const profileSet = root(77);
    const head = await statement({ profileSet });
    await refused(head, signAll(head), /^AnchorLogProfileSetNotRatified/);
    await govern(log, anchorAbi.encodeFunctionData('ratifyProfileSet', [profileSet]));
    assert.equal(decodeBoolean(await relay.call(log, encodeIsRatified(profileSet))), true);
    assert.equal((await anchor(head, signAll(head))).status, 'success');
  });

  it('stops while paused and goes on afterwards', async () => {
    const head = await statement();
    await govern(log, anchorAbi.encodeFunctionData('setPaused', [true]));
    await refused(head, signAll(head), /^AnchorLogPaused/);
    await govern(log, anchorAbi.encodeFunctionData('setPaused', [false]));
    assert.equal((await anchor(head, signAll(head))).status, 'success');
  });

  it('lets nobody but the network change validators, ProfileSets or the pause', async () => {
    for (const [name, args] of [
      ['changeValidators', [[addressOf(strangerKey)], []]],
      ['ratifyProfileSet', [root(1)]],
      ['setPaused', [true]],
    ] as const) {
      const data = anchorAbi.encodeFunctionData(name, args) as Hex;
      await assert.rejects(dev.transact(relay, log, data), /AnchorLogNotNetwork/);
    }
  });

  it('no longer counts a validator whom the members removed, nor statements of the epoch before', async () => {
    const early = await statement();
    const removed = validatorKeys[3] as Uint8Array;
    await govern(
      log,
      anchorAbi.encodeFunctionData('changeValidators', [[addressOf(strangerKey)], [addressOf(removed)]]),
    );
    assert.equal(decodeBoolean(await relay.call(log, encodeIsValidator(addressOf(removed)))), false);
    await refused(early, signAll(early), /^AnchorLogWrongEpoch\(1, 2\)$/);
    const head = await statement();
    await refused(head, signAll(head, [...validatorKeys.slice(0, 2), removed]), /^AnchorLogNotValidator/);
    assert.equal((await anchor(head, signAll(head, [...validatorKeys.slice(0, 2), strangerKey]))).status, 'success');
    await govern(
      log,
      anchorAbi.encodeFunctionData('changeValidators', [[addressOf(removed)], [addressOf(strangerKey)]]),
    );
  });

  it('removes a validator who signed two roots for one size, and nobody who signed the same root twice', async () => {
    const [liar] = validatorKeys as [Uint8Array];
    const one = await statement();
    const twin = { ...one, receiptsRoot: root(3), leastLevel: 0 };
    const data = encodeDispute(one, signHead(liar, domain, one), twin, signHead(liar, domain, twin));
    await assert.rejects(dev.transact(relay, log, data), /AnchorLogNoConflict/);

    const other = { ...one, root: root(4) };
    const [mine, theirs] = [signHead(liar, domain, one), signHead(validatorKeys[1] as Uint8Array, domain, other)];
    await assert.rejects(
      dev.transact(relay, log, encodeDispute(one, mine, other, theirs)),
      /AnchorLogDifferentSigners/,
    );

    // The second statement's past contradicts the first one's root.
    const later = { ...one, prevSize: one.size, prevRoot: root(6), size: one.size + 10, root: root(8) };
    const proof = encodeDispute(one, mine, later, signHead(liar, domain, later));
    assert.equal((await dev.transact(relay, log, proof)).status, 'success');
    assert.equal(decodeBoolean(await relay.call(log, encodeIsValidator(addressOf(liar)))), false);
    const after = await stored();
    assert.deepEqual([after.validatorCount, after.quorum], [3, 3]);
    await assert.rejects(dev.transact(relay, log, proof), /AnchorLogNotValidator/);
  });
});
