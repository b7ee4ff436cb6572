/** Each procedure of the table of faults, by the name that docs/faults.md gives it. */
import { filing, revocation } from './consents.js';
import type { Procedure } from './procedure.js';
import { codeExchange, refresh, signIn, tokenRevocation } from './tokens.js';
import { anchoring, erasure, rotationOf } from './upkeep.js';
import { create, remove, transaction, update } from './writes.js';

export const procedures: readonly Procedure[] = [
  create,
  transaction,
  update,
  remove,
  filing,
  revocation,
  anchoring,
  erasure,
  rotationOf('master'),
  rotationOf('compartments'),
  rotationOf('index'),
  signIn,
  codeExchange,
  refresh,
  tokenRevocation,
];
