/** Statements of accounts beside filings that are on their way: each takes an index of the account. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Hex } from '../../src/chain/chain.js';
import { statementDigest } from '../../src/chain/account-typed-data.js';
import { privateKeyFrom } from '../../src/chain/keys.js';
import { addressOf, signDigest } from '../../src/chain/signing.js';
import { AccountDesk, AccountRefused } from '../../src/consent/account-desk.js';
import { consent, recipient, startWorld, type World } from './consent-world.js';

describe('a statement that is asked for while a filing is on its way', () => {
  let world: World;
  const own = privateKeyFrom(new Uint8Array(32).fill(9), 'own');

  before(async () => {
    world = await startWorld();
  });
  after(() => world.stop());

  const mining = async (isOn: boolean) => {
    const call = (method: string, params: unknown[]) =>
      fetch(world.dev.embedded.url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
      });
    await call('evm_setAutomine', [isOn]);
    if (isOn) await call('evm_mine', []);
  };
  const desk = (settlingMs: number) =>
    new AccountDesk({
      chain: world.dev.chainOf(),
      registry: world.dev.contracts.consentRegistry,
      blinder: world.blinder,
      clock: world.clock,
      accounts: world.publisher.accounts,
      gate: world.gate,
      publisher: world.publisher,
      isTrustedOrigin: () => true,
      settlingMs,
    });
  /** What a page does: asks for the statement, signs it, and sends it. */
  async function takeKey(accounts: AccountDesk): Promise<Hex | undefined> {
    await accounts.settled('p1');
    const account = await accounts.about('p1');
    const key = addressOf(own);
    const statement = accounts.statement('p1', { kind: 'change-key', key }, account);
    if (statement.kind !== 'change-key') throw new Error('asked for a change of key');
    await mining(true);
    await world.publisher.whenSettled('p1', 10_000);
    // As when it comes back signed.
    accounts.statement('p1', { kind: 'change-key', key }, await accounts.about('p1'), statement);
    accounts.requireSigner(statement, signDigest(own, statementDigest(accounts.domain, statement)), [key]);
    await accounts.changeKey('p1', statement, { name: key, kind: 'wallet' }, await accounts.about('p1'));
    return (await accounts.about('p1')).key;
  }

  it('is refused as long as the filing would take its index, and holds when it is mined', async () => {
    await world.publisher.onConsentWritten(consent('c1', { type: 'permit', actor: [recipient('Practitioner/a')] }));
    assert.ok(await world.publisher.whenSettled('p1', 10_000));
    await mining(false);
    await world.publisher.onConsentWritten(consent('c2', { type: 'permit', actor: [recipient('Practitioner/b')] }));
    await assert.rejects(
      () => takeKey(desk(200)),
      (problem) => problem instanceof AccountRefused && problem.reason === 'busy',
    );
    setTimeout(() => void mining(true), 500);
    assert.equal(await takeKey(desk(10_000)), addressOf(own));
  });
});
