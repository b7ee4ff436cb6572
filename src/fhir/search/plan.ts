/**
 * A search as boolean algebra over blinded terms: all that a store ever sees of a query.
 *
 * Pure data. Made by fhir/search from query parameters, evaluated by each Catalog adapter over the versions that are current
 * (not superseded, not deleted) after one log entry.
 */
import type { Term } from '../../base/ids.js';

export type Plan =
  /** Every current version. */
  | { readonly kind: 'all' }
  /** Nothing. */
  | { readonly kind: 'none' }
  /** Versions that carry the term. */
  | { readonly kind: 'term'; readonly term: Term }
  /** At least two operands. */
  | { readonly kind: 'and'; readonly of: readonly Plan[] }
  | { readonly kind: 'or'; readonly of: readonly Plan[] }
  /** Complement; a plan from fhir/search always has it beside a positive operand of an `and`. */
  | { readonly kind: 'not'; readonly of: Plan }
  /** One of these resources (blind names of `Type/id`): `_id`, compartments. */
  | { readonly kind: 'resource'; readonly names: readonly Term[] }
  /** `lastUpdated` in [from, until), milliseconds since 1970. */
  | { readonly kind: 'updated'; readonly from: number; readonly until: number }
  /** Has a link under `param` (one of them) to a resource whose current version matches `target` (a chain). */
  | { readonly kind: 'link-to'; readonly params: readonly Term[]; readonly target: Plan }
  /** A current version that matches `source` has a link under `param` to it (`_has`, `_revinclude`). */
  | { readonly kind: 'linked-from'; readonly params: readonly Term[]; readonly source: Plan };
