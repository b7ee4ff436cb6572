import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Interface } from 'ethers';
import { artifact } from '../../src/chain/artifacts.js';
import type { Hex } from '../../src/chain/chain.js';
import type { EvmChain } from '../../src/chain/ethers-chain.js';
import { privateKeyFrom } from '../../src/chain/keys.js';
import { addressOf } from '../../src/chain/signing.js';
import { type DevChain, startDevChain } from '../chain/dev-chain.js';

const abi = new Interface(JSON.stringify(artifact('Network').abi));
const logAbi = new Interface(JSON.stringify(artifact('AnchorLog').abi));

describe('Network', () => {
  let dev: DevChain;
  let network: Hex;
  /** Four members, the first of which deployed. */
  let members: EvmChain[];
  let stranger: EvmChain;

  const encode = (name: string, args: readonly unknown[]) => abi.encodeFunctionData(name, args) as Hex;
  const view = async (name: string, args: readonly unknown[] = []) =>
    abi.decodeFunctionResult(name, await stranger.call(network, encode(name, args)))[0] as unknown;
  const count = async () => Number(await view('memberCount'));

  let proposals = 1;

  async function propose(member: EvmChain, target: Hex, action: string): Promise<number> {
    await dev.transact(member, network, encode('propose', [target, action]));
    proposals += 1;
    return proposals;
  }
  const ratify = (member: EvmChain, proposal: number) => dev.transact(member, network, encode('ratify', [proposal]));

  before(async () => {
    dev = await startDevChain();
    network = dev.contracts.network;
    const keys = [1, 2, 3].map((n) => privateKeyFrom(new Uint8Array(32).fill(6), `member ${n}`));
    await dev.embedded.fund(keys.map(addressOf));
    members = [dev.keys.deployer, ...keys].map((key) => dev.chainOf(key));
    stranger = dev.chainOf(dev.keys.anchorer);
  });
  after(() => dev.stop());

  it('starts with one member who decides alone, and grows by decision', async () => {
    const [first, second, third, fourth] = members as [EvmChain, EvmChain, EvmChain, EvmChain];
    assert.equal(await count(), 1);
    await propose(first, network, encode('addMember', [second.address]));
    assert.equal(await count(), 2);
    // Two members: both must agree.
    const addThird = await propose(first, network, encode('addMember', [third.address]));
    assert.equal(await count(), 2);
    await ratify(second, addThird);
    assert.equal(await count(), 3);
    const addFourth = await propose(second, network, encode('addMember', [fourth.address]));
    await ratify(first, addFourth);
    assert.equal(await count(), 3);
    await ratify(third, addFourth);
    assert.equal(await count(), 4);
    assert.equal(Number(await view('quorum')), 3);
  });

  it('lets nobody else propose, ratify, or call what only decisions may', async () => {
    const [first] = members as [EvmChain];
    const proposal = await propose(first, network, encode('removeMember', [first.address]));
    await assert.rejects(dev.transact(stranger, network, encode('propose', [network, '0x'])), /NetworkNotMember/);
    await assert.rejects(ratify(stranger, proposal), /NetworkNotMember/);
    await assert.rejects(ratify(first, proposal), /NetworkAlreadyRatified/);
    await assert.rejects(ratify(first, 999), /NetworkUnknownProposal/);
    for (const data of [
      encode('addMember', [stranger.address]),
      encode('removeMember', [first.address]),
      encode('setOrganisation', [`0x${'11'.repeat(32)}`, ['http://x', '0x', stranger.address, 1]]),
    ]) {
      await assert.rejects(dev.transact(first, network, data), /NetworkNotSelf/);
    }
  });

  it('makes the call of a proposal once, when floor(2N/3)+1 of the members ratified it', async () => {
    const profileSet = `0x${'ab'.repeat(32)}`;
    const isRatified = async () => {
      const data = logAbi.encodeFunctionData('isRatified', [profileSet]) as Hex;
      return BigInt(await stranger.call(dev.contracts.anchorLog, data)) === 1n;
    };
    const [first, second, third, fourth] = members as [EvmChain, EvmChain, EvmChain, EvmChain];
    const action = logAbi.encodeFunctionData('ratifyProfileSet', [profileSet]);
    const proposal = await propose(first, dev.contracts.anchorLog, action);
    await ratify(second, proposal);
    assert.equal(await isRatified(), false);
    await ratify(third, proposal);
    assert.equal(await isRatified(), true);
    await assert.rejects(ratify(fourth, proposal), /NetworkAlreadyExecuted/);
  });

  it('does not count a member who left since', async () => {
    const [first, second, third, fourth] = members as [EvmChain, EvmChain, EvmChain, EvmChain];
    const pending = await propose(fourth, network, encode('addMember', [stranger.address]));
    const removal = await propose(first, network, encode('removeMember', [fourth.address]));
    await ratify(second, removal);
    await ratify(third, removal);
    assert.equal(await count(), 3);
    await ratify(first, pending);
    await ratify(second, pending);
    assert.equal(await view('isMember', [stranger.address]), false);
    await ratify(third, pending);
    assert.equal(await view('isMember', [stranger.address]), true);
  });

  it('fails with the reason of the call, and can be ratified again', async () => {
    const [first, second, third] = members as [EvmChain, EvmChain, EvmChain];
    const twice = await propose(first, network, encode('addMember', [second.address]));
    await ratify(second, twice);
    await assert.rejects(ratify(third, twice), /NetworkAlreadyMember/);
  });

  it('keeps organisations, their endpoints, keys and status', async () => {
    const [first, second, third] = members as [EvmChain, EvmChain, EvmChain];
    const id = `0x${'cd'.repeat(32)}`;
    const decideOn = async (entry: readonly unknown[]) => {
      const proposal = await propose(first, network, encode('setOrganisation', [id, entry]));
      await ratify(second, proposal);
      return ratify(third, proposal);
    };
    await decideOn(['https://b.example/fhir', '0x1234', second.address, 1]);
    const found = (await view('organisationOf', [id])) as {
      baseUrl: string;
      publicKeys: string;
      relay: string;
      status: bigint;
    };
    assert.deepEqual(
      [found.baseUrl, found.publicKeys, found.relay.toLowerCase(), found.status],
      ['https://b.example/fhir', '0x1234', second.address, 1n],
    );
    assert.equal(await view('isRelay', [second.address]), true);
    await decideOn(['https://b.example/fhir', '0x1234', third.address, 1]);
    assert.equal(await view('isRelay', [second.address]), false);
    await decideOn(['https://b.example/fhir', '0x1234', third.address, 2]);
    assert.equal(await view('isRelay', [third.address]), false);
    await assert.rejects(
      decideOn(['https://b.example/fhir', '0x', addressOf(dev.keys.publisher), 1]),
      /NetworkRelayTaken/,
    );
  });
});
