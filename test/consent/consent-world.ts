/** A chain, a catalog, a key ring, a publisher and a gate, as the server wires them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Resource } from '../../src/base/resource.js';
import type { Chain } from '../../src/chain/chain.js';
import { type SqliteCatalog, openSqliteCatalog } from '../../src/commit/sqlite/sqlite-catalog.js';
import { type Blinder, createBlinder } from '../../src/consent/blinder.js';
import { type RunningConsentGate, startConsentGate } from '../../src/consent/consent-gate.js';
import type { Principal, RecordAttributes } from '../../src/consent/gate.js';
import { type ConsentPublisher, startConsentPublisher } from '../../src/consent/publisher.js';
import { openKeyRing } from '../../src/vault/file-key-ring.js';
import type { KeyRing } from '../../src/vault/key-ring.js';
import { type DevChain, startDevChain } from '../chain/dev-chain.js';

export interface WorldOptions {
  readonly implicitPolicy?: 'deny' | 'permit';
  readonly maxStalenessMs?: number;
  readonly pollMs?: number;
  readonly pendingWaitMs?: number;
  readonly confirmations?: number;
  /** Stands between publisher and gate and the chain; default: nothing does. */
  readonly through?: (chain: Chain) => Chain;
}

export interface World {
  readonly dev: DevChain;
  readonly blinder: Blinder;
  readonly catalog: SqliteCatalog;
  readonly ring: KeyRing;
  readonly clock: { now(): number; advance(ms: number): void };
  readonly gate: RunningConsentGate;
  readonly publisher: ConsentPublisher;
  readonly problems: Error[];
  /** Stops gate and publisher, and starts new ones on the same stores. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export async function startWorld(options: WorldOptions = {}): Promise<World> {
  const folder = await mkdtemp(path.join(tmpdir(), 'consent-'));
  const dev = await startDevChain();
  const ring = await openKeyRing(path.join(folder, 'keys.json'));
  const catalog = await openSqliteCatalog(path.join(folder, 'catalog.sqlite'));
  let offsetMs = 0;
  const clock = { now: () => Date.now() + offsetMs, advance: (ms: number) => void (offsetMs += ms) };
  const plain: Chain = dev.chainOf();
  const chain = options.through?.(plain) ?? plain;
  const blinder = createBlinder(ring.derive('consent'));
  const problems: Error[] = [];
  const { consentRegistry: registry, groups, emergency, fromBlock } = dev.contracts;

  const start = async () => {
    const onProblem = (problem: Error) => void problems.push(problem);
    const { implicitPolicy = 'deny', maxStalenessMs, pollMs, pendingWaitMs, confirmations = 1 } = options;
    const shared = { chain, registry, blinder, clock };
    const publisher = await startConsentPublisher({ ...shared, state: catalog, ring, confirmations, onProblem });
    const gate = await startConsentGate({
      chain,
      registry,
      groups,
      emergency,
      fromBlock,
      blinder,
      changes: publisher,
      contents: publisher,
      clock,
      implicitPolicy,
      confirmations,
      ...(maxStalenessMs === undefined ? {} : { maxStalenessMs }),
      ...(pollMs === undefined ? {} : { pollMs }),
      ...(pendingWaitMs === undefined ? {} : { pendingWaitMs }),
    });
    return { publisher, gate };
  };
  let running = await start();
  const halt = async () => {
    running.gate.close();
    await running.publisher.close();
  };

  return {
    dev,
    blinder,
    catalog,
    ring,
    clock,
    problems,
    get gate() {
      return running.gate;
    },
    get publisher() {
      return running.publisher;
    },
    async restart() {
      await halt();
      running = await start();
    },
    async stop() {
      await halt();
      await catalog.close();
      await dev.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** A principal with the usual purpose, and anything changed. */
export function principal(actor: string, changes: Partial<Principal> = {}): Principal {
  return { actor, memberships: [], purposeOfUse: 'TREAT', scopes: ['system/*.cruds'], ...changes };
}

/** A record of patient `p1` that `Organization/author` wrote, and anything changed. */
export function record(changes: Partial<RecordAttributes> = {}): RecordAttributes {
  return {
    resourceType: 'Observation',
    id: 'o1',
    patients: ['p1'],
    securityLabels: [],
    codes: [],
    author: 'Organization/author',
    ...changes,
  };
}

const ACT_CODE = 'http://terminology.hl7.org/CodeSystem/v3-ActCode';
const PARTICIPATION = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';

/** An actor of a provision: whoever receives. */
export function recipient(reference: string) {
  return { role: { coding: [{ system: PARTICIPATION, code: 'PRCP' }] }, reference: { reference } };
}

let versions = 0;

/** An active privacy Consent of patient `p1` that denies (OPTOUT), with this provision. */
export function consent(
  id: string,
  provision: Record<string, unknown>,
  changes: Record<string, unknown> = {},
): Resource {
  versions += 1;
  return {
    resourceType: 'Consent',
    id,
    meta: { versionId: String(versions), lastUpdated: '2026-01-01T00:00:00Z' },
    status: 'active',
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: 'Patient/p1' },
    dateTime: '2026-01-01',
    policyRule: { coding: [{ system: ACT_CODE, code: 'OPTOUT' }] },
    provision,
    ...changes,
  };
}
