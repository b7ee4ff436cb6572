/** Starts the anchorer's loop on the log of this server, and builds its proofs. */
import path from 'node:path';
import { Anchorer } from '../anchoring/anchorer.js';
import { LocalAttestor } from '../anchoring/attestation.js';
import { batchFacts } from '../anchoring/batch-facts.js';
import { createLogDoor, originOf, type LogDoor } from '../anchoring/log-door.js';
import { noteSigner } from '../anchoring/note.js';
import type { PossessionSource } from '../anchoring/possession.js';
import type { ProofSource } from '../anchoring/proof-builder.js';
import { TileStore } from '../anchoring/tile-store.js';
import type { Log } from '../base/log.js';
import type { Config } from '../config.js';
import type { Network } from './network.js';
import type { Storage } from './storage.js';

export interface Anchoring {
  readonly anchorer: Anchorer;
  readonly proofs: ProofSource & PossessionSource;
  /** The log itself, below `/log/`. */
  readonly logDoor: LogDoor;
}

/** @param baseUrl of the FHIR door; the log is named after it. */
export async function startAnchoring(
  config: Config,
  baseUrl: string,
  storage: Storage,
  network: Network,
  log: Log,
): Promise<Anchoring> {
  const { catalog, records } = storage;
  const tiles = await TileStore.open(path.join(config.dataDir, 'log'), catalog, catalog.head().leafCount);
  const header = records.header.bind(records);
  const facts = {
    versionsByLeaf: catalog.versionsByLeaf.bind(catalog),
    header,
    state: catalog,
  };
  let isAway = false;
  const anchorer = new Anchorer({
    chain: network.anchorerChain,
    contract: network.contracts.anchorLog,
    fromBlock: network.contracts.fromBlock,
    tiles,
    state: catalog,
    leafCount: () => catalog.head().leafCount,
    facts: (from, until) => batchFacts(facts, from, until),
    attestors: [new LocalAttestor(network.keys.validator, tiles, catalog)],
    maxAgeMs: config.anchoring.maxAgeMs,
    maxLeaves: config.anchoring.batchSize,
    confirmations: config.anchoring.confirmations,
    onEvent(event) {
      if (event.kind === 'anchored') {
        const { batch, size, txHash, gasUsed } = event;
        log.write({ event: 'anchored', batch, size, txHash, gasUsed: Number(gasUsed) });
        void noteAccessCount(storage).catch(() => undefined);
      }
      const isProblem = event.kind === 'problem';
      if (isProblem === isAway) return;
      isAway = isProblem;
      log.write({
        event: 'dependency',
        name: 'chain',
        isAway,
        reason: isProblem ? event.message : 'anchoring goes on',
      });
    },
  });
  anchorer.start();
  return {
    anchorer,
    proofs: {
      tiles,
      anchorers: [anchorer],
      state: catalog,
      header,
      open: records.open.bind(records),
      blocks: storage.blocks,
      versionsByLeaf: catalog.versionsByLeaf.bind(catalog),
    },
    logDoor: createLogDoor(
      tiles,
      noteSigner(originOf(baseUrl.replace(/\/fhir$/, '')), storage.keyRing.derive('log-checkpoint')),
    ),
  };
}

const accessCountKey = 'access-log/count';

/** Keeps beside the main log how many access records there are, so that removed ones are missed. What is not noted now is noted with the next batch. */
async function noteAccessCount({ catalog, accessLog }: Storage): Promise<void> {
  await catalog.putState(accessCountKey, Buffer.from(String(accessLog.head().count)));
}

/** How many access records there were when the newest batch was anchored. */
export async function notedAccessCount({ catalog }: Pick<Storage, 'catalog'>): Promise<number> {
  const bytes = await catalog.getState(accessCountKey);
  return bytes === undefined ? 0 : Number(Buffer.from(bytes).toString());
}
