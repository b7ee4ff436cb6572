/** Keys of patients on the chain: passkeys, delegates, recovery. Each refusal beside what is allowed. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import {
  decodeDelegate,
  decodeRecovery,
  delegationDigest,
  encodeCancelRecovery,
  encodeDelegate,
  encodeDelegateOf,
  encodeFinishRecovery,
  encodeRecoveryOf,
  encodeSetRecovery,
  encodeStartRecovery,
  recoveryCancelDigest,
  recoveryPlanDigest,
  recoveryStartDigest,
} from '../../src/chain/account-statements.js';
import { CallReverted, type Hex } from '../../src/chain/chain.js';
import {
  decodeAccount,
  decodeDecisions,
  encodeAccountOf,
  encodeChangeKey,
  encodeDecideAll,
  encodeFile,
  encodeRevoke,
  filingDigest,
  keyChangeDigest,
  revocationDigest,
  signFiling,
  signRevocation,
} from '../../src/chain/consent-registry.js';
import type { EvmChain } from '../../src/chain/ethers-chain.js';
import { privateKeyFrom } from '../../src/chain/keys.js';
import { type AccountSignature, passkeyName } from '../../src/chain/passkey-signature.js';
import { addressOf, signDigest } from '../../src/chain/signing.js';
import { type DevChain, startDevChain } from '../chain/dev-chain.js';
import { Authenticator } from '../consent/authenticator.js';

const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;
const seed = new Uint8Array(32).fill(6);
const key = (name: string) => privateKeyFrom(seed, name);
const DEADLINE = 4_000_000_000;
const POLICY: Hex = `0x${'ab'.repeat(32)}`;
const ACTOR = 'cd'.repeat(16);
const word = (value: bigint): Hex => `0x${value.toString(16).padStart(64, '0')}`;

describe('accounts of patients', () => {
  let dev: DevChain;
  let relay: EvmChain;
  let registry: Hex;
  let domain: { chainId: number; contract: Hex };
  let patients = 0;

  before(async () => {
    dev = await startDevChain();
    relay = dev.chainOf();
    registry = dev.contracts.consentRegistry;
    domain = { chainId: dev.contracts.chainId, contract: registry };
  });
  after(() => dev.stop());

  const newPatient = () => word(0xabcdn + BigInt((patients += 1)));
  const account = async (patient: Hex) => decodeAccount(await relay.call(registry, encodeAccountOf(patient)));
  const send = (data: Hex) => dev.transact(relay, registry, data);
  const now = async () => (await relay.head()).timestamp;

  async function refused(data: Hex, error: RegExp): Promise<void> {
    await assert.rejects(send(data), (problem) => {
      assert.ok(problem instanceof CallReverted);
      assert.match(problem.message, error);
      return true;
    });
  }

  async function filed(signer: Uint8Array = key('patient')): Promise<Hex> {
    const patient = newPatient();
    const filing = { patient, policy: POLICY, index: 0, deadline: DEADLINE };
    await send(encodeFile(filing, signFiling(signer, domain, filing)));
    return patient;
  }

  describe('passkeys', () => {
    it('file, revoke and hand over, as a key of their own', async () => {
      const passkey = new Authenticator();
      const patient = newPatient();
      const filing = { patient, policy: POLICY, index: 0, deadline: DEADLINE };
      await send(encodeFile(filing, passkey.sign(filingDigest(domain, filing))));
      assert.deepEqual(await account(patient), { key: passkeyName(passkey.point), filings: 1 });
      await refused(
        encodeRevoke({ ...filing }, new Authenticator().sign(revocationDigest(domain, filing))),
        /^ConsentRegistryNotActive/,
      );
      const next = { patient, key: addressOf(key('wallet')), index: 1, deadline: DEADLINE };
      const handOver = passkey.sign(keyChangeDigest(domain, next));
      await send(encodeChangeKey({ ...next, policies: [POLICY] }, handOver));
      assert.equal((await account(patient)).key, addressOf(key('wallet')));
      await refused(encodeRevoke(filing, passkey.sign(revocationDigest(domain, filing))), /^ConsentRegistryNotActive/);
      await send(encodeRevoke(filing, signRevocation(key('wallet'), domain, filing)));
    });

    it('revoke what they filed, once', async () => {
      const passkey = new Authenticator();
      const filing = { patient: newPatient(), policy: POLICY, index: 0, deadline: DEADLINE };
      await send(encodeFile(filing, passkey.sign(filingDigest(domain, filing))));
      const data = encodeRevoke(filing, passkey.sign(revocationDigest(domain, filing)));
      await send(data);
      await refused(data, /^ConsentRegistryNotActive/);
    });

    it('are refused for another challenge, ceremony, unverified user, altered data or the other s', async () => {
      const passkey = new Authenticator();
      const filing = { patient: newPatient(), policy: POLICY, index: 0, deadline: DEADLINE };
      const digest = filingDigest(domain, filing);
      const good = passkey.sign(digest);
      const wrong: AccountSignature[] = [
        passkey.sign(filingDigest(domain, { ...filing, index: 1 })),
        passkey.sign(filingDigest({ ...domain, chainId: 1 }, filing)),
        passkey.sign(filingDigest({ ...domain, contract: dev.contracts.anchorLog }, filing)),
        passkey.sign(digest, { type: 'webauthn.create' }),
        passkey.sign(digest, { flags: 0x01 }),
        passkey.sign(digest, { flags: 0x04 }),
        { ...good, ...new Authenticator().point },
        { ...good, clientDataJSON: good.clientDataJSON.replace('localhost', 'localhosT') },
        { ...good, authenticatorData: `${good.authenticatorData.slice(0, -1)}2` as Hex },
        { ...good, s: word(P256_ORDER - BigInt(good.s)) },
        { ...good, r: word(0n) },
      ];
      for (const signature of wrong) await refused(encodeFile(filing, signature), /^ConsentRegistryInvalidSignature/);
      await send(encodeFile(filing, good));
      await refused(encodeFile(filing, good), /^ConsentRegistryInvalidSignature/);
    });
  });

  describe('delegates', () => {
    async function delegation(patient: Hex, signer: Uint8Array | Authenticator, changes: object = {}): Promise<Hex> {
      const { filings: index } = await account(patient);
      const until = (await now()) + 1_000;
      const who = { key: addressOf(key('delegate')), actor: ACTOR };
      const statement = { patient, ...who, until, index, deadline: DEADLINE, ...changes };
      const digest = delegationDigest(domain, statement);
      const signature = signer instanceof Authenticator ? signer.sign(digest) : signDigest(signer, digest);
      return encodeDelegate(statement, signature);
    }

    const filing = async (patient: Hex) => ({
      patient,
      policy: POLICY,
      index: (await account(patient)).filings,
      deadline: DEADLINE,
    });

    it('file and revoke for the patient, and do not hand over her account', async () => {
      const patient = await filed();
      const early = await filing(patient);
      await refused(encodeFile(early, signFiling(key('delegate'), domain, early)), /^ConsentRegistryNotKey/);
      await refused(await delegation(patient, key('stranger')), /^ConsentRegistryNotKey/);
      await send(await delegation(patient, key('patient')));
      const next = await filing(patient);
      await refused(encodeFile(next, signFiling(key('stranger'), domain, next)), /^ConsentRegistryNotKey/);
      await send(encodeFile(next, signFiling(key('delegate'), domain, next)));
      await refused(encodeRevoke(next, signRevocation(key('stranger'), domain, next)), /^ConsentRegistryNotActive/);
      await send(encodeRevoke(next, signRevocation(key('delegate'), domain, next)));
      const change = { patient, key: addressOf(key('delegate')), index: 3, deadline: DEADLINE };
      const signature = signDigest(key('delegate'), keyChangeDigest(domain, change));
      await refused(encodeChangeKey({ ...change, policies: [POLICY] }, signature), /^ConsentRegistryNotKey/);
    });

    it('may be the first that a patient says: her key is bound as by a filing, through a relay alone', async () => {
      const stranger = dev.chainOf(dev.keys.anchorer);
      const byStranger = (data: Hex) => dev.transact(stranger, registry, data);
      const [patient, other] = [newPatient(), newPatient()];
      const first = await delegation(patient, key('patient'));
      await assert.rejects(byStranger(first), /ConsentRegistryNotRelay/);
      await refused(await delegation(patient, key('patient'), { index: 1, deadline: 1 }), /^ConsentRegistryExpired/);
      await send(first);
      assert.deepEqual(await account(patient), { key: addressOf(key('patient')), filings: 1 });
      await refused(await delegation(patient, key('stranger')), /^ConsentRegistryNotKey/);
      const filedByHer = await filing(patient);
      await send(encodeFile(filedByHer, signFiling(key('patient'), domain, filedByHer)));

      const plan = { patient: other, key: addressOf(key('guardians')), delayS: 60, index: 0, deadline: DEADLINE };
      const passkey = new Authenticator();
      const named = encodeSetRecovery(plan, passkey.sign(recoveryPlanDigest(domain, plan)));
      await assert.rejects(byStranger(named), /ConsentRegistryNotRelay/);
      await send(named);
      assert.deepEqual(await account(other), { key: passkeyName(passkey.point), filings: 1 });
      const next = { patient: newPatient(), key: addressOf(key('wallet')), index: 0, deadline: DEADLINE };
      const handOver = signDigest(key('patient'), keyChangeDigest(domain, next));
      await refused(encodeChangeKey({ ...next, policies: [] }, handOver), /^ConsentRegistryNotKey/);
    });

    it('act until the second that was named, and are treated as the patient until then', async () => {
      const patient = await filed();
      const until = (await now()) + 100;
      await send(await delegation(patient, key('patient'), { until }));
      const asked = (time: number, actor = ACTOR) => ({
        patient,
        implicitPolicy: 'deny' as const,
        policies: [new Uint8Array(0)],
        withdrawn: [],
        pending: [],
        requests: [
          { time, dataStart: 0, dataEnd: 0, confidentiality: 3, relation: 8, actor, terms: new Uint8Array(0) },
        ],
      });
      const decide = async (time: number, actor?: string) => {
        const data = await relay.call(registry, encodeDecideAll([asked(time, actor)]));
        return decodeDecisions(data).decisions[0]?.reason;
      };
      assert.equal(await decide(1000 * until - 1), 'delegate');
      assert.equal(await decide(1000 * until), 'unknown-policy');
      assert.equal(await decide(1000 * until - 1, 'ef'.repeat(16)), 'unknown-policy');
      const known = decodeDelegate(
        await relay.call(registry, encodeDelegateOf(patient, addressOf(key('delegate')), ACTOR)),
      );
      assert.deepEqual(known, { keyUntil: until, actorUntil: until });
      // Ended by the patient before its time.
      await send(await delegation(patient, key('patient'), { until: 0 }));
      assert.equal(await decide(1000 * until - 1), 'unknown-policy');
    });

    it('no longer act when their time is over by the clock of the chain', async () => {
      const patient = await filed();
      await send(await delegation(patient, key('patient'), { until: await now() }));
      const next = await filing(patient);
      await refused(encodeFile(next, signFiling(key('delegate'), domain, next)), /^ConsentRegistryNotKey/);
    });

    it('end with the key that made them, and cannot be made again by a replay', async () => {
      const patient = await filed();
      const data = await delegation(patient, key('patient'));
      await send(data);
      await refused(data, /^ConsentRegistryNotKey/);
      const change = { patient, key: addressOf(key('new')), index: 2, deadline: DEADLINE };
      const signature = signDigest(key('patient'), keyChangeDigest(domain, change));
      await send(encodeChangeKey({ ...change, policies: [POLICY] }, signature));
      const next = await filing(patient);
      await refused(encodeFile(next, signFiling(key('delegate'), domain, next)), /^ConsentRegistryNotKey/);
      await send(encodeFile(next, signFiling(key('new'), domain, next)));
    });

    it('are made by passkeys too, and refused after the deadline', async () => {
      const passkey = new Authenticator();
      const first = { patient: newPatient(), policy: POLICY, index: 0, deadline: DEADLINE };
      await send(encodeFile(first, passkey.sign(filingDigest(domain, first))));
      await refused(await delegation(first.patient, new Authenticator()), /^ConsentRegistryNotKey/);
      await refused(await delegation(first.patient, passkey, { deadline: 1 }), /^ConsentRegistryExpired/);
      await send(await delegation(first.patient, passkey));
      const next = await filing(first.patient);
      await send(encodeFile(next, signFiling(key('delegate'), domain, next)));
    });
  });

  describe('recovery', () => {
    const recoveryKey = key('recovery');

    async function planned(delayS: number): Promise<Hex> {
      const patient = await filed();
      const plan = { patient, key: addressOf(recoveryKey), delayS, index: 1, deadline: DEADLINE };
      const stranger = signDigest(key('stranger'), recoveryPlanDigest(domain, plan));
      await refused(encodeSetRecovery(plan, stranger), /^ConsentRegistryNotKey/);
      await send(encodeSetRecovery(plan, signDigest(key('patient'), recoveryPlanDigest(domain, plan))));
      return patient;
    }

    async function started(patient: Hex, signer = recoveryKey, deadline = DEADLINE): Promise<Hex> {
      const { filings: index } = await account(patient);
      const start = { patient, next: addressOf(key('next')), index, deadline };
      return encodeStartRecovery(start, signDigest(signer, recoveryStartDigest(domain, start)));
    }

    it('replaces a lost key once the delay is over, with all policies, and uses up the recovery key', async () => {
      const patient = await planned(2);
      await refused(encodeFinishRecovery(patient, [POLICY]), /^ConsentRegistryNoRecovery/);
      await refused(await started(patient, key('patient')), /^ConsentRegistryNotRecoveryKey/);
      await refused(await started(patient, recoveryKey, 1), /^ConsentRegistryExpired/);
      const start = await started(patient);
      await send(start);
      await refused(start, /^ConsentRegistryNotRecoveryKey/);
      const { readyAt = 0 } = decodeRecovery(await relay.call(registry, encodeRecoveryOf(patient)));
      await refused(encodeFinishRecovery(patient, [POLICY]), /^ConsentRegistryTooEarly/);
      while (Math.floor(Date.now() / 1000) < readyAt) await new Promise((resolve) => setTimeout(resolve, 50));
      await refused(encodeFinishRecovery(patient, []), /^ConsentRegistryPoliciesIncomplete/);
      await send(encodeFinishRecovery(patient, [POLICY]));
      assert.equal((await account(patient)).key, addressOf(key('next')));
      const revocation = { patient, policy: POLICY, index: 0 };
      await refused(
        encodeRevoke(revocation, signRevocation(key('patient'), domain, revocation)),
        /^ConsentRegistryNotActive/,
      );
      await send(encodeRevoke(revocation, signRevocation(key('next'), domain, revocation)));
      assert.deepEqual(decodeRecovery(await relay.call(registry, encodeRecoveryOf(patient))), { delayS: 0 });
      await refused(await started(patient), /^ConsentRegistryNotRecoveryKey/);
    });

    it('is cancelled by the present key while the delay runs, by nobody else', async () => {
      const patient = await planned(3_600);
      const cancel = async (signer: Uint8Array) => {
        const { filings: index } = await account(patient);
        return encodeCancelRecovery(patient, signDigest(signer, recoveryCancelDigest(domain, { patient, index })));
      };
      await refused(await cancel(key('patient')), /^ConsentRegistryNoRecovery/);
      await send(await started(patient));
      await refused(await cancel(key('stranger')), /^ConsentRegistryNotKey/);
      await send(await cancel(key('patient')));
      await refused(encodeFinishRecovery(patient, [POLICY]), /^ConsentRegistryNoRecovery/);
      assert.equal((await account(patient)).key, addressOf(key('patient')));
    });

    it('is not possible where the patient named no recovery key', async () => {
      const patient = await filed();
      await refused(await started(patient), /^ConsentRegistryNotRecoveryKey/);
    });
  });
});
