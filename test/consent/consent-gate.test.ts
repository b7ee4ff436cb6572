import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Chain, ChainUnavailable } from '../../src/chain/chain.js';
import {
  type ConsentAction,
  type ConsentDecision,
  ConsentUndecidable,
  type Principal,
  type RecordAttributes,
} from '../../src/consent/gate.js';
import { type World, type WorldOptions, consent, principal, recipient, record, startWorld } from './consent-world.js';

const doctor = principal('Practitioner/doctor');
const nurse = principal('Practitioner/nurse');
const permitDoctor = { type: 'deny', provision: [{ type: 'permit', actor: [recipient('Practitioner/doctor')] }] };

async function inWorld(options: WorldOptions, run: (world: World) => Promise<void>): Promise<void> {
  const world = await startWorld(options);
  try {
    await run(world);
  } finally {
    await world.stop();
  }
}

const says = (decision: ConsentDecision) => `${decision.permit} ${decision.reason}`;

async function ask(world: World, who: Principal, what: RecordAttributes = record(), action: ConsentAction = 'access') {
  return says(await world.gate.decide(who, action, what));
}

/** A chain that can be taken away. */
function switchable(): { through: (chain: Chain) => Chain; away: (isAway: boolean) => void; calls: () => number } {
  let isAway = false;
  let calls = 0;
  const through = (chain: Chain): Chain =>
    new Proxy(chain, {
      get(target, name) {
        const member = Reflect.get(target, name) as unknown;
        if (typeof member !== 'function') return member;
        return (...args: unknown[]) => {
          if (isAway) return Promise.reject(new ChainUnavailable('no route'));
          if (name === 'call') calls += 1;
          return Reflect.apply(member as (...a: unknown[]) => unknown, target, args);
        };
      },
    });
  return { through, away: (next) => (isAway = next), calls: () => calls };
}

