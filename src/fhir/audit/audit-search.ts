/**
 * AuditEvents of the access log: read and searched like stored ones, by who may know of them.
 *
 * Auditors see all. A patient sees what is about her, and of it only what is hers. Nobody else sees any.
 * Spec: https://hl7.org/fhir/R4/auditevent.html#search
 */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { AccessRecord } from '../../commit/access-log.js';
import type { Principal } from '../../consent/gate.js';
import { rolesOf } from '../../smart/roles.js';
import type { Context } from '../request.js';
import { matchesPlan } from '../search/matches-plan.js';
import type { SearchQuery } from '../search/query.js';
import type { FhirServices } from '../services.js';
import { auditEventId, auditEventOf } from './audit-event.js';
import type { AuditIndex } from './audit-index.js';
import { wantedBy } from './wanted.js';

export type AuditServices = Pick<
  FhirServices,
  'accessLog' | 'config' | 'catalog' | 'names' | 'opened' | 'extractor'
> & {
  readonly audit: AuditIndex;
};

/** Which records somebody may know of: all, those of one patient, or none. */
export type Audience =
  { readonly kind: 'all' } | { readonly kind: 'patient'; readonly id: string } | { readonly kind: 'none' };

export function audienceOf({ config }: Pick<FhirServices, 'config'>, principal: Principal): Audience {
  if (rolesOf(principal, config.organization).includes('auditor')) return { kind: 'all' };
  const [type, id] = principal.actor.split('/');
  return type === 'Patient' && id !== undefined ? { kind: 'patient', id } : { kind: 'none' };
}

/** The AuditEvent with this number, as far as the audience may know of it; undefined when it may not, or there is none. */
export async function auditEvent(
  services: AuditServices,
  { baseUrl }: Context,
  audience: Audience,
  number: number,
): Promise<Resource | undefined> {
  const [record] = await services.accessLog.read(number, number + 1);
  if (record === undefined || !isFor(audience, record)) return undefined;
  const shown = await shownTo(services, audience, record);
  return auditEventOf(number, shown, { organization: services.config.organization, baseUrl });
}

/** @param before numbers less than this. Newest first. */
export async function* auditEvents(
  services: AuditServices,
  { baseUrl }: Context,
  audience: Audience,
  query: Pick<SearchQuery, 'plan' | 'recheck' | 'applied'>,
  before: number,
): AsyncGenerator<{ number: number; resource: Resource }> {
  if (audience.kind === 'none') return;
  const wanted = wantedBy(query.applied, services.config.organization);
  if (wanted === undefined) return;
  const narrowed = audience.kind === 'all' ? wanted : { ...wanted, patients: [audience.id] };
  if (wanted.patients !== undefined && audience.kind === 'patient' && !wanted.patients.includes(audience.id)) return;
  for await (const { number, record } of services.audit.newest(before, narrowed)) {
    const shown = await shownTo(services, audience, record);
    const resource = auditEventOf(number, shown, { organization: services.config.organization, baseUrl });
    const name = services.names.resource('AuditEvent', auditEventId(number));
    const { terms } = services.extractor.extract(resource);
    if (!matchesPlan(query.plan, { terms, name, lastUpdated: record.time })) continue;
    if (query.recheck !== undefined && !query.recheck(resource)) continue;
    yield { number, resource };
  }
}

function isFor(audience: Audience, { patients }: AccessRecord): boolean {
  return audience.kind === 'all' || (audience.kind === 'patient' && patients.includes(audience.id));
}

/** A patient learns of her own records in an access that was about others too. */
async function shownTo(services: AuditServices, audience: Audience, record: AccessRecord): Promise<AccessRecord> {
  if (audience.kind !== 'patient' || record.patients.length < 2) return record;
  const entities: string[] = [];
  for (const entity of record.entities) if (await isOf(services, audience.id, entity)) entities.push(entity);
  // What was searched for may name others.
  return { ...record, query: undefined, patients: [audience.id], entities };
}

async function isOf({ catalog, names, opened }: AuditServices, patient: string, entity: string): Promise<boolean> {
  const [type = '', id = '', , version] = entity.split('/');
  if (version === undefined) return entity === `Patient/${patient}`;
  const row = await catalog.version(names.resource(type, id), Number(version));
  return row !== undefined && opened.header(row).attributes.patients.includes(patient);
}

/** @throws FhirError 405: what happened is not written, changed or deleted by anybody. */
export function refuseAuditWrite(): never {
  throw fhirError(405, 'not-supported', 'AuditEvents of the access log are read only.');
}
