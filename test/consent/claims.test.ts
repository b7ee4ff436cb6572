/** Delegates, emergencies and groups: claimed by the gate, checked by the contract, gone to the second. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Hex } from '../../src/chain/chain.js';
import { delegationDigest, encodeDelegate } from '../../src/chain/account-statements.js';
import { decodeAccount, encodeAccountOf } from '../../src/chain/consent-registry.js';
import { nameEmergencyRoles } from '../../src/chain/deploy.js';
import { encodeContest, encodeDeclare } from '../../src/chain/emergency-access.js';
import type { EvmChain } from '../../src/chain/ethers-chain.js';
import { encodeGroupChange, groupHandle, membershipOf } from '../../src/chain/group-registry.js';
import { signDigest } from '../../src/chain/signing.js';
import type { Blinder } from '../../src/consent/blinder.js';
import { createPatientKeys } from '../../src/consent/patient-keys.js';
import { referenceTerm } from '../../src/consent/terms.js';
import { type World, consent, principal, record, recipient, startWorld } from './consent-world.js';

const LATER = 4_000_000_000;
const REASON: Hex = `0x${'9c'.repeat(32)}`;

describe('claims that the contract checks', () => {
  let world: World;
  let relay: EvmChain;
  let blinder: Blinder;
  let patients = 0;

  before(async () => {
    world = await startWorld({ pollMs: 50 });
    relay = world.dev.chainOf();
    blinder = world.blinder;
  });
  after(() => world.stop());

  const actorTerm = (reference: string) => blinder.term(referenceTerm('actor', reference));
  const newPatient = () => `claims-${(patients += 1)}`;
  const recordOf = (patientId: string) => record({ patients: [patientId] });
  const asks = async (who: ReturnType<typeof principal>, patientId: string) =>
    (await world.gate.decide(who, 'access', recordOf(patientId))).reason;

  async function send(to: Hex, data: Hex): Promise<void> {
    await world.dev.transact(relay, to, data);
    await world.gate.sync();
  }

  async function file(patientId: string, provision: Record<string, unknown>): Promise<void> {
    const patient = { reference: `Patient/${patientId}` };
    await world.publisher.onConsentWritten(consent(`c-${patientId}`, provision, { patient }));
    assert.equal(await world.publisher.whenSettled(patientId, 5_000), true);
  }

  it('permits the members of a group whom the chain knows, and forgets them when they leave', async () => {
    const patientId = newPatient();
    await file(patientId, { type: 'deny', provision: [{ type: 'permit', actor: [recipient('Group/ward-7')] }] });
    const [inside, outside] = [principal('Practitioner/in'), principal('Practitioner/out')];
    const pretender = principal('Practitioner/out', { memberships: ['Group/ward-7'] });
    assert.match(await asks(inside, patientId), /^deny:provision/);
    const [group, member] = [actorTerm('Group/ward-7'), actorTerm('Practitioner/in')];
    const { groups } = world.dev.contracts;
    await send(groups, encodeGroupChange(groupHandle(group), [membershipOf(group, member)], []));
    assert.match(await asks(inside, patientId), /^permit:provision/);
    assert.match(await asks(outside, patientId), /^deny:provision/);
    assert.match(await asks(pretender, patientId), /^deny:provision/);
    // An organisation may be a member: then everybody who belongs to it is.
    const team = principal('Practitioner/other', { memberships: ['Organization/night'] });
    const ofTeam = membershipOf(group, actorTerm('Organization/night'));
    await send(groups, encodeGroupChange(groupHandle(group), [ofTeam], [membershipOf(group, member)]));
    assert.match(await asks(team, patientId), /^permit:provision/);
    assert.match(await asks(inside, patientId), /^deny:provision/);
  });

  it('denies members of a group, and whoever a token calls one', async () => {
    const patientId = newPatient();
    await file(patientId, { type: 'permit', provision: [{ type: 'deny', actor: [recipient('Group/press')] }] });
    const group = actorTerm('Group/press');
    const change = encodeGroupChange(groupHandle(group), [membershipOf(group, actorTerm('Practitioner/p'))], []);
    await send(world.dev.contracts.groups, change);
    assert.match(await asks(principal('Practitioner/p'), patientId), /^deny:provision/);
    assert.match(await asks(principal('Practitioner/q', { memberships: ['Group/press'] }), patientId), /^deny:/);
    assert.match(await asks(principal('Practitioner/q'), patientId), /^permit:provision/);
  });

  it('treats a delegate as the patient until the second that she named, and not a second longer', async () => {
    const patientId = newPatient();
    await file(patientId, { type: 'deny' });
    const patient = blinder.pseudonym(patientId);
    const registry = world.dev.contracts.consentRegistry;
    const daughter = principal('RelatedPerson/daughter');
    assert.match(await asks(daughter, patientId), /^deny:provision/);
    const key = await createPatientKeys(world.catalog, world.ring).keyOf(patient);
    const until = Math.floor(world.clock.now() / 1000) + 100;
    const { filings: index } = decodeAccount(await relay.call(registry, encodeAccountOf(patient)));
    const statement = { patient, actor: actorTerm(daughter.actor), until, index, deadline: LATER };
    const domain = { chainId: world.dev.contracts.chainId, contract: registry };
    await send(registry, encodeDelegate(statement, signDigest(key, delegationDigest(domain, statement))));
    assert.equal(await asks(daughter, patientId), 'permit:delegate');
    assert.match(await asks(principal('RelatedPerson/son'), patientId), /^deny:provision/);
    world.clock.advance(1000 * until - 900 - world.clock.now());
    assert.equal(await asks(daughter, patientId), 'permit:delegate');
    world.clock.advance(1000 * until - world.clock.now());
    assert.match(await asks(daughter, patientId), /^deny:provision/);
  });

  it('opens a record in an emergency that was declared, for that person, purpose and time alone', async () => {
    const patientId = newPatient();
    await file(patientId, { type: 'deny' });
    const { dev } = world;
    const role = blinder.term('role|urn:roles|emergency-physician');
    const nearby = principal('Practitioner/er', { purposeOfUse: 'BTG' });
    assert.match(await asks(nearby, patientId), /^deny:provision/);
    await nameEmergencyRoles(dev.chainOf(dev.keys.deployer), dev.contracts, { named: [role], maxDurationS: 600 });
    const patient = blinder.pseudonym(patientId);
    const declaration = { patient, actor: actorTerm(nearby.actor), role, reason: REASON, durationS: 600 };
    await send(dev.contracts.emergency, encodeDeclare(declaration));
    assert.equal(await asks(nearby, patientId), 'permit:emergency');
    assert.match(await asks({ ...nearby, purposeOfUse: 'TREAT' }, patientId), /^deny:provision/);
    assert.match(await asks(principal('Practitioner/other', { purposeOfUse: 'BTG' }), patientId), /^deny:provision/);
    assert.equal((await world.gate.decide(nearby, 'access', recordOf(newPatient()))).permit, false);
    // Contested by the patient: it ends at once.
    await send(dev.contracts.emergency, encodeContest(1, REASON));
    assert.match(await asks(nearby, patientId), /^deny:provision/);
    await send(dev.contracts.emergency, encodeDeclare(declaration));
    assert.equal(await asks(nearby, patientId), 'permit:emergency');
    world.clock.advance(601_000);
    assert.match(await asks(nearby, patientId), /^deny:provision/);
  });

  it('opens the record of somebody who never filed a consent, in an emergency', async () => {
    const patientId = newPatient();
    const { dev } = world;
    const role = blinder.term('role|urn:roles|emergency-physician');
    const nearby = principal('Practitioner/er2', { purposeOfUse: 'ETREAT' });
    assert.equal(await asks(nearby, patientId), 'deny:no-consent');
    const patient = blinder.pseudonym(patientId);
    const time = Math.floor(world.clock.now() / 1000);
    // The test's clock went ahead of the chain's: the time of the emergency is counted by the later one.
    const durationS = time - Math.floor(Date.now() / 1000) + 500;
    await nameEmergencyRoles(dev.chainOf(dev.keys.deployer), dev.contracts, { named: [role], maxDurationS: 10_000 });
    const declaration = { patient, actor: actorTerm(nearby.actor), role, reason: REASON, durationS };
    await send(dev.contracts.emergency, encodeDeclare(declaration));
    assert.equal(await asks(nearby, patientId), 'permit:emergency');
    assert.equal(await asks(principal('Practitioner/er3', { purposeOfUse: 'ETREAT' }), patientId), 'deny:no-consent');
  });
});
