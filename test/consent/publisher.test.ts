import assert from 'node:assert/strict';
import { mkdtemp, readFile, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Resource } from '../../src/base/resource.js';
import { type Chain, ChainUnavailable, type Hex } from '../../src/chain/chain.js';
import {
  decodeAccount,
  decodeRegistryEvent,
  encodeAccountOf,
  signFiling,
  signRevocation,
} from '../../src/chain/consent-registry.js';
import { privateKeyFrom } from '../../src/chain/keys.js';
import { addressOf } from '../../src/chain/signing.js';
import type { Catalog } from '../../src/commit/catalog.js';
import { openSqliteCatalog } from '../../src/commit/sqlite/sqlite-catalog.js';
import { createBlinder } from '../../src/consent/blinder.js';
import { compileToBytes } from '../../src/consent/compile.js';
import { type ConsentPublisher, startConsentPublisher } from '../../src/consent/publisher.js';
import { type FileKeyRing, openKeyRing } from '../../src/vault/file-key-ring.js';
import { type DevChain, startDevChain } from '../chain/dev-chain.js';
import { consent } from './consent-world.js';

type State = Pick<Catalog, 'getState' | 'putState'>;

/** A crash: from the n-th step on nothing works. `before`: the step is lost; `after`: it is done, and its answer is lost. */
class Crash {
  #left: number;
  constructor(
    step: number,
    readonly mode: 'before' | 'after',
  ) {
    this.#left = step;
  }

  get hasHappened(): boolean {
    return this.#left <= 0;
  }

