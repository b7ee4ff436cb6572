import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Interface, N, Signature, toBeHex } from 'ethers';
import { artifact } from '../../src/chain/artifacts.js';
import { CallReverted, type Hex } from '../../src/chain/chain.js';
import {
  type RegistryQuestion,
  decodeAccount,
  decodeDecisions,
  decodeRegistryEvent,
  encodeAccountOf,
  encodeChangeKey,
  encodeDecideAll,
  encodeFile,
  encodeRevoke,
  filingDigest,
  keyChangeDigest,
  signFiling,
  signRevocation,
} from '../../src/chain/consent-registry.js';
import type { EvmChain } from '../../src/chain/ethers-chain.js';
import { privateKeyFrom } from '../../src/chain/keys.js';
import { addressOf, signDigest } from '../../src/chain/signing.js';
import { createBlinder } from '../../src/consent/blinder.js';
import { encodePolicy, policyHash } from '../../src/consent/policy-bytes.js';
import { type DevChain, startDevChain } from '../chain/dev-chain.js';

const seed = new Uint8Array(32).fill(4);
const [patientKey, otherKey, thirdKey] = ['patient', 'other', 'third'].map((name) => privateKeyFrom(seed, name)) as [
  Uint8Array,
  Uint8Array,
  Uint8Array,
];
const registryAbi = new Interface(JSON.stringify(artifact('ConsentRegistry').abi));
const networkAbi = new Interface(JSON.stringify(artifact('Network').abi));
const blinder = createBlinder(seed);
const DEADLINE = 4_000_000_000;

let policies = 0;

/** A policy of its own that permits or denies everybody. */
function policyOf(type: 'permit' | 'deny', group = `group ${policies}`) {
  policies += 1;
  const root = { type, criteria: [], rules: [], expression: 'Consent.provision' } as const;
  return encodePolicy({ source: `Consent/${policies}`, group, time: policies, canPermit: true, root }, blinder);
}

