/**
 * Access records as AuditEvents, in the shape of IHE's Basic Audit Log Patterns.
 *
 * Spec: https://profiles.ihe.net/ITI/BALP/content.html, https://hl7.org/fhir/R4/auditevent.html
 */
import type { Resource } from '../../base/resource.js';
import type { AccessRecord } from '../../commit/access-log.js';
import { ACT_REASON } from '../../consent/hierarchies.js';

const auditType = 'http://terminology.hl7.org/CodeSystem/audit-event-type';
const restful = 'http://hl7.org/fhir/restful-interaction';
const dicom = 'http://dicom.nema.org/resources/ontology/DCM';
const participation = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';
const entityType = 'http://terminology.hl7.org/CodeSystem/audit-entity-type';
const objectRole = 'http://terminology.hl7.org/CodeSystem/object-role';
const balpEntity = 'https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType';
const sourceType = 'http://terminology.hl7.org/CodeSystem/security-source-type';
const outcomeUrl = 'urn:mooring:access-outcome';

const idForm = /^access-(0|[1-9][0-9]{0,14})$/;

/** Number of the record that an id names; undefined when the id is not one of an access record. */
export function recordNumberOf(id: string): number | undefined {
  const match = idForm.exec(id);
  return match === null ? undefined : Number(match[1]);
}

export function auditEventId(number: number): string {
  return `access-${number}`;
}

/** What BALP calls an interaction: a code of FHIR's restful interactions, where there is one. */
const codes: Readonly<Record<string, readonly [code: string, action: 'C' | 'R' | 'U' | 'D' | 'E', profile?: string]>> =
  {
    read: ['read', 'R', 'PatientRead'],
    vread: ['vread', 'R', 'PatientRead'],
    create: ['create', 'C', 'PatientCreate'],
    update: ['update', 'U', 'PatientUpdate'],
    patch: ['patch', 'U', 'PatientUpdate'],
    delete: ['delete', 'D', 'PatientDelete'],
    'search-type': ['search-type', 'E', 'PatientQuery'],
    'search-system': ['search-system', 'E', 'PatientQuery'],
    'history-instance': ['history-instance', 'R', 'PatientRead'],
    'history-type': ['history-type', 'E', 'PatientQuery'],
    'history-system': ['history-system', 'E', 'PatientQuery'],
    transaction: ['transaction', 'E'],
  };

export interface AuditParts {
  /** Reference of the organisation that runs this server. */
  readonly organization: string;
  /** Base URL of this server. */
  readonly baseUrl: string;
}

/**
 * @param number of the record in the access log.
 * @param record with the entities and patients that the reader may know of.
 */
export function auditEventOf(number: number, record: AccessRecord, { organization, baseUrl }: AuditParts): Resource {
  const { interaction, outcome, purpose, time, query } = record;
  const [code, action, profile] = codes[interaction] ?? ['operation', 'E'];
  const recorded = new Date(time).toISOString();
  const isPermitted = outcome === 'permit';
  const profiles =
    isPermitted && profile !== undefined && record.patients.length > 0
      ? [`https://profiles.ihe.net/ITI/BALP/StructureDefinition/IHE.BasicAudit.${profile}`]
      : [];
  return {
    resourceType: 'AuditEvent',
    id: auditEventId(number),
    meta: { versionId: '1', lastUpdated: recorded, ...(profiles.length === 0 ? {} : { profile: profiles }) },
    type: { system: auditType, code: 'rest', display: 'RESTful Operation' },
    subtype: [
      { system: restful, code, display: code },
      ...(code === interaction ? [] : [{ system: 'urn:mooring:operation', code: `$${interaction}` }]),
    ],
    action,
    recorded,
    outcome: isPermitted ? '0' : '4',
    ...(isPermitted
      ? {}
      : { outcomeDesc: 'refused: not released under the consent of the patient, or the scopes of the token' }),
    purposeOfEvent: [{ coding: [{ system: ACT_REASON, code: purpose }] }],
    agent: agentsOf(record, organization, baseUrl),
    source: {
      observer: { reference: organization },
      type: [{ system: sourceType, code: '4', display: 'Application Server' }],
    },
    entity: [
      ...record.patients.map((id) => ({
        what: { reference: `Patient/${id}` },
        type: { system: entityType, code: '1', display: 'Person' },
        role: { system: objectRole, code: '1', display: 'Patient' },
      })),
      ...record.entities
        .filter((entity) => !record.patients.includes(/^Patient\/([^/]+)$/.exec(entity)?.[1] ?? ''))
        .map((entity) => ({
          what: { reference: entity },
          type: { system: entityType, code: '2', display: 'System Object' },
          role: { system: objectRole, code: '4', display: 'Domain Resource' },
        })),
      ...(query === undefined
        ? []
        : [
            {
              type: { system: entityType, code: '2', display: 'System Object' },
              role: { system: objectRole, code: '24', display: 'Query' },
              query: Buffer.from(`${baseUrl}/${query}`).toString('base64'),
            },
          ]),
      {
        what: { identifier: { value: record.requestId } },
        type: { system: balpEntity, code: 'XrequestId' },
        detail: [
          { type: outcomeUrl, valueString: outcome },
          ...(record.block === undefined ? [] : [{ type: 'urn:mooring:block', valueString: String(record.block) }]),
          ...(record.reason === undefined ? [] : [{ type: 'urn:mooring:reason', valueString: record.reason }]),
        ],
      },
    ],
  };
}

/** Whose software asked, which server answered, and for whom. */
function agentsOf({ actor, client }: AccessRecord, organization: string, baseUrl: string) {
  return [
    {
      type: { coding: [{ system: dicom, code: '110153', display: 'Source Role ID' }] },
      who: client === undefined ? { reference: actor } : { identifier: { value: client } },
      requestor: false,
    },
    {
      type: { coding: [{ system: dicom, code: '110152', display: 'Destination Role ID' }] },
      who: { reference: organization },
      requestor: false,
      network: { address: baseUrl, type: '5' },
    },
    {
      type: { coding: [{ system: participation, code: 'IRCP', display: 'information recipient' }] },
      who: { reference: actor },
      requestor: true,
    },
  ];
}
