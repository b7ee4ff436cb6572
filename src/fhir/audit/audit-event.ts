/**
 * Access records as AuditEvents, in the shape of IHE's Basic Audit Log Patterns.
 *
 * Spec: https://profiles.ihe.net/ITI/BALP/content.html, https://hl7.org/fhir/R4/auditevent.html
 */
import type { Resource } from '../../base/resource.js';
import type { AccessRecord } from '../../commit/access-log.js';
import { ACT_REASON } from '../../consent/hierarchies.js';
import { agentsOfAccess, agentsOfSecurityEvent, type Place } from './event-agents.js';
import { eventCodesOf, isSecurityEvent, type EventCodes } from './event-codes.js';

const entityType = 'http://terminology.hl7.org/CodeSystem/audit-entity-type';
const objectRole = 'http://terminology.hl7.org/CodeSystem/object-role';
const resourceTypes = 'http://hl7.org/fhir/resource-types';
const balp = 'https://profiles.ihe.net/ITI/BALP';
const sourceType = 'http://terminology.hl7.org/CodeSystem/security-source-type';

const systemObject = { system: entityType, code: '2', display: 'System Object' };

const idForm = /^access-(0|[1-9][0-9]{0,14})$/;

/** Number of the record that an id names; undefined when the id is not one of an access record. */
export function recordNumberOf(id: string): number | undefined {
  const match = idForm.exec(id);
  return match === null ? undefined : Number(match[1]);
}

export function auditEventId(number: number): string {
  return `access-${number}`;
}

/**
 * @param number of the record in the access log.
 * @param record with the entities and patients that the reader may know of.
 */
export function auditEventOf(number: number, record: AccessRecord, place: Place): Resource {
  const { interaction, outcome, purpose, time } = record;
  const codes = eventCodesOf(interaction);
  const isSecurity = isSecurityEvent(interaction);
  const recorded = new Date(time).toISOString();
  const profile = profileOf(record, codes);
  return {
    resourceType: 'AuditEvent',
    id: auditEventId(number),
    meta: { versionId: '1', lastUpdated: recorded, ...(profile === undefined ? {} : { profile: [profile] }) },
    type: codes.type,
    subtype: codes.subtype,
    action: codes.action,
    recorded,
    outcome: outcome === 'permit' ? '0' : '4',
    ...(outcome === 'permit' ? {} : { outcomeDesc: refusalText(record, isSecurity) }),
    // What a person signs in for is not asked.
    ...(isSecurity ? {} : { purposeOfEvent: [{ coding: [{ system: ACT_REASON, code: purpose }] }] }),
    agent: isSecurity ? agentsOfSecurityEvent(record, place) : agentsOfAccess(record, codes.action, place),
    source: {
      observer: { reference: place.organization },
      type: [
        isSecurity
          ? { system: sourceType, code: '6', display: 'Security Server' }
          : { system: sourceType, code: '4', display: 'Application Server' },
      ],
    },
    entity: [
      ...patientsOf(record),
      ...objectsOf(record, codes),
      ...queryOf(record, codes, place),
      requestOf(record, codes),
    ],
  };
}

function refusalText({ cause }: AccessRecord, isSecurity: boolean): string {
  if (isSecurity) return `refused: ${cause ?? 'not told why'}`;
  return 'refused: not released under the consent of the patient, or the scopes of the token';
}

/** The profile that the event keeps to: of one patient, with the sender's address, and one object or query. */
function profileOf(record: AccessRecord, { action, profile }: EventCodes): string | undefined {
  const { outcome, patients, entities, query, address } = record;
  const isWhole = action === 'E' ? query !== undefined : entities.length === 1;
  const fits = outcome === 'permit' && patients.length === 1 && isWhole && address !== undefined && address !== '';
  return fits && profile !== undefined ? `${balp}/StructureDefinition/IHE.BasicAudit.${profile}` : undefined;
}

function patientsOf({ patients }: AccessRecord): object[] {
  return patients.map((id) => ({
    what: { reference: `Patient/${id}` },
    type: { system: entityType, code: '1', display: 'Person' },
    role: { system: objectRole, code: '1', display: 'Patient' },
  }));
}

/** What left, or was asked for. Of a search its query is the system object, so results are named by their type. */
function objectsOf({ entities, patients }: AccessRecord, { action }: EventCodes): object[] {
  return entities
    .filter((entity) => !patients.includes(/^Patient\/([^/]+)$/.exec(entity)?.[1] ?? ''))
    .map((entity) => ({
      what: { reference: entity },
      type: action === 'E' ? { system: resourceTypes, code: entity.split('/', 1)[0] } : systemObject,
      role: { system: objectRole, code: '4', display: 'Domain Resource' },
    }));
}

function queryOf({ query, interaction }: AccessRecord, { action }: EventCodes, { baseUrl }: Place): object[] {
  if (query === undefined || action !== 'E') return [];
  const text = isSecurityEvent(interaction) ? query : `${baseUrl}/${query}`;
  const role = { system: objectRole, code: '24', display: 'Query' };
  return [{ type: systemObject, role, query: Buffer.from(text).toString('base64') }];
}

/** The request by its id, with what no other element has room for. */
function requestOf({ requestId, outcome, block, reason, query }: AccessRecord, { action }: EventCodes): object {
  const details: readonly (readonly [type: string, value: string | undefined])[] = [
    ['urn:mooring:access-outcome', outcome],
    ['urn:mooring:block', block === undefined ? undefined : String(block)],
    ['urn:mooring:reason', reason],
    ['urn:mooring:query', action === 'E' ? undefined : query],
  ];
  return {
    what: { identifier: { value: requestId } },
    type: { system: `${balp}/CodeSystem/BasicAuditEntityType`, code: 'XrequestId' },
    detail: details.flatMap(([type, valueString]) => (valueString === undefined ? [] : [{ type, valueString }])),
  };
}
