import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JsonRpc } from '../../src/chain/json-rpc.js';
import { consent, principal, recipient, record, startWorld } from './consent-world.js';

const doctor = principal('Practitioner/doctor');
const permitDoctor = { type: 'deny', provision: [{ type: 'permit', actor: [recipient('Practitioner/doctor')] }] };

describe('a chain that replaces blocks', () => {
  it('takes a filing away, however deep, and gives it back when the other branch has it', async () => {
    const world = await startWorld();
    const rpc = new JsonRpc({ urls: [world.dev.embedded.url], timeoutMs: 10_000 });
    try {
      const before = await rpc.call<string>('evm_snapshot');
      await world.publisher.onConsentWritten(consent('c1', permitDoctor));
      await world.publisher.whenSettled('p1', 5_000);
      await rpc.call('anvil_mine', '0x20');
      await world.gate.sync();
      const decide = async () => (await world.gate.decide(doctor, 'access', record())).reason;
      assert.equal(await decide(), 'permit:provision-0.0');

      await rpc.call('evm_revert', before);
      await rpc.call('evm_increaseTime', '0x64');
      await rpc.call('anvil_mine', '0x40');
      await world.gate.sync();
      assert.equal(await decide(), 'deny:no-consent', 'forty blocks back there was no filing');
    } finally {
      rpc.close();
      await world.stop();
    }
  });

  it('with more confirmations a filing stays pending, which cannot give; a revocation takes at once', async () => {
    const world = await startWorld({ confirmations: 3, pendingWaitMs: 50 });
    const rpc = new JsonRpc({ urls: [world.dev.embedded.url], timeoutMs: 10_000 });
    try {
      const decide = async () => (await world.gate.decide(doctor, 'access', record())).reason;
      await world.publisher.onConsentWritten(consent('c1', permitDoctor));
      assert.equal(await world.publisher.whenSettled('p1', 500), false);
      await world.gate.sync();
      assert.match(await decide(), /^deny:/);
      await rpc.call('anvil_mine', '0x2');
      assert.equal(await world.publisher.whenSettled('p1', 5_000), true);
      assert.equal(await decide(), 'permit:provision-0.0');
      await world.publisher.onConsentRevoked('c1');
      assert.match(await decide(), /^deny:/);
      await rpc.call('anvil_mine', '0x8');
    } finally {
      rpc.close();
      await world.stop();
    }
  });
});
