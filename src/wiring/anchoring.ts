/** Starts the anchorers' loops, one a chain, on the log of this server, and builds its proofs. */
import path from 'node:path';
import { closeAll } from '../base/close-all.js';
import { Anchorer, type AnchorEvent } from '../anchoring/anchorer.js';
import { LocalAttestor, type Attestor } from '../anchoring/attestation.js';
import { batchFacts } from '../anchoring/batch-facts.js';
import { Cosignatures } from '../anchoring/cosignatures.js';
import { createLogDoor, originOf, type LogDoor } from '../anchoring/log-door.js';
import { createIssuerDoor } from '../anchoring/issuer-door.js';
import { noteSigner } from '../anchoring/note.js';
import type { PossessionSource } from '../anchoring/possession.js';
import type { ProofSource } from '../anchoring/proof-builder.js';
import { organisationKey as organisationKeyOf } from '../anchoring/sd-jwt.js';
import { TileStore } from '../anchoring/tile-store.js';
import type { SignedStatement } from '../anchoring/watch/claims.js';
import type { Log } from '../base/log.js';
import type { Contracts } from '../chain/deploy.js';
import type { EvmChain } from '../chain/ethers-chain.js';
import { loggedAccessHeads } from '../commit/access-heads.js';
import type { Config } from '../config.js';
import { accessHeadForm, noteAccessHead } from './access-head.js';
import { connectFurtherChains, type ConnectedChain } from './further-chains.js';
import { findProfileSet } from './in-force.js';
import type { Network } from './network.js';
import type { Storage } from './storage.js';
import { remoteValidators } from './validators.js';

export interface Anchoring {
  /** Of the first chain: what requests wait for. */
  readonly anchorer: Anchorer;
  readonly proofs: ProofSource & PossessionSource;
  /** The log itself, below `/log/`; sealed blocks for validators, below `/ipfs/`. */
  readonly logDoor: LogDoor;
  /** Tells every anchorer that the log has grown. */
  notify(): void;
  /** Tells every anchorer that its chain may have moved. */
  onHead(): void;
  close(): Promise<void>;
}

/** @param baseUrl of the FHIR door; a new log is named after it. */
export async function startAnchoring(
  config: Config,
  baseUrl: string,
  storage: Storage,
  network: Network,
  log: Log,
): Promise<Anchoring> {
  const { catalog, records } = storage;
  const { locks } = catalog;
  const tiles = await TileStore.open(path.join(config.dataDir, 'log'), catalog, catalog.head().leafCount);
  const header = records.header.bind(records);
  const versionsByLeaf = catalog.versionsByLeaf.bind(catalog);
  const facts = { versionsByLeaf, header, state: catalog };
  const signer = noteSigner(await originIn(catalog, baseUrl), storage.keyRing.derive('log-checkpoint'));
  const cosignatures = new Cosignatures();
  const organisationKey = await organisationKeyOf(storage.keyRing.derive('organisation'));
  const issuerDoor = createIssuerDoor(baseUrl, organisationKey);
  const remote =
    network.validators && remoteValidators(network.validators, config, storage, tiles, signer, cosignatures);
  const attestors: readonly Attestor[] = remote?.attestors ?? [new LocalAttestor(network.validatorKey, tiles, catalog)];
  const { maxAgeMs, batchSize, confirmations, attestationTimeoutMs } = config.anchoring;

  const anchorerOn = (chain: EvmChain, contracts: Contracts, ratified?: ConnectedChain['ratify']): Anchorer => {
    const anchorer = new Anchorer({
      chain,
      contract: contracts.anchorLog,
      fromBlock: contracts.fromBlock,
      tiles,
      state: catalog,
      leafCount: () => catalog.head().leafCount,
      facts: (from, until, refused) => batchFacts(facts, from, until, refused),
      attestors,
      ...(ratified && { ratified }),
      maxAgeMs,
      maxLeaves: batchSize,
      confirmations,
      attestationTimeoutMs,
      ...(locks === undefined ? {} : { leads: () => locks.leads(`anchorer/${chain.chainId}`) }),
      onEvent: eventsInto(
        log,
        chain.chainId,
        () => void noteAccessHead(catalog, storage.accessLog, storage.keyRing, storage.server).catch(() => undefined),
      ),
    });
    anchorer.start();
    return anchorer;
  };

  const anchorers = [anchorerOn(network.anchorerChain, network.contracts)];
  const folder = path.join(config.dataDir, 'chain');
  const further = connectFurtherChains(config.anchoring.chains, folder, network.deployment, log, (connected) =>
    anchorers.push(anchorerOn(connected.anchorerChain, connected.contracts, connected.ratify)),
  );
  const logDoor = createLogDoor(tiles, signer, {
    cosignatures,
    profileSet: async (digest) => (await findProfileSet(catalog, digest))?.manifest,
    statements: async () => (await Promise.all(anchorers.map(signedStatements))).flat(),
  });
  return {
    anchorer: anchorers[0],
    proofs: {
      tiles,
      anchorers,
      state: catalog,
      header,
      open: records.open.bind(records),
      blocks: storage.blocks,
      versionsByLeaf,
      leaves: catalog.leaves.bind(catalog),
      accessHeads: () => loggedAccessHeads(catalog, accessHeadForm(storage.keyRing), storage.server),
      organisationKey,
    },
    logDoor: {
      serve: (request, response) =>
        logDoor.serve(request, response) ||
        issuerDoor.serve(request, response) ||
        (remote?.blockDoor.serve(request, response) ?? false),
    },
    notify: () => anchorers.forEach((anchorer) => anchorer.notify()),
    onHead: () => anchorers.forEach((anchorer) => anchorer.onHead()),
    close: () => closeAll([further, ...anchorers].map((part) => () => part.close())),
  };
}

/** Batches whose statements are served: watchers look more often than that. */
const servedBatches = 100;

async function signedStatements(anchorer: Anchorer): Promise<SignedStatement[]> {
  const { chainId, contract } = anchorer;
  const records = await anchorer.newest(servedBatches);
  return records.flatMap(({ statement, signatures }) =>
    signatures.map((signature) => ({ chainId, contract, statement, signature })),
  );
}

/** The log's name: from the address that the server had when the log began, for a log that changed its name would be another one to its witnesses. */
async function originIn(catalog: Storage['catalog'], baseUrl: string): Promise<string> {
  const kept = await catalog.getState('log/origin');
  if (kept !== undefined) return Buffer.from(kept).toString('utf8');
  const origin = originOf(baseUrl.replace(/\/fhir$/, ''));
  await catalog.putState('log/origin', Buffer.from(origin, 'utf8'));
  return origin;
}

/** Anchors, refused leaves, and a chain (or quorum) that is away or back, as log lines. */
function eventsInto(log: Log, chainId: number, onAnchored: () => void): (event: AnchorEvent) => void {
  let isAway = false;
  return (event) => {
    if (event.kind === 'refused') {
      log.write({ event: 'refused', chainId, leaf: event.leaf, reasons: event.reasons });
      return;
    }
    if (event.kind === 'anchored') {
      const { batch, size, txHash, gasUsed } = event;
      log.write({ event: 'anchored', chainId, batch, size, txHash, gasUsed: Number(gasUsed) });
      onAnchored();
    }
    const isProblem = event.kind === 'problem';
    if (isProblem === isAway) return;
    isAway = isProblem;
    const reason = isProblem ? event.message : 'anchoring goes on';
    log.write({ event: 'dependency', name: 'chain', isAway, reason });
  };
}
