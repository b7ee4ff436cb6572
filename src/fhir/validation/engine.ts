/** What a run shares with all others: definitions and everything compiled from them. */
import type { Definitions } from '../definitions/definitions.js';
import type { Bindings } from './bindings.js';
import type { Bundles } from './bundle-references.js';
import type { Invariants } from './invariants.js';
import type { Profiles } from './profiles.js';
import type { Shapes } from './shapes.js';

export interface Engine {
  readonly definitions: Definitions;
  readonly shapes: Shapes;
  readonly bindings: Bindings;
  readonly invariants: Invariants;
  readonly profiles: Profiles;
  readonly bundles: Bundles;
}
