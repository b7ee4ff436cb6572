/** Every operation that the door offers. */
import type { PossessionSource } from '../../anchoring/possession.js';
import type { ProofSource } from '../../anchoring/proof-builder.js';
import type { ActiveDefinitions } from '../packages/active-definitions.js';
import { convertOperation } from './convert.js';
import { documentOperation } from './document.js';
import { eraseOperation, type ErasureParts } from './erase.js';
import { consentOperations, type ConsentParts } from './consent/all.js';
import { everythingOperation } from './everything.js';
import { expungeOperation } from './expunge.js';
import { graphOperation } from './graph.js';
import { graphqlOperation } from './graphql.js';
import { launchContextOperation, type LaunchDesk } from './launch-context.js';
import { lastnOperation } from './lastn.js';
import { matchOperation } from './match.js';
import { metaOperations } from './meta.js';
import type { Operation } from './operation.js';
import { possessionOperation } from './possession.js';
import { proofOperations } from './proof.js';
import { reindexOperation, type ReindexParts } from './reindex.js';
import { rotateKeysOperation, type RotationDesk } from './rotate-keys.js';
import { sharingOperations, type SharingParts } from './share.js';
import { terminologyOperations } from './terminology-operations.js';
import { translateOperation } from './translate.js';
import { validateOperation } from './validate.js';

export interface OperationParts {
  readonly definitions: ActiveDefinitions;
  /** Absent: the log is not anchored, so nothing can be proven. */
  readonly proofs?: ProofSource & PossessionSource;
  readonly erasure: ErasureParts;
  readonly reindexing: ReindexParts;
  readonly sharing: SharingParts;
  readonly consent: ConsentParts;
  readonly rotations: RotationDesk;
  /** Absent: apps are launched by another authorization server. */
  readonly launches?: LaunchDesk;
}

export function doorOperations({
  definitions,
  proofs,
  erasure,
  reindexing,
  consent,
  rotations,
  launches,
  sharing,
}: OperationParts): Operation[] {
  return [
    validateOperation,
    everythingOperation,
    documentOperation,
    graphOperation,
    graphqlOperation,
    lastnOperation,
    matchOperation,
    convertOperation,
    ...metaOperations,
    eraseOperation(erasure),
    expungeOperation(erasure),
    reindexOperation(reindexing),
    ...sharingOperations(sharing),
    ...consentOperations(consent),
    rotateKeysOperation(rotations),
    ...terminologyOperations(() => definitions.current),
    translateOperation,
    ...(launches === undefined ? [] : [launchContextOperation(launches)]),
    ...(proofs === undefined ? [] : [...proofOperations(proofs), possessionOperation(proofs)]),
  ];
}
