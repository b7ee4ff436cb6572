/** Who somebody is to this server: the roles that the role matrix speaks of. */

export const roles = ['patient', 'practitioner', 'system', 'auditor', 'operator'] as const;
export type Role = (typeof roles)[number];

export function isRole(value: unknown): value is Role {
  return roles.some((role) => role === value);
}

/** Roles by the type of the actor, where the token names none. Auditors and operators are always named. */
const byActor: Readonly<Record<string, readonly Role[]>> = {
  Patient: ['patient'],
  RelatedPerson: ['patient'],
  Person: ['patient'],
  Practitioner: ['practitioner'],
  PractitionerRole: ['practitioner'],
  Organization: ['system'],
  Device: ['system'],
  HealthcareService: ['system'],
};

/**
 * The roles of a principal; none for an actor of an unknown type.
 * @param operator reference of the organisation that runs this server: it also operates and audits it.
 */
export function rolesOf(
  { actor, roles: named }: { readonly actor: string; readonly roles?: readonly string[] },
  operator: string,
): readonly Role[] {
  if (named !== undefined) return named.filter(isRole);
  if (actor === operator) return operatorRoles;
  return byActor[actor.slice(0, actor.indexOf('/'))] ?? [];
}

const operatorRoles: readonly Role[] = ['system', 'operator', 'auditor'];
