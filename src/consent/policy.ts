/**
 * A policy: the provision tree of one Consent, reduced to what can be decided, before it is blinded.
 *
 * Terms are clear text such as `purpose|http://…/v3-ActReason|TREAT`; the same texts stand in a request when they hold for it.
 */

/** One way in which a criterion can hold. Times in milliseconds since 1970, half-open. */
export type Alternative =
  | { readonly kind: 'term'; readonly term: string }
  | { readonly kind: 'all-terms'; readonly terms: readonly string[] }
  | { readonly kind: 'confidentiality-at-most'; readonly level: number }
  | { readonly kind: 'confidentiality-at-least'; readonly level: number }
  | { readonly kind: 'time-within'; readonly start: number; readonly end: number }
  | { readonly kind: 'data-within'; readonly start: number; readonly end: number }
  | { readonly kind: 'data-overlaps'; readonly start: number; readonly end: number }
  | { readonly kind: 'always' }
  /** The requester belongs to this group, as the chain says. */
  | { readonly kind: 'member-of'; readonly term: string };

/** Holds when one of its alternatives does; never when it has none. */
export interface Criterion {
  /** The element it comes from: `actor`, `purpose`, `period`, ... */
  readonly element: string;
  readonly alternatives: readonly Alternative[];
}

/** Applies when all its criteria hold. `none` only at the root: it leaves the decision to nested rules and the implicit policy. */
export interface Rule {
  readonly type: 'none' | 'deny' | 'permit';
  readonly criteria: readonly Criterion[];
  /** Exceptions: a nested rule that applies overrides; among siblings deny wins. */
  readonly rules: readonly Rule[];
  /** Of a denial: it holds in emergencies (break-glass) too. */
  readonly isFinal?: boolean;
  /** FHIRPath of the provision it comes from. */
  readonly expression: string;
}

export interface Policy {
  /** Versioned reference of the Consent: makes equal contents different policies. */
  readonly source: string;
  /** Names scope, overarching policy and grantor: the newest policy of a group supersedes the others. */
  readonly group: string;
  /** `dateTime` of the Consent, milliseconds since 1970. */
  readonly time: number;
  /** False when the operator does not know the overarching policy: its permits do not count. */
  readonly canPermit: boolean;
  readonly root: Rule;
}

/** What is asked, in clear text. */
export interface ClearRequest {
  /** Milliseconds since 1970. */
  readonly time: number;
  /** Clinically relevant time of the record; undefined when it is not known. */
  readonly data: readonly [start: number, end: number] | undefined;
  /** Level 0 to 5, high-water. */
  readonly confidentiality: number;
  readonly isPatient: boolean;
  readonly isAuthor: boolean;
  /** The record is a Consent that the requester wrote: whoever wrote one can always see and revoke it. */
  readonly isOwnConsent: boolean;
  readonly terms: ReadonlySet<string>;
  /** Terms of the groups to which the requester belongs. */
  readonly groups?: ReadonlySet<string>;
  /** An emergency was declared for the requester and this patient, and is open. */
  readonly isEmergency?: boolean;
  /** The patient made the requester her delegate. */
  readonly isDelegate?: boolean;
}

/** Bounds of an open interval, as JavaScript can hold them; far beyond any date that FHIR can write. */
export const FOREVER = 9_000_000_000_000_000;
