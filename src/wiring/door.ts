/** Puts the FHIR door on storage, chain and definitions, and runs the loops beside it: anchoring, consent. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tombstoneLeaf } from '../anchoring/tombstone.js';
import type { Clock } from '../base/clock.js';
import type { Log } from '../base/log.js';
import { Committer } from '../commit/committer.js';
import { finishErasures } from '../commit/erase.js';
import { closeAll } from '../base/close-all.js';
import type { RunningConsentGate } from '../consent/consent-gate.js';
import type { Config } from '../config.js';
import { createFhirApp, createFhirHandler } from '../fhir/http/app.js';
import { direct } from '../fhir/http/direct.js';
import { AuditIndex } from '../fhir/audit/audit-index.js';
import { SecurityRecords } from '../fhir/audit/security-records.js';
import { OpenedCache } from '../fhir/opened-cache.js';
import { doorOperations } from '../fhir/operations/all.js';
import type { ErasureParts } from '../fhir/operations/erase.js';
import type { SearchParameter } from '../fhir/definitions/types.js';
import type { ActiveDefinitions } from '../fhir/packages/active-definitions.js';
import { Cursors } from '../fhir/interactions/cursors.js';
import { Memberships } from '../fhir/memberships.js';
import { rotatingExtractor } from '../fhir/search/rotating-extractor.js';
import type { SearchContext } from '../fhir/search/context.js';
import type { SearchParameters } from '../fhir/search/parameters.js';
import { searchGraceMs } from '../fhir/search/steady.js';
import { searchTerminology } from '../fhir/search/terminology.js';
import type { FhirServices } from '../fhir/services.js';
import type { Vitals } from '../serving/metrics.js';
import { rolesOf } from '../smart/roles.js';
import { ToldEvents } from '../smart/told-events.js';
import type { TokenIssuer } from '../smart/token-issuer.js';
import { startAnchoring } from './anchoring.js';
import { startAccessHeads } from './access-head.js';
import { startConsent } from './consent.js';
import { definitionsAfterCommit } from './definitions.js';
import { fhirConfig } from './fhir-config.js';
import { InForce } from './in-force.js';
import { Indexing } from './indexing.js';
import type { CommittedDraft } from '../commit/draft.js';
import type { Network } from './network.js';
import type { PortsBetween } from './ports.js';
import { SealingThread } from './sealing/sealing-thread.js';
import { startSharing } from './sharing.js';
import { launchDesk, openSmart } from './smart.js';
import { personFinder } from './smart-patients.js';
import { openPatientPages } from './patient-pages.js';
import { endpointsOf, openSmartDoor } from './smart-door.js';
import { Rotations } from './rotations.js';
import { followOthers } from './several-servers.js';
import type { Storage } from './storage.js';

export interface Door {
  serve(request: IncomingMessage, response: ServerResponse): void;
  vitals(): Promise<Vitals>;
  /** Whether the bearer of this request is an operator; undefined without a valid token. */
  isOperator(request: IncomingMessage): Promise<boolean | undefined>;
  /** Stops the loops; what is committed is anchored after the next start. */
  close(): Promise<void>;
}

export interface DoorParts {
  readonly config: Config;
  readonly baseUrl: string;
  readonly clock: Clock;
  readonly log: Log;
  readonly storage: Storage;
  readonly definitions: ActiveDefinitions;
  /** SearchParameters that were in force before uploads. */
  readonly shipped: readonly SearchParameter[];
  readonly network: Network;
  readonly issuer: TokenIssuer;
  readonly between?: PortsBetween;
}