  async step<T>(run: () => T | Promise<T>): Promise<T> {
    if (this.#left <= 0) throw new ChainUnavailable('crashed');
    this.#left -= 1;
    if (this.#left > 0) return run();
    if (this.mode === 'after') await run();
    throw new ChainUnavailable('crashed');
  }
}

describe('the consent publisher', () => {
  let dev: DevChain;
  let catalog: Catalog;
  let ring: FileKeyRing;
  let folder: string;
  let chain: Chain;
  let registry: Hex;
  let blinder: ReturnType<typeof createBlinder>;
  let patients = 0;

  before(async () => {
    folder = await mkdtemp(path.join(tmpdir(), 'publisher-'));
    dev = await startDevChain();
    chain = dev.chainOf();
    registry = dev.contracts.consentRegistry;
    catalog = await openSqliteCatalog(path.join(folder, 'catalog.sqlite'));
    ring = await openKeyRing(path.join(folder, 'keys.json'));
    blinder = createBlinder(ring.derive('consent'));
  });
  after(async () => {
    await catalog.close();
    await dev.stop();
    await rm(folder, { recursive: true, force: true });
  });

  const publisherOn = (through: Chain = chain, state: State = catalog) =>
    startConsentPublisher({ chain: through, registry, state, ring, blinder, clock: { now: () => Date.now() } });

  async function withPublisher<T>(run: (publisher: ConsentPublisher) => Promise<T>): Promise<T> {
    const publisher = await publisherOn();
    try {
      return await run(publisher);
    } finally {
      await publisher.close();
    }
  }

  const newPatient = () => {
    patients += 1;
    return `patient-${patients}`;
  };
  const of = (patientId: string) => ({ patient: { reference: `Patient/${patientId}` } });

  /** What the chain has been told about a patient, in order. */
  async function history(patientId: string): Promise<string[]> {
    const head = await chain.head();
    const events = (await chain.logs(registry, dev.contracts.fromBlock, head.number)).map(decodeRegistryEvent);
    const patient = blinder.pseudonym(patientId);
    return events
      .filter((event) => event?.patient === patient)
      .flatMap((event) =>
        event?.kind === 'filed' || event?.kind === 'revoked' ? [`${event.kind} ${event.index}`] : [],
      );
  }

  it('files a consent once, however often it is told', () =>
    withPublisher(async (publisher) => {
      const patientId = newPatient();
      const written = consent('once', { type: 'permit' }, of(patientId));
      await Promise.all([publisher.onConsentWritten(written), publisher.onConsentWritten(written)]);
      assert.equal(await publisher.whenSettled(patientId, 5_000), true);
      await publisher.onConsentWritten(written);
      await publisher.reconcile(patientId);
      assert.deepEqual(await history(patientId), ['filed 0']);
    }));

  it('replaces the policy when the Consent changes, and revokes it when the Consent is no longer active or gone', () =>
    withPublisher(async (publisher) => {
      const patientId = newPatient();
      const tell = async (change: () => Promise<void>) => {
        await change();
        assert.equal(await publisher.whenSettled(patientId, 5_000), true);
      };
      await tell(() => publisher.onConsentWritten(consent('change', { type: 'permit' }, of(patientId))));
      await tell(() => publisher.onConsentWritten(consent('change', { type: 'deny' }, of(patientId))));
      assert.deepEqual(await history(patientId), ['filed 0', 'filed 1', 'revoked 0']);
      await tell(() =>
        publisher.onConsentWritten(consent('change', { type: 'deny' }, { ...of(patientId), status: 'inactive' })),
      );
      assert.deepEqual((await history(patientId)).slice(3), ['revoked 1']);
      await tell(() => publisher.onConsentWritten(consent('change', { type: 'deny' }, of(patientId))));
      await tell(() => publisher.onConsentRevoked('change'));
      assert.deepEqual((await history(patientId)).slice(4), ['filed 2', 'revoked 2']);
      await tell(() => publisher.onConsentRevoked('change'));
      await tell(() => publisher.onConsentRevoked('never-heard-of'));
      assert.equal((await history(patientId)).length, 6);
    }));

  it('moves the policy when the Consent is given another patient', () =>
    withPublisher(async (publisher) => {
      const [one, two] = [newPatient(), newPatient()];
      await publisher.onConsentWritten(consent('move', { type: 'permit' }, of(one)));
      await publisher.whenSettled(one, 5_000);
      await publisher.onConsentWritten(consent('move', { type: 'permit' }, of(two)));
      await Promise.all([publisher.whenSettled(one, 5_000), publisher.whenSettled(two, 5_000)]);
      assert.deepEqual([await history(one), await history(two)], [['filed 0', 'revoked 0'], ['filed 0']]);
    }));

  it('files the consents of many patients together', () =>
    withPublisher(async (publisher) => {
      const ids = Array.from({ length: 40 }, newPatient);
      await Promise.all(ids.map((id) => publisher.onConsentWritten(consent(`many-${id}`, { type: 'permit' }, of(id)))));
      const settled = await Promise.all(ids.map((id) => publisher.whenSettled(id, 20_000)));
      assert.ok(settled.every(Boolean));
      for (const id of ids) assert.deepEqual(await history(id), ['filed 0']);
    }));

  it('takes a consent while the chain is away, and files it once when it is back', async () => {
    let isAway = true;
    const through = new Proxy(chain, {
      get(target, name) {
        const member = Reflect.get(target, name) as unknown;
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) =>
          isAway
            ? Promise.reject(new ChainUnavailable('no route'))
            : Reflect.apply(member as (...a: unknown[]) => unknown, target, args);
      },
    });
    const publisher = await publisherOn(through);
    const patientId = newPatient();
    await publisher.onConsentWritten(consent('away', { type: 'permit' }, of(patientId)));
    assert.equal(await publisher.whenSettled(patientId, 50), false);
    assert.equal(publisher.pendingOf(blinder.pseudonym(patientId))?.filed.length, 1);
    isAway = false;
    assert.equal(await publisher.whenSettled(patientId, 10_000), true);
    assert.deepEqual(await history(patientId), ['filed 0']);
    await publisher.close();
  });

  it('never sends what was withdrawn before it was sent', async () => {
    let isAway = true;
    const through = new Proxy(chain, {
      get: (target, name) =>
        name === 'call' && isAway
          ? () => Promise.reject(new ChainUnavailable('no route'))
          : (Reflect.get(target, name) as unknown),
    });
    const publisher = await publisherOn(through);
    const patientId = newPatient();
    await publisher.onConsentWritten(consent('withdrawn', { type: 'permit' }, of(patientId)));
    await publisher.onConsentRevoked('withdrawn');
    isAway = false;
    assert.equal(await publisher.whenSettled(patientId, 10_000), true);
    assert.deepEqual(await history(patientId), []);
    await publisher.close();
  });

  it('brings the chain to what the stored Consents say, when told after a crash', async () => {
    const patientId = newPatient();
    const [kept, gone, lost] = ['kept', 'gone', 'lost'].map((name) => consent(name, { type: 'permit' }, of(patientId)));
    const stored = [kept, lost] as Resource[];
    const source = { activeConsents: () => Promise.resolve(stored) };
    const clock = { now: () => Date.now() };
    const publisher = await startConsentPublisher({ chain, registry, state: catalog, ring, blinder, clock, source });
    await publisher.onConsentWritten(kept as Resource);
    await publisher.onConsentWritten(gone as Resource);
    await publisher.whenSettled(patientId, 5_000);
    await publisher.reconcile(patientId);
    assert.equal(await publisher.whenSettled(patientId, 5_000), true);
    assert.deepEqual((await history(patientId)).sort(), ['filed 0', 'filed 1', 'filed 2', 'revoked 1']);
    await publisher.close();
  });

  it('relays a filing that the patient signed with a key of her own', () =>
    withPublisher(async (publisher) => {
      const patientId = newPatient();
      const key = privateKeyFrom(new Uint8Array(32).fill(8), 'wallet');
      const written = consent('own-key', { type: 'permit' }, of(patientId));
      const compiled = compileToBytes(written, blinder);
      assert.ok(compiled);
      const filing = {
        patient: blinder.pseudonym(patientId),
        policy: compiled.hash,
        index: 0,
        deadline: 4_000_000_000,
      };
      const { r, vs } = signFiling(key, { chainId: chain.chainId, contract: registry }, filing);
      await publisher.onConsentWritten(written, { r, vs, index: 0, deadline: filing.deadline });
      assert.equal(await publisher.whenSettled(patientId, 5_000), true);
      const account = decodeAccount(await chain.call(registry, encodeAccountOf(filing.patient)));
      assert.deepEqual(account, { key: addressOf(key), filings: 1 });

      // Only she can revoke it; until she does, it is pending, which denies.
      await publisher.onConsentRevoked('own-key');
      assert.equal(await publisher.whenSettled(patientId, 100), false);
      assert.deepEqual(publisher.pendingOf(filing.patient)?.withdrawn, [0]);
      const revocation = { patient: filing.patient, policy: compiled.hash, index: 0 };
      const signed = signRevocation(key, { chainId: chain.chainId, contract: registry }, revocation);
      await publisher.onConsentRevoked('own-key', { r: signed.r, vs: signed.vs });
      assert.equal(await publisher.whenSettled(patientId, 10_000), true);
      assert.deepEqual(await history(patientId), ['filed 0', 'revoked 0']);
    }));

  // Each durable step and each word to the chain fails once, in both ways; afterwards a new publisher goes on with what is stored.
  for (const mode of ['before', 'after'] as const) {
    it(`files and revokes exactly once when it crashes ${mode} any step`, async () => {
      let crashes = 0;
      for (let step = 1; step < 60; step += 1) {
        const crash = new Crash(step, mode);
        const state: State = {
          getState: (key) => crash.step(() => catalog.getState(key)),
          putState: (key, value) => crash.step(() => catalog.putState(key, value)),
        };
        const through: Chain = {
          ...chain,
          call: (...args) => crash.step(() => chain.call(...args)),
          sign: (...args) => crash.step(() => chain.sign(...args)),
          send: (...args) => crash.step(() => chain.send(...args)),
          receipt: (...args) => crash.step(() => chain.receipt(...args)),
          nextNonce: () => crash.step(() => chain.nextNonce()),
        };
        const patientId = newPatient();
        const name = `crash-${mode}-${step}`;
        const written = consent(name, { type: 'permit' }, of(patientId));
        const told = { written: false, revoked: false };
        let doomed: ConsentPublisher | undefined;
        try {
          doomed = await publisherOn(through, state);
          await doomed.onConsentWritten(written);
          told.written = true;
          while (!crash.hasHappened && !(await doomed.whenSettled(patientId, 20)));
          await doomed.onConsentRevoked(name);
          told.revoked = true;
          while (!crash.hasHappened && !(await doomed.whenSettled(patientId, 20)));
        } catch (problem) {
          assert.ok(problem instanceof ChainUnavailable);
        }
        await doomed?.close();
        await withPublisher(async (publisher) => {
          // What was not acknowledged is told again, as the door does after a crash.
          if (!told.written) await publisher.onConsentWritten(written);
          assert.equal(await publisher.whenSettled(patientId, 5_000), true, `step ${step}: filing`);
          if (!told.revoked) await publisher.onConsentRevoked(name);
          assert.equal(await publisher.whenSettled(patientId, 5_000), true, `step ${step}: revocation`);
        });
        // Withdrawn before it was ever sent is as good as filed and revoked.
        const told1 = (await history(patientId)).join(', ');
        assert.ok(told1 === 'filed 0, revoked 0' || (told.revoked && told1 === ''), `step ${step}: ${told1}`);
        if (!crash.hasHappened) break;
        crashes += 1;
      }
      assert.ok(crashes > 15, `only ${crashes} steps`);
    });
  }

  it('keeps nothing in clear: no id of a patient or Consent, no reference, no code', async () => {
    await withPublisher(async (publisher) => {
      const patientId = 'planted-patient-id';
      const planted = {
        type: 'permit',
        actor: [{ role: { coding: [{ code: 'PRCP' }] }, reference: { reference: 'Practitioner/planted-actor' } }],
        code: [{ coding: [{ system: 'http://planted-system', code: 'planted-code' }] }],
      };
      await publisher.onConsentWritten(consent('planted-consent-id', planted, of(patientId)));
      assert.equal(await publisher.whenSettled(patientId, 5_000), true);
    });
    const files = [folder, path.join(dev.folder)];
    for (const one of files) {
      for (const name of await readdir(one)) {
        const bytes = await readFile(path.join(one, name)).catch(() => Buffer.alloc(0));
        for (const clear of ['planted-', Buffer.from('planted-').toString('hex')]) {
          assert.equal(bytes.includes(clear), false, `${name} holds ${clear}`);
        }
      }
    }
  });
});
