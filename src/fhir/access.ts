/**
 * May this principal see this version? Scopes and consent in one answer, before the block is fetched.
 *
 * What may not be seen answers as if it did not exist; only a scope that cannot cover any record of a type is told (403).
 */
import { fhirError } from '../base/outcome.js';
import type { VersionRow } from '../commit/catalog.js';
import type { ConsentAction, Principal, RecordAttributes } from '../consent/gate.js';
import { grantFor, type Alternative, type Permission } from '../smart/scopes.js';
import { matchesPlan } from './search/matches-plan.js';
import { parseSearch } from './search/query.js';
import type { FhirServices } from './services.js';

type AccessServices = Pick<FhirServices, 'gate' | 'opened' | 'search' | 'extractor' | 'names'>;

const permissionNames: Record<Permission, string> = {
  c: 'create',
  r: 'read',
  u: 'update',
  d: 'delete',
  s: 'search',
};

/** @throws FhirError 403 `forbidden` when no scope of the token covers any record of the type for this permission. */
export function requireScope(principal: Principal, resourceType: string, permission: Permission): void {
  if (grantFor(principal.scopes, principal.patient, resourceType, permission).kind !== 'none') return;
  const diagnostics = `The token's scopes do not allow to ${permissionNames[permission]} ${resourceType}.`;
  throw fhirError(403, 'forbidden', diagnostics);
}

export function hasScope(principal: Principal, resourceType: string, permission: Permission): boolean {
  return grantFor(principal.scopes, principal.patient, resourceType, permission).kind !== 'none';
}

/** An answer that is at hand is given at once, so that hot paths need not wait. */
export function mayRead(
  services: AccessServices,
  principal: Principal,
  permission: Permission,
  row: VersionRow,
): boolean | Promise<boolean> {
  const { attributes } = services.opened.header(row);
  const grant = grantFor(principal.scopes, principal.patient, attributes.resourceType, permission);
  if (grant.kind === 'none') return false;
  const consent = permits(services, principal, 'access', attributes);
  if (grant.kind === 'all') return consent;
  const context = grant.alternatives.filter((alternative) => isInContext(alternative, principal, attributes));
  if (context.length === 0) return false;
  if (context.some(({ filter }) => filter === undefined)) return consent;
  return narrowed(services, context, row, consent);
}

async function narrowed(
  services: AccessServices,
  alternatives: readonly Alternative[],
  row: VersionRow,
  consent: boolean | Promise<boolean>,
): Promise<boolean> {
  if (!(await consent) || row.isDeleted) return false;
  const resource = (await services.opened.text(row)).value();
  const { terms } = services.extractor.extract(resource);
  return alternatives.some(({ filter }) => {
    const query = parseSearch(services.search, resource.resourceType, [...new URLSearchParams(filter)], 'strict');
    return matchesPlan(query.plan, { terms, name: row.resource, lastUpdated: row.lastUpdated });
  });
}

function isInContext(alternative: Alternative, { patient }: Principal, attributes: RecordAttributes): boolean {
  if (!alternative.patientOnly) return true;
  if (attributes.patients.length === 0) return attributes.resourceType !== 'Patient';
  return patient !== undefined && attributes.patients.includes(patient);
}

/** The consent contract's answer alone. */
export function permits(
  { gate }: Pick<FhirServices, 'gate'>,
  principal: Principal,
  action: ConsentAction,
  attributes: RecordAttributes,
): boolean | Promise<boolean> {
  const known = gate.peek(principal, action, attributes);
  return known === undefined ? gate.decide(principal, action, attributes).then(({ permit }) => permit) : known.permit;
}
