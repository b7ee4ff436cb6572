/**
 * May this principal see this version? Scopes and consent in one answer, before the block is fetched.
 *
 * What may not be seen answers as if it did not exist; only a scope that cannot cover any record of a type is told (403).
 */
import { FhirError } from '../base/outcome.js';
import type { Resource } from '../base/resource.js';
import type { VersionRow } from '../commit/catalog.js';
import type { ConsentAction, Principal, RecordAttributes } from '../consent/gate.js';
import { insufficientScope } from '../smart/challenges.js';
import { grantFor, type Alternative, type Grant, type Permission } from '../smart/scopes.js';
import { matchesPlan, type Indexed } from './search/matches-plan.js';
import type { SearchContext } from './search/context.js';
import type { SearchParameters } from './search/parameters.js';
import type { Plan } from './search/plan.js';
import { parseSearch } from './search/query.js';
import { permits } from './permits.js';
import type { FhirServices } from './services.js';
import { partOf } from './visible-content.js';

/** What a decision on one version needs. */
export type AccessServices = Pick<FhirServices, 'gate' | 'opened' | 'search' | 'extractor' | 'names' | 'definitions'>;

const permissionNames: Record<Permission, string> = {
  c: 'create',
  r: 'read',
  u: 'update',
  d: 'delete',
  s: 'search',
};

/** Answers of `grantOf`, for as long as the principal lives: a page asks for each of its resources. */
const grants = new WeakMap<Principal, Map<string, Grant>>();

/** What role and scopes together leave open. */
function grantOf(principal: Principal, resourceType: string, permission: Permission): Grant {
  let known = grants.get(principal);
  if (known === undefined) grants.set(principal, (known = new Map()));
  const key = permission + resourceType;
  let grant = known.get(key);
  if (grant === undefined) known.set(key, (grant = evaluatedGrant(principal, resourceType, permission)));
  return grant;
}

function evaluatedGrant(principal: Principal, resourceType: string, permission: Permission): Grant {
  const { role, scopes, patient } = principal;
  if (role?.may(permission, resourceType) === false) return nothing;
  const grant = grantFor(scopes, patient, resourceType, permission);
  return permission === 'r' && grant.kind !== 'all' ? withSelf(grant, principal, resourceType) : grant;
}

/**
 * The scope `fhirUser` lets an app read who its user is, whatever else it may; but a Patient is a health record, which takes a clinical scope.
 * Spec: https://hl7.org/fhir/smart-app-launch/STU2.2/scopes-and-launch-context.html#scopes-for-requesting-identity-data
 */
function withSelf(grant: Exclude<Grant, { kind: 'all' }>, { scopes, actor }: Principal, resourceType: string): Grant {
  const [type, id] = actor.split('/');
  if (type !== resourceType || type === 'Patient' || !scopes.includes('fhirUser')) return grant;
  const others = grant.kind === 'some' ? grant.alternatives : [];
  return { kind: 'some', alternatives: [...others, { patientOnly: false, filter: `_id=${id}` }] };
}

const nothing: Grant = { kind: 'none' };

/** @throws FhirError 403 `forbidden` when role or scopes cover no record of the type for this permission. */
export function requireScope(
  principal: Principal,
  resourceType: string,
  permission: Permission,
  expression?: string,
): void {
  if (hasScope(principal, resourceType, permission)) return;
  const words = `${permissionNames[permission]} ${resourceType}`;
  if (principal.role?.may(permission, resourceType) !== false)
    throw scopeRefuses(`The token's scopes do not allow to ${words}.`, expression);
  const roles = principal.roles?.join(', ') || 'none';
  throw new FhirError(403, [forbidden(`The roles of the actor (${roles}) do not allow to ${words}.`, expression)]);
}

/** 403 that another scope would help against, with the challenge that says so (RFC 6750, 3.1). */
function scopeRefuses(diagnostics: string, expression?: string): FhirError {
  return new FhirError(403, [forbidden(diagnostics, expression)], insufficientScope(diagnostics));
}

function forbidden(diagnostics: string, expression?: string) {
  return { severity: 'error', code: 'forbidden', diagnostics, ...(expression ? { expression } : {}) } as const;
}

export function hasScope(principal: Principal, resourceType: string, permission: Permission): boolean {
  return grantOf(principal, resourceType, permission).kind !== 'none';
}

/** An answer that is at hand is given at once, so that hot paths need not wait. */
export function mayRead(
  services: AccessServices,
  principal: Principal,
  permission: Permission,
  row: VersionRow,
  action: ConsentAction = 'access',
): boolean | Promise<boolean> {
  const { attributes } = services.opened.header(row);
  const grant = grantOf(principal, attributes.resourceType, permission);
  if (grant.kind === 'none') return false;
  const consent = permits(services, principal, action, attributes);
  if (grant.kind === 'all') return consent;
  const context = grant.alternatives.filter((alternative) => isInContext(alternative, principal, attributes));
  if (context.length === 0) return false;
  if (context.some(({ filter }) => filter === undefined)) return consent;
  return narrowed(services, principal, context, row, consent);
}

/** Whether the scopes cover the version as far as can be told without opening it: what `mayRead` refuses then, consent refuses. */
export function isInScope(
  { opened }: Pick<FhirServices, 'opened'>,
  principal: Principal,
  permission: Permission,
  row: VersionRow,
): boolean {
  const { attributes } = opened.header(row);
  const grant = grantOf(principal, attributes.resourceType, permission);
  if (grant.kind === 'none') return false;
  return grant.kind === 'all' || grant.alternatives.some((one) => isInContext(one, principal, attributes));
}