export async function openDoor(parts: DoorParts): Promise<Door> {
  const { config, baseUrl, clock, log, storage, definitions, shipped, network, issuer } = parts;
  const { catalog, blocks, vault, names, headers, records, blinder, keyRing, accessLog } = storage;
  const reportDefect = (requestId: string, error: unknown) => log.write({ event: 'defect', requestId, error });

  const inForce = await InForce.open(catalog, baseUrl, network.ratify, definitions, names, (error) =>
    reportDefect('definitions', error),
  );
  const anchoring = await startAnchoring(config, baseUrl, storage, network, log);
  const contents = new SealingThread(inForce.leafContext);
  const committer = new Committer({
    catalog,
    blocks,
    vault,
    names,
    headers,
    clock,
    contents,
    onCommit: () => anchoring.notify(),
  });
  const endAccessHeads = startAccessHeads(
    { catalog, accessLog, committer, clock, keyRing, ...(storage.server && { server: storage.server }) },
    config.anchoring.accessHeadEveryS,
    () => anchoring.notify(),
    (error) => reportDefect('access-head', error),
  );
  const indexing = await Indexing.open(storage, definitions, shipped, config.fhir.indexWords);
  const search: SearchContext = {
    get parameters() {
      return indexing.parameters;
    },
    blinder,
    baseUrl,
    clock,
    opens: indexing.opens,
    isYoung: indexing.isYoung,
    words: config.fhir.indexWords,
    terminology: searchTerminology(() => definitions.current.terminology),
  };
  const reindexer = await indexing.reindexer(config.fhir.reindex, search, committer, clock, (error) =>
    reportDefect('reindex', error),
  );
  const listening: { gate?: RunningConsentGate } = {};
  const heads = network.followHeads(() => {
    anchoring.onHead();
    void listening.gate?.sync().catch(() => undefined);
  });
  const consent = await startConsent(config, storage, network, search, clock, log, heads.isLive);
  listening.gate = consent.gate;
  const smart = await openSmart({
    config,
    baseUrl,
    clock,
    keyRing,
    issuer,
    findPerson: personFinder(storage, search),
    between: parts.between,
  });

  const opened = new OpenedCache(records);
  const memberships = new Memberships({ config, clock, catalog, names, opened, search });
  const applyDefinitions = definitionsAfterCommit(definitions, storage);

  const shares = await startSharing(storage, network, consent, search, opened, clock, (error) =>
    reportDefect('sharing', error),
  );
  const onErased = () => {
    opened.clear();
    anchoring.notify();
  };
  const erasure: ErasureParts = {
    catalog,
    blocks,
    vault,
    records,
    committer,
    clock,
    ...(storage.server === undefined ? {} : { server: storage.server }),
    tombstone: tombstoneLeaf,
    onErased,
    forgetConsents: async (patientId, consentIds, timeoutMs) => {
      await smart.forgetPatient(patientId);
      const states = await consent.publisher.forget(patientId, consentIds, timeoutMs);
      return [...states, ...(await shares.sharing.forget(patientId))];
    },
  };
  // What a crash left undone.
  void finishErasures(storage).catch((error: unknown) => reportDefect('erasure', error));

  const rotations = new Rotations({
    ...storage,
    committer,
    search,
    graceMs: catalog.announce === undefined ? 0 : searchGraceMs,
    onProblem: (error) => reportDefect('rotation', error),
  });
  await rotations.resume();

  const afterCommit = async (drafts: readonly CommittedDraft[]) => {
    memberships.onCommit(drafts);
    await applyDefinitions(drafts);
    await indexing.late.settled();
    shares.sharing.onCommit(drafts);
  };
  const securityLog = new SecurityRecords(accessLog, clock);
  const told = new ToldEvents(smart.store, securityLog, clock, config.organization);
  told.start();
  const { appOrigins } = smart;
  const services: FhirServices = {
    refresh: await followOthers({
      storage,
      consent,
      afterCommit,
      onErased: onErased,
      notify: anchoring.notify,
      onProblem: (error) => reportDefect('several-servers', error),
    }),
    config: fhirConfig(config, baseUrl),
    clock,
    get definitions() {
      return definitions.current.definitions;
    },
    catalog,
    committer,
    records,
    names,
    opened,
    search,
    extractor: rotatingExtractor(search, storage.blinder),
    cursors: new Cursors(keyRing.derive('cursor')),
    validator: definitions.validator,
    gate: consent.gate,
    ...(consent.emergencies === undefined ? {} : { emergencies: consent.emergencies }),
    accessLog,
    audit: new AuditIndex(accessLog),
    securityLog,
    ...(appOrigins === undefined ? {} : { isAppOrigin: (origin) => appOrigins.has(origin) }),
    consents: consent.publisher,
    afterCommit,
    authenticate: (credentials) => {
      const principal = smart.authenticator.authenticate(credentials);
      return principal instanceof Promise ? principal.then((one) => memberships.of(one)) : memberships.of(principal);
    },
    receiptOf: inForce.receiptOf,
    anchored: (leafIndex, timeoutMs) => anchoring.anchorer.waitForAnchor(leafIndex, timeoutMs),
    operations: doorOperations({
      definitions,
      proofs: anchoring.proofs,
      erasure,
      rotations,
      reindexing: { reindexer, late: indexing.late },
      consent: { ...consent, memberships },
      sharing: shares,
      launches: launchDesk(config, smart, clock),
    }),
    oauth: endpointsOf(config, baseUrl, smart),
    reportDefect,
  };
  const fhir = createFhirHandler(services);
  const smartDoor = openSmartDoor({ config, baseUrl, clock, keyRing, smart, services, securityLog });
  const servePages = openPatientPages(config, baseUrl);
  const app = direct(createFhirApp(fhir), fhir);
  void warmUp(() => indexing.parameters).catch((error: unknown) => reportDefect('warm-up', error));
  return {
    serve(request, response) {
      const isTaken =
        anchoring.logDoor.serve(request, response) ||
        smartDoor.serve(request, response) ||
        servePages(request, response);
      if (!isTaken) app(request, response);
    },
    async vitals() {
      const { seq, leafCount } = catalog.head();
      const { blocks: held, sizeBytes } = await blocks.usage();
      return {
        seq,
        leaves: leafCount,
        anchoredLeaves: anchoring.anchorer.status().anchoredSize,
        commitQueue: committer.queued,
        blocks: held,
        blockBytes: sizeBytes,
        accessRecords: accessLog.head().count,
        rotationRunning: (await rotations.status()).running !== undefined,
      };
    },
    async isOperator({ headers, method = 'GET', url = '/' }) {
      try {
        const credentials = { authorization: headers.authorization, dpop: headers.dpop as string, method, path: url };
        const principal = await services.authenticate(credentials);
        return rolesOf(principal, config.organization).includes('operator');
      } catch {
        return undefined;
      }
    },
    close: () =>
      closeAll([
        () => heads.close(),
        () => told.close(),
        () => securityLog.flush(),
        () => rotations.close(),
        () => reindexer.close(),
        () => endAccessHeads(),
        () => committer.close(),
        () => contents.close(),
        () => shares.sharing.close(),
        () => anchoring.close(),
        () => consent.close(),
        () => smart.close(),
      ]),
  };
}

/** Prepares the search parameters of every type, a type at a time between requests, so that no request waits for all of them. */
async function warmUp(parameters: () => SearchParameters): Promise<void> {
  for (const type of parameters().definitions.resourceTypes) {
    await new Promise((resolve) => setTimeout(resolve, 20).unref());
    parameters().parametersOf(type);
  }
}
