/**
 * What a requester claims beside who she is: that the patient made her a delegate, that an emergency was declared, that she belongs to groups.
 * Made from what the follower knows; each claim is checked by the contract.
 */
import { fromHex } from '../base/bytes.js';
import type { Hex } from '../chain/chain.js';
import { emergencyHolder } from '../chain/emergency-access.js';
import { membershipOf } from '../chain/group-registry.js';
import type { Blinder } from './blinder.js';
import type { Principal } from './gate.js';
import type { RegistryFollower } from './registry-follower.js';
import { referenceTerm } from './terms.js';

/** Claims about one patient, as a request carries them; `key` tells equal ones. */
export interface Claims {
  readonly key: string;
  /** 8 for a delegate, else 0: a bit of the relation. */
  readonly relation: number;
  /** Number of an open emergency; 0 for none. */
  readonly emergency: number;
  /** Blinded term of the requester where it is needed, else undefined. */
  readonly actor: string | undefined;
}

const NO_CLAIMS: Claims = { key: '', relation: 0, emergency: 0, actor: undefined };

/** v3-ActReason codes under which an emergency is claimed. */
export const EMERGENCY_PURPOSES: ReadonlySet<string> = new Set(['BTG', 'ETREAT']);

type Known = Pick<RegistryFollower, 'delegates' | 'emergencies'>;

/** What the requester may claim about this patient now. */
export function claimsOf(known: Known, blinder: Blinder, principal: Principal, patient: Hex, nowMs: number): Claims {
  const delegates = known.delegates(patient);
  const emergencies = EMERGENCY_PURPOSES.has(principal.purposeOfUse) ? known.emergencies(patient) : undefined;
  if (delegates === undefined && emergencies === undefined) return NO_CLAIMS;
  const actor = blinder.term(referenceTerm('actor', principal.actor));
  const isDelegate = nowMs < 1000 * (delegates?.get(actor) ?? 0);
  const holder = emergencies === undefined ? undefined : emergencyHolder(actor, patient);
  const emergency = emergencies?.findLast((one) => one.holder === holder && nowMs < 1000 * one.until)?.grant ?? 0;
  if (!isDelegate && emergency === 0) return NO_CLAIMS;
  const relation = isDelegate ? 8 : 0;
  return { key: `${relation}/${emergency}/${actor}`, relation, emergency, actor };
}

/** Seconds at which a claim about this patient can end. */
export function claimEdges(known: Known, patient: Hex): number[] {
  return [
    ...(known.delegates(patient)?.values() ?? []),
    ...(known.emergencies(patient) ?? []).map(({ until }) => until),
  ];
}

/**
 * Memberships to claim, as pairs (group, member) of blinded terms.
 * @param groups blinded terms of the groups that the patient's policies ask for.
 */
export function groupClaims(
  known: Pick<RegistryFollower, 'holds'>,
  blinder: Blinder,
  principal: Principal,
  groups: ReadonlySet<string>,
): Uint8Array | undefined {
  if (groups.size === 0) return undefined;
  const members = [principal.actor, ...principal.memberships].map((one) => blinder.term(referenceTerm('actor', one)));
  const pairs = [...groups].sort().flatMap((group) => {
    const member = members.find((one) => known.holds(membershipOf(group, one)));
    return member === undefined ? [] : [group + member];
  });
  return pairs.length === 0 ? undefined : fromHex(pairs.join(''));
}
