import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Accounts } from '../../src/smart/accounts/accounts.js';
import { Passkeys, relyingParty } from '../../src/smart/accounts/passkeys.js';
import { SealedStore } from '../../src/smart/store/sealed-store.js';
import { openSqliteSmartStore } from '../../src/smart/store/sqlite-smart-store.js';
import { openKeyRing } from '../../src/vault/file-key-ring.js';
import { PasskeyDevice, type Changes, type Options } from './passkey-device.js';

const origin = 'https://fhir.example';
const ada = { id: 'account-ada', name: 'ada', displayName: 'Ada Moor' };

describe('passkeys', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'mooring-passkeys-'));
  let now = 1_700_000_000_000;
  const clock = { now: () => now };
  const device = new PasskeyDevice('fhir.example', origin);
  let store: SealedStore;
  let passkeys: Passkeys;

  before(async () => {
    const ring = await openKeyRing(path.join(folder, 'ring.json'));
    store = new SealedStore(openSqliteSmartStore(path.join(folder, 'store.sqlite')), ring);
    passkeys = new Passkeys(store, clock, { id: 'fhir.example', origin });
  });
  after(async () => {
    await store.close();
    rmSync(folder, { recursive: true });
  });

  const options = async (purpose = 'page') => (await passkeys.signInOptions(purpose)) as Options;
  const signIn = async (changes: Changes = {}, from = device) =>
    passkeys.signIn(from.get(await options(), changes), 'page');

  it('is added with what the device signed for this place, and not with anything else', async () => {
    const add = async (changes: Changes) => {
      const asked = (await passkeys.addOptions(ada, 'add')) as unknown as Options;
      return passkeys.add(ada.id, device.create(asked, changes), 'add');
    };
    assert.equal(await add({ origin: 'https://fhir.example.evil.example' }), false, 'another origin');
    assert.equal(await add({ rpId: 'evil.example' }), false, 'another relying party');
    assert.equal(await add({ type: 'webauthn.get' }), false, 'an answer to another question');
    assert.equal(await add({ flags: 0x01 }), false, 'a user who was not verified');
    assert.equal(await add({ challenge: Buffer.alloc(32).toString('base64url') }), false, 'a challenge of nobody');
    assert.equal(await add({}), true);
    assert.equal(await add({}), false, 'twice');
    assert.deepEqual(
      (await passkeys.of(ada.id)).map(({ id }) => id),
      [device.id],
    );
    const again = (await passkeys.addOptions(ada, 'add')) as { excludeCredentials: unknown };
    assert.deepEqual(again.excludeCredentials, [{ type: 'public-key', id: device.id }]);
  });

  it('signs in its account, without a name', async () => {
    assert.equal(await signIn(), ada.id);
    assert.equal(await signIn(), ada.id);
  });

  it('signs nobody in with an answer that is wrong in one thing', async () => {
    const wrong: Record<string, Changes> = {
      'another origin': { origin: 'https://evil.example' },
      'another port': { origin: `${origin}:8443` },
      'another relying party': { rpId: 'evil.example' },
      'an answer to another question': { type: 'webauthn.create' },
      'a user who was not verified': { flags: 0x01 },
      'a user who was not there': { flags: 0x00 },
      'the handle of another account': { userHandle: Buffer.from('account-bob').toString('base64url') },
    };
    for (const [name, changes] of Object.entries(wrong)) assert.equal(await signIn(changes), undefined, name);
    const stranger = new PasskeyDevice('fhir.example', origin);
    assert.equal(await signIn({}, stranger), undefined, 'a passkey that nobody added');
    const forged = { ...stranger.get(await options()), id: device.id, rawId: device.id };
    assert.equal(await passkeys.signIn(forged, 'page'), undefined, 'signed by another key');
    for (const nonsense of [undefined, null, 'x', {}, { id: device.id }, { id: device.id, response: {} }])
      assert.equal(await passkeys.signIn(nonsense, 'page'), undefined);
    assert.equal(await signIn(), ada.id);
  });

  it('takes each challenge once, for what it was made for, and within five minutes', async () => {
    const asked = await options();
    const answer = device.get(asked);
    assert.equal(await passkeys.signIn(answer, 'page'), ada.id);
    assert.equal(await passkeys.signIn(answer, 'page'), undefined, 'the same answer again');
    assert.equal(await passkeys.signIn(device.get(asked), 'page'), undefined, 'a new answer to the same challenge');
    assert.equal(await passkeys.signIn(device.get(await options('another page')), 'page'), undefined);
    const late = device.get(await options());
    now += 300_001;
    assert.equal(await passkeys.signIn(late, 'page'), undefined, 'too late');
    assert.equal(await signIn(), ada.id);
  });

  it('of a copied device whose counter goes back is refused', async () => {
    const copy = Object.assign(Object.create(PasskeyDevice.prototype) as PasskeyDevice, device, { counter: 0 });
    assert.equal(await signIn({}, copy), undefined);
    assert.equal(await signIn(), ada.id);
  });

  it('ends when its account removes it, gets a new password, or goes; nobody else removes it', async () => {
    const accounts = new Accounts(store, clock, 2 ** 10);
    const person = { displayName: 'B', fhirUser: 'Patient/bob', memberships: [], patients: [], purpose: 'PATRQT' };
    await accounts.add({ ...person, name: 'bob' }, 'a long enough password');
    const [bob] = await accounts.list();
    const added = async () => {
      const own = new PasskeyDevice('fhir.example', origin);
      const asked = (await passkeys.addOptions(bob, 'add')) as unknown as Options;
      assert.equal(await passkeys.add(bob.id, own.create(asked), 'add'), true);
      assert.equal(await signIn({}, own), bob.id);
      return own;
    };
    const first = await added();
    assert.equal(await passkeys.remove(ada.id, first.id), false);
    assert.equal(await signIn({}, first), bob.id);
    assert.equal(await passkeys.remove(bob.id, first.id), true);
    assert.equal(await signIn({}, first), undefined);
    const second = await added();
    await accounts.change('bob', { password: 'another long password' });
    assert.equal(await signIn({}, second), undefined);
    const third = await added();
    await accounts.remove('bob');
    assert.equal(await signIn({}, third), undefined);
    assert.equal(await signIn(), ada.id, 'the others stay');
  });

  it('are for names, never for IP addresses', () => {
    assert.deepEqual(relyingParty('https://fhir.example/oauth'), { id: 'fhir.example', origin });
    assert.deepEqual(relyingParty('http://localhost:8080/oauth'), { id: 'localhost', origin: 'http://localhost:8080' });
    for (const address of ['http://127.0.0.1:8080/oauth', 'http://[::1]:8080/oauth'])
      assert.equal(relyingParty(address), undefined);
  });
});