/** A granular scope covers a record by what the principal sees of it: else it would tell of hidden elements. */
async function narrowed(
  services: AccessServices,
  principal: Principal,
  alternatives: readonly Alternative[],
  row: VersionRow,
  consent: boolean | Promise<boolean>,
): Promise<boolean> {
  if (!(await consent) || row.isDeleted) return false;
  const seen = (await partOf(services, principal, row)) ?? (await services.opened.text(row));
  const resource = seen.value();
  const { terms } = services.extractor.extract(resource);
  const indexed = { terms, name: row.resource, lastUpdated: row.lastUpdated };
  return alternatives.some(({ filter }) => matchesFilter(services, resource.resourceType, filter, indexed));
}

/** Whether a granular scope covers a resource that is not in the index. */
export function matchesFilterOn(
  services: Pick<FhirServices, 'search' | 'extractor' | 'names'>,
  resource: Resource,
  filter: string | undefined,
): boolean {
  if (filter === undefined) return true;
  const { resourceType, id = '', meta } = resource;
  const { terms } = services.extractor.extract(resource);
  const lastUpdated = Date.parse(meta?.lastUpdated ?? '');
  return matchesFilter(services, resourceType, filter, {
    terms,
    name: services.names.resource(resourceType, id),
    lastUpdated,
  });
}

/** Whether a granular scope covers a record. */
function matchesFilter(
  { search }: Pick<FhirServices, 'search'>,
  resourceType: string,
  filter: string | undefined,
  indexed: Indexed,
): boolean {
  if (filter === undefined) return true;
  const plan = planOf(search, resourceType, filter);
  return plan !== undefined && matchesPlan(plan, indexed);
}

/** Conditions of granular scopes, prepared once for as long as the search parameters stay the same. */
const plans = new WeakMap<SearchParameters, Map<string, Plan | undefined>>();
const mostPlans = 1_000;

/** @returns undefined for conditions that are no search here: such a scope covers nothing. */
function planOf(search: SearchContext, resourceType: string, filter: string): Plan | undefined {
  const { parameters } = search;
  const known = plans.get(parameters) ?? new Map<string, Plan | undefined>();
  plans.set(parameters, known);
  const key = `${resourceType}?${filter}`;
  if (!known.has(key)) {
    if (known.size >= mostPlans) known.clear();
    known.set(key, parsedPlan(search, resourceType, filter));
  }
  return known.get(key);
}

function parsedPlan(search: SearchContext, resourceType: string, filter: string): Plan | undefined {
  try {
    // Terms at hand are of this very moment: no parameter is late for them. What they cannot decide is not covered.
    const context = { ...search, parameters: search.parameters, opens: undefined };
    return parseSearch(context, resourceType, [...new URLSearchParams(filter)], 'strict').sure;
  } catch (error) {
    if (error instanceof FhirError) return undefined;
    throw error;
  }
}

/**
 * Whether the scopes let this very content be written: in the patient's compartment, and within what a granular scope names.
 * @throws FhirError 403 `forbidden`.
 */
export function requireWriteScope(
  services: Pick<FhirServices, 'search'>,
  principal: Principal,
  permission: Permission,
  attributes: RecordAttributes,
  indexed: Indexed,
): void {
  const { resourceType } = attributes;
  const grant = grantOf(principal, resourceType, permission);
  if (grant.kind === 'all') return;
  const alternatives = grant.kind === 'none' ? [] : grant.alternatives;
  const { patient } = principal;
  const covers = alternatives.some(
    ({ patientOnly, filter }) =>
      (!patientOnly || (patient !== undefined && attributes.patients.includes(patient))) &&
      matchesFilter(services, resourceType, filter, indexed),
  );
  if (covers) return;
  throw scopeRefuses(`The token's scopes do not let this ${resourceType} be written.`);
}

/**
 * Whether the scopes let a record be written as it stands before the write; that it may be seen is asked elsewhere.
 * @throws FhirError 403 `forbidden`.
 */
export async function requireScopeOn(
  services: AccessServices,
  principal: Principal,
  permission: Permission,
  row: VersionRow,
): Promise<void> {
  const { attributes } = services.opened.header(row);
  const grant = grantOf(principal, attributes.resourceType, permission);
  if (grant.kind === 'all') return;
  const context =
    grant.kind === 'none' ? [] : grant.alternatives.filter((one) => isInContext(one, principal, attributes));
  if (context.some(({ filter }) => filter === undefined)) return;
  if (context.length > 0 && (await narrowed(services, principal, context, row, true))) return;
  throw scopeRefuses(`The token's scopes do not let this ${attributes.resourceType} be written.`);
}

/**
 * The refusal of any other patient than the one in context, for a token that is about that one alone: told of every id alike, so that it says
 * nothing about who is there.
 */
export function otherPatient({ scopes, patient }: Principal, resourceType: string, id: string): FhirError | undefined {
  if (resourceType !== 'Patient' || patient === undefined || id === patient) return undefined;
  const grant = grantFor(scopes, patient, resourceType, 'r');
  if (grant.kind !== 'some' || !grant.alternatives.every(({ patientOnly }) => patientOnly)) return undefined;
  return scopeRefuses('The token is for another patient.');
}

function isInContext(alternative: Alternative, { patient }: Principal, attributes: RecordAttributes): boolean {
  if (!alternative.patientOnly) return true;
  if (attributes.patients.length === 0) return attributes.resourceType !== 'Patient';
  return patient !== undefined && attributes.patients.includes(patient);
}
