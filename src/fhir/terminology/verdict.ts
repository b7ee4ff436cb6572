/**
 * What a question about a code is answered with.
 *
 * Spec: https://hl7.org/fhir/R4/terminologies.html
 */

/** `unknown`: cannot be decided from what is at hand. A warning that says so, never a pass and never an error. */
export type Membership = 'in' | 'out' | 'unknown';

/** Why: stable, for rules and receipts. */
export type Reason =
  | 'member'
  | 'not-member'
  | 'unknown-code'
  | 'invalid-unit'
  | 'no-code'
  | 'no-system'
  | 'unknown-system'
  | 'fragment'
  | 'unknown-value-set'
  | 'undecidable';

export interface CodeVerdict {
  readonly result: Membership;
  readonly reason: Reason;
  /** One sentence naming code, system and value set; absent when `in`. */
  readonly message?: string;
  /** The system in which a code without system was found. */
  readonly system?: string;
}

/** A code as an instance carries it. Without `system`: an element of type code, whose binding gives the system. */
export interface CodingInput {
  readonly system?: string;
  readonly version?: string;
  readonly code?: string;
  readonly display?: string;
}

/** True only when both are `in`; `out` when either is. */
export function both(a: Membership, b: Membership): Membership {
  if (a === 'out' || b === 'out') return 'out';
  return a === 'in' && b === 'in' ? 'in' : 'unknown';
}

/** `in` when either is; `out` only when both are. */
export function either(a: Membership, b: Membership): Membership {
  if (a === 'in' || b === 'in') return 'in';
  return a === 'out' && b === 'out' ? 'out' : 'unknown';
}

/** `in` for `out` and the reverse. */
export function negation(a: Membership): Membership {
  if (a === 'unknown') return a;
  return a === 'in' ? 'out' : 'in';
}
