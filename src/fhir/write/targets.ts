/**
 * Which resource each operation is about, and in which version it is: ids, conditions and preconditions settled.
 *
 * Spec: https://hl7.org/fhir/R4/http.html#cond-update, #ccreate, #cdelete, #concurrency
 */
import { randomUUID } from 'node:crypto';
import { fhirError } from '../../base/outcome.js';
import { parseResourceId } from '../../base/ids.js';
import type { VersionRow } from '../../commit/catalog.js';
import type { Principal } from '../../consent/gate.js';
import type { Context } from '../request.js';
import { mayRead, requireScopeOn } from '../access.js';
import { recordNumberOf } from '../audit/audit-event.js';
import { refuseAuditWrite } from '../audit/audit-search.js';
import { recordRelease } from '../interactions/release.js';
import type { FhirServices } from '../services.js';
import { hiddenLabels } from '../visible-content.js';
import type { Facts } from './facts.js';
import { visibleMatches, type MatchServices } from './matches.js';
import type { WriteOperation } from './operation.js';

export interface Target {
  readonly operation: WriteOperation;
  /** `matched`: a conditional create found one; `nothing`: there is nothing to delete. */
  readonly kind: 'create' | 'update' | 'delete' | 'matched' | 'nothing';
  readonly resourceType: string;
  readonly id: string;
  /** The version before, also when that is a deletion; absent when there is none. */
  readonly current?: VersionRow;
}

export type TargetServices = MatchServices & Pick<FhirServices, 'config' | 'accessLog' | 'clock'>;

/**
 * The targets of one operation: one, but several (or none) for a conditional delete.
 * @throws FhirError 404, 405, 409, 410 or 412 as the specification says.
 */
export async function targetsOf(
  services: TargetServices,
  facts: Facts,
  context: Context,
  operation: WriteOperation,
): Promise<Target[]> {
  if (operation.resourceType === 'AuditEvent' && recordNumberOf(operation.id ?? '') !== undefined) refuseAuditWrite();
  switch (operation.interaction) {
    case 'create':
      return [await createTarget(services, facts, context, operation)];
    case 'update':
      return [await updateTarget(services, facts, context, operation)];
    case 'patch':
      return [await patchTarget(services, facts, context, operation)];
    case 'delete':
      return deleteTargets(services, facts, context, operation);
  }
}

async function createTarget(
  services: TargetServices,
  facts: Facts,
  context: Context,
  operation: WriteOperation,
): Promise<Target> {
  const { resourceType, condition, id = randomUUID() } = operation;
  if (condition !== undefined) {
    const matches = await visibleMatches(services, facts, context.principal, resourceType, condition);
    if (matches.length > 1) throw severalMatches(resourceType, condition, matches.length);
    if (matches.length === 1) return { ...found(services, operation, matches[0]), kind: 'matched' };
  }
  return { operation, kind: 'create', resourceType, id };
}

async function updateTarget(
  services: TargetServices,
  facts: Facts,
  context: Context,
  operation: WriteOperation,
): Promise<Target> {
  const { resourceType, condition, resource } = operation;
  if (condition === undefined) {
    if (resource?.id !== undefined && resource.id !== operation.id) {
      const diagnostics = `The body has the id "${resource.id}"; expected "${operation.id}" as in the URL.`;
      throw fhirError(400, 'invalid', diagnostics, `${operation.place}.id`);
    }
    return byId(services, facts, context, operation, operation.id ?? '');
  }
  const matches = await visibleMatches(services, facts, context.principal, resourceType, condition);
  if (matches.length > 1) throw severalMatches(resourceType, condition, matches.length);
  if (matches.length === 0) {
    if (resource?.id === undefined) return { operation, kind: 'create', resourceType, id: randomUUID() };
    const target = await byId(services, facts, context, operation, resource.id);
    if (target.kind === 'create') return target;
    const diagnostics = `${resourceType}/${resource.id} exists, but does not match "${condition}".`;
    throw fhirError(409, 'conflict', diagnostics, `${operation.place}.id`);
  }
  await requireWritable(services, context, 'update', matches[0]);
  const target = found(services, operation, matches[0]);
  if (resource?.id !== undefined && resource.id !== target.id) {
    const diagnostics = `The body has the id "${resource.id}", but "${condition}" matches ${resourceType}/${target.id}.`;
    throw fhirError(400, 'invalid', diagnostics, `${operation.place}.id`);
  }
  checkPreconditions(operation, target.current);
  return target;
}

async function byId(
  services: TargetServices,
  facts: Facts,
  context: Context,
  operation: WriteOperation,
  id: string,
): Promise<Target> {
  const { resourceType } = operation;
  if (parseResourceId(id) === undefined)
    throw fhirError(400, 'value', `"${id}" is no FHIR id.`, `${operation.place}.id`);
  const row = await facts.version(services.names.resource(resourceType, id));
  const isHidden = row !== undefined && !(await isVisible(services, context, operation, row));
  const current = isHidden ? undefined : row;
  checkPreconditions(operation, current);
  if (current === undefined || current.isDeleted) {
    const { updateCreate, organization } = services.config;
    const mayCreate =
      updateCreate === 'on' || (updateCreate === 'operator' && context.principal.actor === organization);
    if (mayCreate && !isHidden) return { operation, kind: 'create', resourceType, id, current };
    if (current !== undefined) throw fhirError(410, 'deleted', `${resourceType}/${id} is deleted.`);
    // Hidden or not there: one answer, unless the client could have created.
    throw updateCreate === 'off' ? notCreated(resourceType, id) : unknown(resourceType, id);
  }
  return { operation, kind: 'update', resourceType, id, current };
}

