/** Starts the consent gate and the publisher's loop, and tells them where the Consents of a patient are. */
import type { Clock } from '../base/clock.js';
import { parseJson } from '../base/json.js';
import type { Log } from '../base/log.js';
import type { Resource } from '../base/resource.js';
import type { Config } from '../config.js';
import { type Blinder, createBlinder } from '../consent/blinder.js';
import { type RunningConsentGate, startConsentGate } from '../consent/consent-gate.js';
import { AccountDesk } from '../consent/account-desk.js';
import { EmergencyDesk } from '../consent/emergency-desk.js';
import { ConsentDesk } from '../consent/desk.js';
import { LateLooks } from '../consent/late-looks.js';
import { overarchingPolicies } from '../consent/overarching.js';
import { startConsentPublisher, type ConsentPublisher } from '../consent/publisher.js';
import { SigningDesk } from '../consent/signing-desk.js';
import { compartmentPlan } from '../fhir/search/compartment.js';
import type { SearchContext } from '../fhir/search/context.js';
import { steadily } from '../fhir/search/steady.js';
import type { Network } from './network.js';
import { namesOf } from './smart.js';
import type { Storage } from './storage.js';

export interface Consent {
  readonly gate: RunningConsentGate;
  readonly publisher: ConsentPublisher;
  readonly desk: ConsentDesk;
  readonly accounts: AccountDesk;
  readonly signing: SigningDesk;
  /** Absent where the operator names no roles. */
  readonly emergencies?: EmergencyDesk;
  /** For Consents that other servers committed. */
  readonly lateLooks: LateLooks;
  close(): Promise<void>;
}

/** How long the server that committed a Consent has to tell the chain, before the others look whether it has. */
const consentGraceMs = 30_000;

/** More Consents than any patient has. */
const mostConsents = 1_000;

export async function startConsent(
  config: Config,
  storage: Storage,
  network: Network,
  search: SearchContext,
  clock: Clock,
  log: Log,
  isTold?: () => boolean,
): Promise<Consent> {
  const { catalog, keyRing } = storage;
  const blinder = createBlinder(keyRing.derive('consent'));
  const shared = { chain: network.publisherChain, registry: network.contracts.consentRegistry, blinder, clock };
  const compile = { overarching: overarchingPolicies(config.consent.policies) };
  const stored = (patientId: string) => activeConsents(storage, search, patientId);
  const onProblem = (error: unknown) => log.write({ event: 'defect', requestId: 'consent-publisher', error });
  const publisher = await startConsentPublisher({
    ...shared,
    state: catalog,
    ring: keyRing,
    confirmations: config.consent.confirmations,
    compile,
    source: { activeConsents: stored },
    onProblem,
  });
  const lateLooks = new LateLooks((patientId) => publisher.reconcile(patientId), consentGraceMs, onProblem);
  await tellAgain(storage, publisher);
  const gate = await startConsentGate({
    ...shared,
    confirmations: config.consent.confirmations,
    groups: network.contracts.groups,
    emergency: network.contracts.emergency,
    fromBlock: network.contracts.fromBlock,
    changes: publisher,
    contents: publisher,
    implicitPolicy: config.consent.defaultPolicy,
    maxStalenessMs: config.consent.maxStalenessMs,
    ...(isTold && { isTold }),
  });
  const emergencies = await startEmergencies(config, network, { blinder, clock, gate, publisher });
  const accounts = new AccountDesk({
    ...shared,
    accounts: publisher.accounts,
    gate,
    publisher,
    isTrustedOrigin: trustedOrigins(config, search.baseUrl),
  });
  return {
    gate,
    publisher,
    accounts,
    signing: new SigningDesk({ ...shared, publisher, accounts }),
    ...(emergencies === undefined ? {} : { emergencies }),
    lateLooks,
    desk: new ConsentDesk({
      gate,
      publisher,
      activeConsents: stored,
      blinder,
      clock,
      compile,
      implicitPolicy: config.consent.defaultPolicy,
    }),
    async close() {
      gate.close();
      const { leafCount } = catalog.head();
      const isTold = await lateLooks.now().then(
        () => !publisher.isBehind,
        () => false,
      );
      await publisher.close();
      // Else the next start looks at what came since.
      if (isTold) await catalog.putState(toldState, Buffer.from(String(leafCount)));
    },
  };
}

/** Pages of these origins may ask for a passkey's signature: our own, by every name, and those that may read our answers. */
function trustedOrigins({ fhir: { allowedOrigins } }: Config, baseUrl: string): (origin: string) => boolean {
  const known = new Set([...namesOf(baseUrl).map((name) => new URL(name).origin), ...allowedOrigins]);
  return (origin) => known.has('*') || known.has(origin);
}

/** Sees to it that the network names the operator's roles. */
async function startEmergencies(
  { consent: { breakGlass } }: Config,
  network: Network,
  parts: { blinder: Blinder; clock: Clock; gate: RunningConsentGate; publisher: ConsentPublisher },
): Promise<EmergencyDesk | undefined> {
  const { roles, minutes } = breakGlass;
  if (roles.length === 0) return undefined;
  const { blinder, clock, gate, publisher } = parts;
  const desk = new EmergencyDesk({
    chain: network.publisherChain,
    emergency: network.contracts.emergency,
    blinder,
    gate,
    clock,
    roles,
    durationS: minutes * 60,
    submit: (to, data) => publisher.submit(to, data),
  });
  const unnamed = await desk.unnamedRoles(minutes * 60);
  if (unnamed.length > 0) await network.nameEmergencyRoles(unnamed, minutes * 60);
  return desk;
}

/** Number of leaves whose Consents the publisher was told of, written at a clean stop. */
const toldState = 'consent/told';

/** More versions than can be committed and not yet told of when the process is killed. */
const mostUntold = 10_000;

/** After `kill -9` between a commit and the word to the publisher: tells it again of the Consents among the newest versions. */
async function tellAgain({ catalog, headers }: Storage, publisher: ConsentPublisher): Promise<void> {
  const { leafCount } = catalog.head();
  const stored = await catalog.getState(toldState);
  const told = stored === undefined ? 0 : Number(Buffer.from(stored).toString('utf8'));
  const patients = new Set<string>();
  for (const row of await catalog.versionsByLeaf(Math.max(told, leafCount - mostUntold), leafCount)) {
    if (row.isErased) continue;
    const { resourceType, id, attributes, isDeleted } = headers.open(row.resource, row.versionId, row.header);
    if (resourceType !== 'Consent') continue;
    if (isDeleted) await publisher.onConsentRevoked(id);
    for (const patient of attributes.patients) patients.add(patient);
  }
  for (const patient of patients) await publisher.reconcile(patient);
}

/** The active Consents of a patient as they are stored, newest first. */
export async function activeConsents(
  { catalog, records }: Storage,
  search: SearchContext,
  patientId: string,
): Promise<Resource[]> {
  const rows = await steadily(search.blinder, catalog.refresh?.bind(catalog), () => {
    const plan = compartmentPlan(search, 'Patient', patientId, ['Consent']);
    return Promise.resolve(catalog.search({ plan, asOf: catalog.head().seq, order: 'newest', limit: mostConsents }));
  });
  const consents = await Promise.all(
    rows.map(async (row) => parseJson(Buffer.from(await records.open(row)).toString('utf8')) as unknown as Resource),
  );
  return consents.filter(({ status }) => status === 'active');
}
