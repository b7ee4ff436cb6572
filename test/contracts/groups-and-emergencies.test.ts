/** GroupRegistry and EmergencyAccess: who may change what, and that nothing identifying is told. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Interface } from 'ethers';
import { decodeBoolean } from '../../src/chain/anchor-log.js';
import { artifact } from '../../src/chain/artifacts.js';
import { CallReverted, type Hex } from '../../src/chain/chain.js';
import { encodeFile, signFiling } from '../../src/chain/consent-registry.js';
import { nameEmergencyRoles } from '../../src/chain/deploy.js';
import {
  type EmergencyDeclaration,
  decodeEmergencyEvent,
  decodeGrant,
  decodeRules,
  emergencyHolder,
  encodeContest,
  encodeDeclare,
  encodeEnd,
  encodeGrantOf,
  encodeResolve,
  encodeRulesOf,
  encodeSetRules,
  signContest,
} from '../../src/chain/emergency-access.js';
import type { EvmChain } from '../../src/chain/ethers-chain.js';
import {
  decodeGroup,
  decodeGroupEvent,
  encodeGroupChange,
  encodeGroupOf,
  encodeHolds,
  groupHandle,
  membershipOf,
} from '../../src/chain/group-registry.js';
import { privateKeyFrom } from '../../src/chain/keys.js';
import { type DevChain, startDevChain } from '../chain/dev-chain.js';

const networkAbi = new Interface(JSON.stringify(artifact('Network').abi));
const term = (n: number) => n.toString(16).padStart(32, 'a');
const word = (n: number): Hex => `0x${n.toString(16).padStart(64, 'b')}`;
const patientKey = privateKeyFrom(new Uint8Array(32).fill(3), 'patient');

describe('groups and emergencies', () => {
  let dev: DevChain;
  let relay: EvmChain;
  /** Relay of another organisation. */
  let other: EvmChain;
  /** The only member of the network. */
  let member: EvmChain;

  const govern = async (target: Hex, action: Hex) => {
    const data = networkAbi.encodeFunctionData('propose', [target, action]) as Hex;
    return dev.transact(member, dev.contracts.network, data);
  };

  before(async () => {
    dev = await startDevChain();
    relay = dev.chainOf();
    other = dev.chainOf(dev.keys.anchorer);
    member = dev.chainOf(dev.keys.deployer);
  });
  after(() => dev.stop());

  async function refused(sending: Promise<unknown>, error: RegExp): Promise<void> {
    await assert.rejects(sending, (problem) => {
      assert.ok(problem instanceof CallReverted);
      assert.match(problem.message, error);
      return true;
    });
  }

  const setOther = (status: number) => {
    const entry = ['http://other/fhir', '0x', other.address, status];
    return govern(dev.contracts.network, networkAbi.encodeFunctionData('setOrganisation', [word(77), entry]) as Hex);
  };

  it('keeps memberships that only the founding organisation changes, in epochs', async () => {
    const { groups } = dev.contracts;
    const [group, handle] = [term(1), groupHandle(term(1))];
    const [anna, ben] = [membershipOf(group, term(2)), membershipOf(group, term(3))];
    const change = (sender: EvmChain, added: Hex[], removed: Hex[]) =>
      dev.transact(sender, groups, encodeGroupChange(handle, added, removed));
    const holds = async (membership: Hex) => decodeBoolean(await relay.call(groups, encodeHolds(membership)));
    await refused(change(other, [anna], []), /^GroupRegistryNotRelay/);
    await refused(change(relay, [], []), /^GroupRegistryNothingToDo/);
    const { blockNumber } = await change(relay, [anna], []);
    assert.deepEqual([await holds(anna), await holds(ben)], [true, false]);
    await refused(change(relay, [anna], []), /^GroupRegistryAlreadyMember/);
    await refused(change(relay, [], [ben]), /^GroupRegistryNotMember/);
    await setOther(1);
    await refused(change(other, [ben], []), /^GroupRegistryNotOwner/);
    // Nor out of a group of its own.
    await refused(
      dev.transact(other, groups, encodeGroupChange(groupHandle(term(9)), [], [anna])),
      /^GroupRegistryNotMember/,
    );
    await setOther(0);
    await change(relay, [ben], [anna]);
    assert.deepEqual([await holds(anna), await holds(ben)], [false, true]);
    const { organisation, epoch } = decodeGroup(await relay.call(groups, encodeGroupOf(handle)));
    assert.deepEqual([organisation !== undefined, epoch], [true, 2]);
    assert.deepEqual(decodeGroup(await relay.call(groups, encodeGroupOf(word(5)))), {
      organisation: undefined,
      epoch: 0,
    });
    const events = (await relay.logs(groups, blockNumber, blockNumber)).map(decodeGroupEvent);
    assert.deepEqual(events.at(-1), { handle, epoch: 1, added: [anna], removed: [] });
  });

  describe('emergencies', () => {
    const role = term(50);
    const patient = word(1);
    const declaration: EmergencyDeclaration = { patient, actor: term(60), role, reason: word(9), durationS: 300 };
    const declare = (changes: Partial<EmergencyDeclaration> = {}, sender = relay) =>
      dev.transact(sender, dev.contracts.emergency, encodeDeclare({ ...declaration, ...changes }));
    const act = (data: Hex, sender = relay) => dev.transact(sender, dev.contracts.emergency, data);
    const grantOf = async (grant: number) =>
      decodeGrant(await relay.call(dev.contracts.emergency, encodeGrantOf(grant)));
    const over = async (grant: number) => (await grantOf(grant)).until <= (await relay.head()).timestamp;

    before(() => nameEmergencyRoles(member, dev.contracts, { named: [role], maxDurationS: 3_600 }));

    it('are declared by a relay for a named role and a bounded time, in one event without identifying content', async () => {
      await refused(declare({}, other), /^EmergencyAccessNotRelay/);
      await refused(declare({ role: term(51) }), /^EmergencyAccessRoleNotNamed/);
      await refused(declare({ durationS: 3_601 }), /^EmergencyAccessTooLong/);
      await refused(declare({ durationS: 0 }), /^EmergencyAccessTooLong/);
      const { blockNumber } = await declare({ durationS: 3_600 });
      const logs = await relay.logs(dev.contracts.emergency, blockNumber, blockNumber);
      const { timestamp } = await relay.head();
      const { organisation } = await grantOf(1);
      assert.deepEqual(logs.map(decodeEmergencyEvent), [
        {
          kind: 'declared',
          grant: 1,
          patient,
          organisation,
          holder: emergencyHolder(declaration.actor, patient),
          role,
          reason: declaration.reason,
          until: timestamp + 3_600,
        },
      ]);
      // The same requester at another patient is somebody else to whoever reads the chain.
      assert.notEqual(emergencyHolder(declaration.actor, word(2)), emergencyHolder(declaration.actor, patient));
    });

    it('are ended by the organisation that declared them alone', async () => {
      await declare();
      await setOther(1);
      await refused(act(encodeEnd(2), other), /^EmergencyAccessNotOrganisation/);
      await setOther(0);
      assert.equal(await over(2), false);
      await act(encodeEnd(2));
      assert.equal(await over(2), true);
      await refused(act(encodeEnd(2)), /^EmergencyAccessNotOpen/);
      await refused(act(encodeEnd(99)), /^EmergencyAccessUnknownGrant/);
    });

    it('are contested by the patient with her key, or by an organisation for her; the members say whether it was misuse', async () => {
      const { chainId, consentRegistry, emergency, network } = dev.contracts;
      const domain = { chainId, contract: emergency };
      const filing = { patient, policy: word(3), index: 0, deadline: 4_000_000_000 };
      const signed = signFiling(patientKey, { chainId, contract: consentRegistry }, filing);
      await dev.transact(relay, consentRegistry, encodeFile(filing, signed));
      await declare();
      const contest = (key: Uint8Array, grant = 3) =>
        act(encodeContest(3, word(8), signContest(key, domain, grant, word(8))), other);
      await refused(contest(privateKeyFrom(new Uint8Array(32).fill(3), 'stranger')), /^EmergencyAccessNotKey/);
      await refused(contest(patientKey, 2), /^EmergencyAccessNotKey/);
      await refused(act(encodeContest(3, word(8)), other), /^EmergencyAccessNotRelay/);
      await refused(govern(emergency, encodeResolve(3, true)), /NotContested|Failed/);
      await contest(patientKey);
      assert.deepEqual([(await grantOf(3)).verdict, await over(3)], ['contested', true]);
      await refused(contest(patientKey), /^EmergencyAccessAlreadyContested/);
      await refused(act(encodeResolve(3, true)), /^EmergencyAccessNotNetwork/);
      await govern(emergency, encodeResolve(3, true));
      assert.equal((await grantOf(3)).verdict, 'misuse');
      await declare();
      await act(encodeContest(4, word(8)));
      await govern(emergency, encodeResolve(4, false));
      assert.equal((await grantOf(4)).verdict, 'justified');
      assert.ok(network);
    });

    it('are no longer declared for a role whose name the members took back', async () => {
      const rules = async () => decodeRules(await relay.call(dev.contracts.emergency, encodeRulesOf(role)));
      assert.deepEqual(await rules(), { isNamed: true, maxDurationS: 3_600 });
      await refused(act(encodeSetRules([], [role], 60)), /^EmergencyAccessNotNetwork/);
      await govern(dev.contracts.emergency, encodeSetRules([], [role], 60));
      assert.deepEqual(await rules(), { isNamed: false, maxDurationS: 60 });
      await refused(declare(), /^EmergencyAccessRoleNotNamed/);
    });
  });
});