describe('ConsentRegistry', () => {
  let dev: DevChain;
  let relay: EvmChain;
  /** Has funds, and is no relay of an organisation. */
  let stranger: EvmChain;
  let registry: Hex;
  let domain: { chainId: number; contract: Hex };
  let patients = 0;

  before(async () => {
    dev = await startDevChain();
    relay = dev.chainOf();
    stranger = dev.chainOf(dev.keys.anchorer);
    registry = dev.contracts.consentRegistry;
    domain = { chainId: dev.contracts.chainId, contract: registry };
  });
  after(() => dev.stop());

  const newPatient = (): Hex => {
    patients += 1;
    return blinder.pseudonym(`p${patients}`);
  };
  const account = async (patient: Hex) => decodeAccount(await relay.call(registry, encodeAccountOf(patient)));

  async function filing(patient: Hex, policy: Hex, key = patientKey) {
    const { filings } = await account(patient);
    const statement = { patient, policy, index: filings, deadline: DEADLINE };
    return { statement, data: encodeFile(statement, signFiling(key, domain, statement)) };
  }

  async function file(patient: Hex, policy: Hex, key = patientKey, sender = relay): Promise<number> {
    const { statement, data } = await filing(patient, policy, key);
    assert.equal((await dev.transact(sender, registry, data)).status, 'success');
    return statement.index;
  }

  function revocation(patient: Hex, index: number, policy: Hex, key = patientKey): Hex {
    const statement = { patient, policy, index };
    return encodeRevoke(statement, signRevocation(key, domain, statement));
  }

  const isActive = async (patient: Hex, index: number, policy: Hex) =>
    BigInt(await relay.call(registry, registryAbi.encodeFunctionData('isActive', [patient, index, policy]) as Hex)) ===
    1n;

  async function refused(sender: EvmChain, data: Hex, error: RegExp): Promise<void> {
    await assert.rejects(dev.transact(sender, registry, data), (problem) => {
      assert.ok(problem instanceof CallReverted);
      assert.match(problem.message, error);
      return true;
    });
  }

  function question(patient: Hex, changes: Partial<RegistryQuestion> = {}): RegistryQuestion {
    const request = { time: 1, dataStart: 0, dataEnd: 0, confidentiality: 3, relation: 0, terms: new Uint8Array(0) };
    return {
      patient,
      implicitPolicy: 'deny',
      policies: [],
      withdrawn: [],
      pending: [],
      requests: [request],
      ...changes,
    };
  }

  async function decide(...questions: RegistryQuestion[]) {
    const { blockNumber, decisions } = decodeDecisions(await relay.call(registry, encodeDecideAll(questions)));
    assert.equal(blockNumber, (await relay.head()).number);
    return decisions.map(({ permit, reason }) => `${permit} ${reason}`);
  }

  it('files by the signature of the patient, binds her key, and tells it in events by pseudonym', async () => {
    const patient = newPatient();
    const { hash } = policyOf('permit');
    assert.deepEqual(await account(patient), { key: undefined, filings: 0 });
    const { data } = await filing(patient, hash);
    const receipt = await dev.transact(relay, registry, data);
    assert.deepEqual(await account(patient), { key: addressOf(patientKey), filings: 1 });
    assert.equal(await isActive(patient, 0, hash), true);
    const logs = await relay.logs(registry, receipt.blockNumber, receipt.blockNumber);
    assert.deepEqual(logs.map(decodeRegistryEvent), [
      { kind: 'key-changed', patient, key: addressOf(patientKey) },
      { kind: 'filed', patient, index: 0, policy: hash },
    ]);
  });

  it('lets only a relay of the network bring the first filing, and anybody the next ones', async () => {
    const patient = newPatient();
    const first = await filing(patient, policyOf('permit').hash);
    await refused(stranger, first.data, /^ConsentRegistryNotRelay/);
    await dev.transact(relay, registry, first.data);
    await file(patient, policyOf('permit').hash, patientKey, stranger);
    assert.equal((await account(patient)).filings, 2);
  });

  it('refuses a suspended organisation as relay of a first filing', async () => {
    const identifier = blinder.pseudonym('organisation');
    const entry = (status: number) => ['http://x/fhir', '0x', stranger.address, status];
    const govern = async (status: number) => {
      const action = networkAbi.encodeFunctionData('setOrganisation', [identifier, entry(status)]);
      const data = networkAbi.encodeFunctionData('propose', [dev.contracts.network, action]) as Hex;
      await dev.transact(dev.chainOf(dev.keys.deployer), dev.contracts.network, data);
    };
    const { data } = await filing(newPatient(), policyOf('permit').hash);
    await govern(2);
    await refused(stranger, data, /^ConsentRegistryNotRelay/);
    await govern(1);
    assert.equal((await dev.transact(stranger, registry, data)).status, 'success');
    await govern(0);
  });

  it('refuses the signature of another key, for another index, policy, patient, chain or contract', async () => {
    const patient = newPatient();
    await file(patient, policyOf('permit').hash);
    const { statement, data } = await filing(patient, policyOf('permit').hash);
    const signed = (key: Uint8Array, changes: object, where = domain) =>
      encodeFile(statement, signFiling(key, where, { ...statement, ...changes }));
    for (const wrong of [
      signed(otherKey, {}),
      signed(patientKey, { index: 0 }),
      signed(patientKey, { index: 2 }),
      signed(patientKey, { policy: policyOf('deny').hash }),
      signed(patientKey, { patient: newPatient() }),
      signed(patientKey, { deadline: DEADLINE - 1 }),
      signed(patientKey, {}, { ...domain, chainId: 1 }),
      signed(patientKey, {}, { ...domain, contract: dev.contracts.anchorLog }),
    ]) {
      await refused(relay, wrong, /^ConsentRegistryNotKey/);
    }
    assert.equal((await dev.transact(relay, registry, data)).status, 'success');
  });

  it('refuses a replayed filing', async () => {
    const patient = newPatient();
    const { data } = await filing(patient, policyOf('permit').hash);
    await dev.transact(relay, registry, data);
    await refused(relay, data, /^ConsentRegistryNotKey/);
  });

  it('refuses a signature after its deadline', async () => {
    const patient = newPatient();
    const statement = { patient, policy: policyOf('permit').hash, index: 0, deadline: 1_700_000_000 };
    await refused(relay, encodeFile(statement, signFiling(patientKey, domain, statement)), /^ConsentRegistryExpired/);
  });

  it('refuses the other signature that anybody can make out of one', async () => {
    const patient = newPatient();
    await file(patient, policyOf('permit').hash);
    // A nonce whose s is so high that n - s still fits the 255 bits is too rare to search; the high s itself never fits.
    const statement = { patient, policy: policyOf('permit').hash, index: 1, deadline: DEADLINE };
    const { r, vs } = signDigest(patientKey, filingDigest(domain, statement));
    const { s, yParity } = Signature.from({ r, yParityAndS: vs });
    const high = (BigInt(1 - yParity) << 255n) | ((N - BigInt(s)) & ((1n << 255n) - 1n));
    await refused(
      relay,
      encodeFile(statement, { r, vs: toBeHex(high, 32) as Hex }),
      /^ConsentRegistry(NotKey|InvalidSignature)/,
    );
  });

  it('revokes by the signature of the patient, relayed by anybody, once', async () => {
    const patient = newPatient();
    const { hash } = policyOf('permit');
    const index = await file(patient, hash);
    await refused(relay, revocation(patient, index, hash, otherKey), /^ConsentRegistryNotActive/);
    await refused(relay, revocation(patient, index + 1, hash), /^ConsentRegistryNotActive/);
    await refused(relay, revocation(patient, index, policyOf('permit').hash), /^ConsentRegistryNotActive/);
    const data = revocation(patient, index, hash);
    const receipt = await dev.transact(stranger, registry, data);
    assert.deepEqual((await relay.logs(registry, receipt.blockNumber, receipt.blockNumber)).map(decodeRegistryEvent), [
      { kind: 'revoked', patient, index },
    ]);
    assert.equal(await isActive(patient, index, hash), false);
    await refused(relay, data, /^ConsentRegistryNotActive/);
  });

  it('does not revoke a policy that was filed again by the revocation of before', async () => {
    const patient = newPatient();
    const { hash } = policyOf('permit');
    const data = revocation(patient, await file(patient, hash), hash);
    await dev.transact(relay, registry, data);
    const again = await file(patient, hash);
    await refused(relay, data, /^ConsentRegistryNotActive/);
    assert.equal(await isActive(patient, again, hash), true);
  });

  it('goes on revoking while anchoring is paused', async () => {
    const patient = newPatient();
    const { hash } = policyOf('permit');
    const index = await file(patient, hash);
    const pause = new Interface(['function setPaused(bool)']).encodeFunctionData('setPaused', [true]);
    const data = networkAbi.encodeFunctionData('propose', [dev.contracts.anchorLog, pause]) as Hex;
    await dev.transact(dev.chainOf(dev.keys.deployer), dev.contracts.network, data);
    assert.equal((await dev.transact(relay, registry, revocation(patient, index, hash))).status, 'success');
  });

  it('hands an account to another key with all its policies, by the signature of the old one, once', async () => {
    const patient = newPatient();
    const [one, two, three] = [policyOf('permit'), policyOf('deny'), policyOf('permit')];
    for (const { hash } of [one, two, three]) await file(patient, hash);
    await dev.transact(relay, registry, revocation(patient, 1, two.hash));
    const change = { patient, key: addressOf(otherKey), index: 3, deadline: DEADLINE };
    const signature = signDigest(patientKey, keyChangeDigest(domain, change));
    const data = (hashes: Hex[]) => encodeChangeKey({ ...change, policies: hashes }, signature);
    await refused(relay, data([one.hash]), /^ConsentRegistryPoliciesIncomplete/);
    await refused(relay, data([three.hash, one.hash]), /^ConsentRegistryPolicyMismatch/);
    await refused(relay, data([one.hash, three.hash, two.hash]), /^ConsentRegistryTooManyPolicies/);
    const theirs = signDigest(thirdKey, keyChangeDigest(domain, change));
    await refused(
      relay,
      encodeChangeKey({ ...change, policies: [one.hash, three.hash] }, theirs),
      /^ConsentRegistryNotKey/,
    );
    await dev.transact(relay, registry, data([one.hash, three.hash]));

    assert.deepEqual(await account(patient), { key: addressOf(otherKey), filings: 4 });
    assert.deepEqual(await decide(question(patient, { policies: [one.bytes, three.bytes] })), [
      'true permit-provision',
    ]);
    await refused(relay, revocation(patient, 0, one.hash, patientKey), /^ConsentRegistryNotActive/);
    await dev.transact(relay, registry, revocation(patient, 0, one.hash, otherKey));
    // Back to the first key: the old statement must not work a second time.
    const back = { patient, key: addressOf(patientKey), index: 4, deadline: DEADLINE };
    const backSignature = signDigest(otherKey, keyChangeDigest(domain, back));
    await dev.transact(relay, registry, encodeChangeKey({ ...back, policies: [three.hash] }, backSignature));
    await refused(relay, data([three.hash]), /^ConsentRegistryNotKey/);
  });

  it('decides only when it is given exactly the active policies', async () => {
    const patient = newPatient();
    const [one, two] = [policyOf('permit', 'same'), policyOf('permit', 'other')];
    await file(patient, one.hash);
    await file(patient, two.hash);
    assert.deepEqual(await decide(question(patient, { policies: [one.bytes, two.bytes] })), ['true permit-provision']);
    const refusedWith = (given: Uint8Array[], error: RegExp) =>
      assert.rejects(decide(question(patient, { policies: given })), error);
    await refusedWith([one.bytes], /ConsentRegistryPoliciesIncomplete/);
    await refusedWith([], /ConsentRegistryPoliciesIncomplete/);
    await refusedWith([two.bytes, one.bytes], /ConsentRegistryPolicyMismatch/);
    await refusedWith([one.bytes, one.bytes], /ConsentRegistryPolicyMismatch/);
    await refusedWith([one.bytes, two.bytes, two.bytes], /ConsentRegistryTooManyPolicies/);
    await dev.transact(relay, registry, revocation(patient, 0, one.hash));
    await refusedWith([one.bytes, two.bytes], /ConsentRegistryPolicyMismatch/);
    assert.deepEqual(await decide(question(patient, { policies: [two.bytes] })), ['true permit-provision']);
  });

  it('denies where the caller does not know an active policy, or the policy is not well formed', async () => {
    const patient = newPatient();
    const permit = policyOf('permit', 'known');
    const cut = permit.bytes.subarray(0, permit.bytes.length - 1);
    const cutHash = policyHash(cut);
    await file(patient, permit.hash);
    await file(patient, cutHash);
    const policiesGiven = [permit.bytes, cut];
    assert.deepEqual(await decide(question(patient, { policies: policiesGiven, implicitPolicy: 'permit' })), [
      'false malformed-policy',
    ]);
    const unknown = question(patient, { policies: [permit.bytes, new Uint8Array(0)], implicitPolicy: 'permit' });
    assert.deepEqual(await decide(unknown), ['false unknown-policy']);
    await dev.transact(relay, registry, revocation(patient, 1, cutHash));
    assert.deepEqual(await decide(question(patient, { policies: [permit.bytes] })), ['true permit-provision']);
  });

  it('permits only what is permitted before and after what the caller knows to be pending', async () => {
    const patient = newPatient();
    const [permit, deny] = [policyOf('permit', 'a'), policyOf('deny', 'b')];
    await file(patient, permit.hash);
    const given = { policies: [permit.bytes] };
    assert.deepEqual(await decide(question(patient, given)), ['true permit-provision']);
    assert.deepEqual(await decide(question(patient, { ...given, withdrawn: [0] })), ['false pending']);
    assert.deepEqual(await decide(question(patient, { ...given, withdrawn: [7] })), ['true permit-provision']);
    assert.deepEqual(await decide(question(patient, { ...given, withdrawn: [0], implicitPolicy: 'permit' })), [
      'true permit-provision',
    ]);
    assert.deepEqual(await decide(question(patient, { ...given, pending: [deny.bytes] })), ['false pending']);
    // A pending permit does not permit yet.
    assert.deepEqual(await decide(question(newPatient(), { pending: [permit.bytes] })), ['false no-consent']);
    assert.deepEqual(await decide(question(newPatient(), { pending: [permit.bytes], implicitPolicy: 'permit' })), [
      'true implicit',
    ]);
  });

  it('decides about several patients in one call', async () => {
    const [one, two] = [newPatient(), newPatient()];
    const permit = policyOf('permit');
    await file(one, permit.hash);
    const answers = await decide(
      question(one, { policies: [permit.bytes] }),
      question(two),
      question(two, { implicitPolicy: 'permit' }),
    );
    assert.deepEqual(answers, ['true permit-provision', 'false no-consent', 'true implicit']);
  });
});
