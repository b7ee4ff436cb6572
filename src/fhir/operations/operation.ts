/** Operations: registered once, found by the router, told by the CapabilityStatement. Spec: https://hl7.org/fhir/R4/operations.html */
import type { Interaction } from '../interactions/interaction.js';

export type OperationLevel = 'system' | 'type' | 'instance' | 'version';

export interface Operation {
  /** Without the dollar sign: `validate`. */
  readonly name: string;
  /** Canonical URL of the OperationDefinition. */
  readonly definition: string;
  readonly levels: readonly OperationLevel[];
  /** Types it is offered for; absent: all. */
  readonly types?: readonly string[];
  /** May also be called by GET: it changes nothing. */
  readonly isSafe: boolean;
  readonly run: Interaction;
}