describe('the consent gate', () => {
  it('denies everybody but the patient and the author when there is no consent', () =>
    inWorld({}, async (world) => {
      assert.equal(await ask(world, doctor), 'false deny:no-consent');
      assert.equal(await ask(world, principal('Patient/p1')), 'true permit:patient');
      assert.equal(await ask(world, principal('Patient/p2')), 'false deny:no-consent');
      assert.equal(await ask(world, principal('Organization/author')), 'true permit:author');
      assert.equal(
        await ask(world, principal('Practitioner/x', { memberships: ['Organization/author'] })),
        'true permit:author',
      );
      assert.equal(await ask(world, doctor, record({ patients: [] })), 'true permit:no-patient');
    }));

  it('permits by the implicit policy where the operator says so, until a consent denies', () =>
    inWorld({ implicitPolicy: 'permit' }, async (world) => {
      assert.equal(await ask(world, doctor), 'true permit:implicit');
      await world.publisher.onConsentWritten(consent('c1', { type: 'deny' }));
      assert.equal(await ask(world, doctor), 'false deny:provision-0');
      assert.equal(await ask(world, doctor, record({ patients: ['p2'] })), 'true permit:implicit');
    }));

  it('obeys a consent right after it was written, and names the provision', () =>
    inWorld({}, async (world) => {
      await world.publisher.onConsentWritten(consent('c1', permitDoctor));
      assert.equal(await ask(world, doctor), 'true permit:provision-0.0');
      assert.equal(await ask(world, nurse), 'false deny:provision-0');
      assert.equal(await world.publisher.whenSettled('p1', 5_000), true);
      assert.equal(await ask(world, doctor), 'true permit:provision-0.0');
    }));

  it('denies after a revocation before it is mined, and keeps denying once it is', async () => {
    const line = switchable();
    await inWorld({ through: line.through, maxStalenessMs: 60_000 }, async (world) => {
      await world.publisher.onConsentWritten(consent('c1', permitDoctor));
      assert.equal(await ask(world, doctor), 'true permit:provision-0.0');
      await world.publisher.whenSettled('p1', 5_000);
      const revoked = world.publisher.onConsentRevoked('c1');
      await revoked;
      assert.match(await ask(world, doctor), /^false deny:(revocation-pending|no-consent)$/);
      assert.equal(await world.publisher.whenSettled('p1', 5_000), true);
      assert.equal(await ask(world, doctor), 'false deny:no-consent');
    });
  });

  it('denies a revoked consent while the chain cannot mine it', async () => {
    let isMiningStopped = false;
    const through = (chain: Chain): Chain =>
      new Proxy(chain, {
        get(target, name) {
          const member = Reflect.get(target, name) as unknown;
          if (name !== 'send' || !isMiningStopped) return member;
          return () => Promise.reject(new ChainUnavailable('not now'));
        },
      });
    await inWorld({ through }, async (world) => {
      await world.publisher.onConsentWritten(consent('c1', permitDoctor));
      await world.publisher.whenSettled('p1', 5_000);
      assert.equal(await ask(world, doctor), 'true permit:provision-0.0');
      isMiningStopped = true;
      await world.publisher.onConsentRevoked('c1');
      assert.equal(await ask(world, doctor), 'false deny:revocation-pending');
      assert.equal(world.gate.peek(doctor, 'access', record())?.reason, 'deny:revocation-pending');
      isMiningStopped = false;
      assert.equal(await world.publisher.whenSettled('p1', 10_000), true);
      assert.equal(await ask(world, doctor), 'false deny:no-consent');
    });
  });

  it('follows a change of status and of contents of the Consent', () =>
    inWorld({}, async (world) => {
      await world.publisher.onConsentWritten(consent('c1', permitDoctor));
      assert.equal(await ask(world, doctor), 'true permit:provision-0.0');
      const permitNurse = { type: 'deny', provision: [{ type: 'permit', actor: [recipient('Practitioner/nurse')] }] };
      await world.publisher.onConsentWritten(consent('c1', permitNurse));
      await world.publisher.whenSettled('p1', 5_000);
      assert.match(await ask(world, doctor), /^false/);
      assert.match(await ask(world, nurse), /^true permit:provision-1\.0$/);
      await world.publisher.onConsentWritten(consent('c1', permitNurse, { status: 'inactive' }));
      await world.publisher.whenSettled('p1', 5_000);
      assert.equal(await ask(world, nurse), 'false deny:no-consent');
    }));

  it('needs a permit from each patient whose record it is', () =>
    inWorld({}, async (world) => {
      const shared = record({ patients: ['p1', 'p2'] });
      await world.publisher.onConsentWritten(consent('c1', permitDoctor));
      assert.equal(await ask(world, doctor, shared), 'false deny:no-consent');
      assert.equal(await ask(world, principal('Patient/p1'), shared), 'false deny:no-consent');
      await world.publisher.onConsentWritten(consent('c2', permitDoctor, { patient: { reference: 'Patient/p2' } }));
      assert.match(await ask(world, doctor, shared), /^true/);
    }));

  it('answers the same question from memory, and asks again when the patient is touched', async () => {
    const line = switchable();
    await inWorld({ through: line.through, pollMs: 60_000 }, async (world) => {
      await world.publisher.onConsentWritten(consent('c1', permitDoctor));
      await ask(world, doctor);
      await world.publisher.whenSettled('p1', 5_000);
      await ask(world, doctor);
      const before = line.calls();
      for (let i = 0; i < 100; i += 1) await ask(world, doctor, record({ id: `o${i}` }));
      assert.equal(line.calls(), before);
      assert.equal(world.gate.peek(nurse, 'access', record()), undefined);
      await world.publisher.onConsentWritten(consent('c2', { type: 'deny' }, { dateTime: '2026-02-01' }));
      assert.match(await ask(world, doctor), /^false/);
      assert.ok(line.calls() > before);
    });
  });

  it('asks for many records in one call', async () => {
    const line = switchable();
    await inWorld({ through: line.through, pollMs: 60_000 }, async (world) => {
      await world.publisher.onConsentWritten(
        consent('c1', {
          type: 'permit',
          provision: [{ type: 'deny', data: [{ meaning: 'instance', reference: { reference: 'Observation/o7' } }] }],
        }),
      );
      await world.publisher.whenSettled('p1', 5_000);
      await world.gate.sync();
      const before = line.calls();
      const records = Array.from({ length: 50 }, (_, i) => record({ id: `o${i}` }));
      const decisions = await Promise.all(records.map((one) => world.gate.decide(doctor, 'access', one)));
      assert.deepEqual(
        decisions.flatMap(({ permit }, i) => (permit ? [] : [i])),
        [7],
      );
      assert.equal(line.calls() - before, 1);
    });
  });

  it('is undecidable (503) when the chain is away for longer than the bound, and fine within it', async () => {
    const line = switchable();
    await inWorld({ through: line.through, maxStalenessMs: 5_000, pollMs: 20 }, async (world) => {
      assert.equal(await ask(world, doctor), 'false deny:no-consent');
      line.away(true);
      assert.equal(await ask(world, doctor), 'false deny:no-consent');
      world.clock.advance(6_000);
      assert.equal(world.gate.peek(doctor, 'access', record()), undefined);
      await assert.rejects(world.gate.decide(doctor, 'access', record()), ConsentUndecidable);
      await assert.rejects(world.gate.decide(doctor, 'access', record({ patients: [] })), ConsentUndecidable);
      line.away(false);
      assert.equal(await ask(world, doctor), 'false deny:no-consent');
    });
  });

  it('ends a permit at the end of its period, to the second, though it is remembered', () =>
    inWorld({}, async (world) => {
      const endMs = Math.floor(world.clock.now() / 1000) * 1000 + 3_600_000;
      const end = new Date(endMs).toISOString().replace('.000Z', 'Z');
      await world.publisher.onConsentWritten(consent('c1', { type: 'permit', period: { end } }));
      await world.publisher.whenSettled('p1', 5_000);
      assert.match(await ask(world, doctor), /^true/);
      world.clock.advance(endMs + 500 - world.clock.now());
      await world.gate.sync();
      assert.match(await ask(world, doctor), /^true/);
      world.clock.advance(600);
      assert.equal(world.gate.peek(doctor, 'access', record()), undefined);
      assert.equal(await ask(world, doctor), 'false deny:no-consent');
    }));

  it('knows everything again after a restart', () =>
    inWorld({}, async (world) => {
      await world.publisher.onConsentWritten(consent('c1', permitDoctor));
      await world.publisher.whenSettled('p1', 5_000);
      await world.restart();
      assert.equal(await ask(world, doctor), 'true permit:provision-0.0');
      assert.equal(await ask(world, nurse), 'false deny:provision-0');
      await world.publisher.onConsentRevoked('c1');
      await world.publisher.whenSettled('p1', 5_000);
      await world.restart();
      assert.equal(await ask(world, doctor), 'false deny:no-consent');
    }));
});