async function patchTarget(
  services: TargetServices,
  facts: Facts,
  context: Context,
  operation: WriteOperation,
): Promise<Target> {
  const { resourceType, condition } = operation;
  let current: VersionRow | undefined;
  let { id } = operation;
  if (condition !== undefined) {
    const matches = await visibleMatches(services, facts, context.principal, resourceType, condition);
    if (matches.length > 1) throw severalMatches(resourceType, condition, matches.length);
    if (matches.length === 0) throw fhirError(404, 'not-found', `No ${resourceType} matches "${condition}".`);
    await requireWritable(services, context, 'patch', matches[0]);
    ({ current, id } = found(services, operation, matches[0]));
    await facts.version(matches[0].resource);
  } else {
    current = await facts.version(services.names.resource(resourceType, id ?? ''));
    if (current === undefined || !(await isVisible(services, context, operation, current))) {
      throw unknown(resourceType, id ?? '');
    }
  }
  if (current?.isDeleted) throw fhirError(410, 'deleted', `${resourceType}/${id} is deleted.`);
  checkPreconditions(operation, current);
  return { operation, kind: 'update', resourceType, id: id ?? '', current };
}

async function deleteTargets(
  services: TargetServices,
  facts: Facts,
  context: Context,
  operation: WriteOperation,
): Promise<Target[]> {
  const { resourceType, condition, id = '' } = operation;
  const nothing: Target = { operation, kind: 'nothing', resourceType, id };
  if (condition !== undefined) {
    const matches = await visibleMatches(services, facts, context.principal, resourceType, condition);
    if (matches.length > 1 && services.config.conditionalDelete === 'single') {
      throw severalMatches(resourceType, condition, matches.length);
    }
    if (matches.length === 0 && operation.ifMatch !== undefined) throw versionConflict(operation.ifMatch, undefined);
    if (matches.length === 0) return [nothing];
    for (const row of matches) checkPreconditions(operation, row);
    for (const row of matches) await requireWritable(services, context, 'delete', row);
    return matches.map((row) => ({ ...found(services, operation, row), kind: 'delete' }));
  }
  const current = await facts.version(services.names.resource(resourceType, id));
  const isThere =
    current !== undefined && !current.isDeleted && (await isVisible(services, context, operation, current));
  if (!isThere) {
    if (operation.ifMatch !== undefined) throw versionConflict(operation.ifMatch, undefined);
    return [nothing];
  }
  checkPreconditions(operation, current);
  return [{ operation, kind: 'delete', resourceType, id, current }];
}

/** Whether the principal may know of the version that a write is about; a refusal is recorded before it is told. */
async function isVisible(
  services: TargetServices,
  context: Context,
  { interaction }: WriteOperation,
  row: VersionRow,
): Promise<boolean> {
  if (await mayRead(services, context.principal, interaction === 'delete' ? 'd' : 'u', row)) return true;
  if (await mayRead(services, context.principal, 'r', row)) {
    // It may be read, but not written: no secret.
    await requireWritable(services, context, interaction, row);
    return true;
  }
  await recordRelease(services, context, interaction, 'deny', [row]);
  return false;
}

/** Who sees a resource in part would lose the rest of it by a write. @throws FhirError 403 */
export async function requireWhole(
  services: Pick<FhirServices, 'gate' | 'opened'>,
  principal: Principal,
  row: VersionRow,
): Promise<void> {
  if ((await hiddenLabels(services, principal, row)).size === 0) return;
  throw fhirError(
    403,
    'forbidden',
    'Consent shows this resource in part only; it is written by those who see all of it.',
  );
}

/** @throws FhirError 403 when what a condition found is outside of what the scopes let be written. */
function requireWritable(
  services: TargetServices,
  { principal }: Context,
  interaction: WriteOperation['interaction'],
  row: VersionRow,
): Promise<void> {
  return row.isDeleted
    ? Promise.resolve()
    : requireScopeOn(services, principal, interaction === 'delete' ? 'd' : 'u', row);
}

function found(services: TargetServices, operation: WriteOperation, row: VersionRow): Target {
  const { resourceType, id } = services.opened.header(row);
  return { operation, kind: 'update', resourceType, id, current: row };
}

function checkPreconditions({ ifMatch, ifNoneMatch }: WriteOperation, current: VersionRow | undefined): void {
  const present = current === undefined || current.isDeleted ? undefined : String(current.versionId);
  if (ifMatch !== undefined && (present === undefined || !(ifMatch.includes('*') || ifMatch.includes(present)))) {
    throw versionConflict(ifMatch, present);
  }
  if (ifNoneMatch !== undefined && present !== undefined && (ifNoneMatch === '*' || ifNoneMatch === present)) {
    throw fhirError(412, 'conflict', `If-None-Match is "${ifNoneMatch}", but version ${present} is there.`);
  }
}

function versionConflict(expected: readonly string[], present: string | undefined) {
  const found = present === undefined ? 'there is none' : `the present version is "${present}"`;
  return fhirError(412, 'conflict', `If-Match expects version "${expected.join('" or "')}", but ${found}.`);
}

function severalMatches(resourceType: string, condition: string, count: number) {
  return fhirError(
    412,
    'multiple-matches',
    `${count} resources of type ${resourceType} match "${condition}"; expected one.`,
  );
}

/** Also for what may not be seen. */
function notCreated(resourceType: string, id: string) {
  const diagnostics = `${resourceType}/${id} is unknown, and this server does not create by PUT.`;
  return fhirError(405, 'not-supported', diagnostics);
}

/** The same words for what is not there and for what may not be seen. */
export function unknown(resourceType: string, id: string) {
  return fhirError(404, 'not-found', `${resourceType}/${id} is not known.`);
}
