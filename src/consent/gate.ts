/**
 * Port: may this principal do this to a record with these attributes?
 *
 * Consistency: every decision is the contract's, at a block; reused only while no event since then touched the patient and the head is fresh.
 *   A revocation committed on this server denies at once, before it is mined.
 * Trust: the chain's. @throws ConsentUndecidable (503) when the chain cannot be asked within the operator's bound: never a stale yes.
 */
import type { Coding } from '../base/resource.js';

/** Who asks, as the token says. */
export interface Principal {
  /** `Practitioner/1`, `Patient/1`, `Organization/1`, `Device/1`: the reference in the `actor` (or fhirUser) claim. */
  readonly actor: string;
  /**
   * Further identities that hold for the actor: organisations, roles, care teams (references), and codes of roles as `system|code`.
   */
  readonly memberships: readonly string[];
  /** v3-ActReason code such as `TREAT`, `HRESCH`, `ETREAT`. */
  readonly purposeOfUse: string;
  /** SMART scopes as granted, e.g. `system/*.cruds`. */
  readonly scopes: readonly string[];
  readonly client?: string;
  /** The patient in context, of a patient-facing app (id). */
  readonly patient?: string;
  /** Identifier of the token, for the access log. */
  readonly tokenId?: string;
  /** Roles of the actor (`practitioner`, `auditor`, ...), as src/smart/roles.ts knows them. */
  readonly roles?: readonly string[];
  /** What the role matrix leaves to these roles; absent: everything (the server itself). */
  readonly role?: RoleGrant;
}

/** The role matrix, seen by one set of roles. It comes before scopes and consent. */
export interface RoleGrant {
  /** @param permission one of SMART's `c`, `r`, `u`, `d`, `s`. */
  may(permission: 'c' | 'r' | 'u' | 'd' | 's', resourceType: string): boolean;
  /** @param operation its name without the dollar sign. */
  mayCall(operation: string): boolean;
}

/** v3 consentaction codes. */
export type ConsentAction = 'access' | 'collect' | 'use' | 'disclose' | 'correct';

/** What consent can depend on; kept in the sealed header of every version. */
export interface RecordAttributes {
  readonly resourceType: string;
  readonly id: string;
  /** Ids of the patients in whose compartments the record is; empty for records of no patient. */
  readonly patients: readonly string[];
  /** `meta.security`. */
  readonly securityLabels: readonly Coding[];
  /** Codes a provision's `code` is compared with: `code`, `type`, `category` codings of the record. */
  readonly codes: readonly Coding[];
  /** Reference of the organisation or person who wrote it. */
  readonly author?: string;
  /** Clinically relevant time of the record, [start, end) in milliseconds since 1970, for `dataPeriod`. */
  readonly dataPeriod?: readonly [number, number];
  /** Records that it refers to (`Type/id`: its encounter, what it is derived from), for provisions about data related to another record. */
  readonly references?: readonly string[];
  /** Authors that the record itself names (author, performer, recorder, asserter), beside the one who wrote it here. */
  readonly authors?: readonly string[];
  /** Distinct sets of labels that stand at elements of the record; absent when none does. */
  readonly elementLabels?: readonly (readonly Coding[])[];
}

export interface ConsentDecision {
  readonly permit: boolean;
  /** Block number at which the contract decided. */
  readonly block: number;
  /** Short machine-readable reason, e.g. `permit:provision-0.1`, `deny:no-consent`, `deny:revocation-pending`. */
  readonly reason: string;
}

export interface ConsentGate {
  /** Decides for one record. Fast (a map look-up) when the same question was answered since the last event. */
  decide(principal: Principal, action: ConsentAction, record: RecordAttributes): Promise<ConsentDecision>;

  /** The decision if it is already known and still holds; lets hot paths stay synchronous. */
  peek(principal: Principal, action: ConsentAction, record: RecordAttributes): ConsentDecision | undefined;
}

export class ConsentUndecidable extends Error {
  override readonly name = 'ConsentUndecidable';
}
