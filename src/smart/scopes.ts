/**
 * SMART clinical scopes, versions 1 and 2: what a token lets its bearer ask for.
 *
 * Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html
 */

/** create, read (also vread and history of an instance), update (also patch), delete, search (also history of a type). */
export type Permission = 'c' | 'r' | 'u' | 'd' | 's';

export interface ClinicalScope {
  readonly level: 'patient' | 'user' | 'system';
  /** A resource type, or `*`. */
  readonly resourceType: string;
  /** Some of `cruds`, in this order. */
  readonly permissions: string;
  /** Search parameters that narrow the scope, e.g. `category=laboratory`; absent: all records of the type. */
  readonly filter?: string;
}

/** One way in which a set of scopes allows an interaction; a record needs to satisfy one of them. */
export interface Alternative {
  /** Only records in the compartment of the patient in context. */
  readonly patientOnly: boolean;
  /** Only records that match these search parameters. */
  readonly filter?: string;
}

/** `none`: refused whatever the record is; `all`: any record; `some`: what one of the alternatives covers. */
export type Grant =
  | { readonly kind: 'none' }
  | { readonly kind: 'all' }
  | { readonly kind: 'some'; readonly alternatives: readonly Alternative[] };

const form = /^(patient|user|system)\/(\*|[A-Z][A-Za-z]*)\.([a-z]+|\*)(?:\?(.+))?$/;
const version1: Record<string, string> = { read: 'rs', write: 'cud', '*': 'cruds' };

/** @returns the scope, or undefined when `text` is no clinical scope (`openid`, `launch`, a typing error). */
export function parseScope(text: string): ClinicalScope | undefined {
  const match = form.exec(text);
  if (match === null) return undefined;
  const [, level, resourceType, letters, filter] = match;
  const permissions = Object.hasOwn(version1, letters) ? version1[letters] : letters;
  if (!/^c?r?u?d?s?$/.test(permissions)) return undefined;
  return { level: level as ClinicalScope['level'], resourceType, permissions, ...(filter ? { filter } : {}) };
}

const remembered = new WeakMap<readonly string[], Map<string, Grant>>();

/**
 * What `scopes` allow for one permission on one type.
 * @param scopes the array of a principal; answers are remembered for as long as that array lives, so it must not change.
 * @param patient the patient in context; without one, patient-level scopes grant nothing.
 */
export function grantFor(
  scopes: readonly string[],
  patient: string | undefined,
  resourceType: string,
  permission: Permission,
): Grant {
  const key = `${permission}${resourceType} ${patient ?? ''}`;
  const known = remembered.get(scopes)?.get(key);
  if (known !== undefined) return known;
  const grant = evaluate(scopes, patient, resourceType, permission);
  if (!remembered.has(scopes)) remembered.set(scopes, new Map());
  remembered.get(scopes)?.set(key, grant);
  return grant;
}

function evaluate(
  scopes: readonly string[],
  patient: string | undefined,
  resourceType: string,
  permission: Permission,
): Grant {
  const alternatives: Alternative[] = [];
  for (const text of scopes) {
    const scope = parseScope(text);
    if (scope === undefined || !scope.permissions.includes(permission)) continue;
    if (scope.resourceType !== '*' && scope.resourceType !== resourceType) continue;
    const patientOnly = scope.level === 'patient';
    if (patientOnly && patient === undefined) continue;
    if (!patientOnly && scope.filter === undefined) return { kind: 'all' };
    alternatives.push({ patientOnly, ...(scope.filter ? { filter: scope.filter } : {}) });
  }
  return alternatives.length === 0 ? { kind: 'none' } : { kind: 'some', alternatives };
}

/**
 * Whether whoever may have `wide` may have `narrow`: at the same level, for the type, every permission, and no fewer conditions.
 * @param wide what an app is registered for.
 */
export function covers(wide: ClinicalScope, narrow: ClinicalScope): boolean {
  return (
    wide.level === narrow.level &&
    (wide.resourceType === '*' || wide.resourceType === narrow.resourceType) &&
    [...narrow.permissions].every((permission) => wide.permissions.includes(permission)) &&
    (wide.filter === undefined || wide.filter === narrow.filter)
  );
}
