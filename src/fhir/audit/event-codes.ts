/**
 * What an access record is called in an AuditEvent: type, subtype and action, by the interaction alone.
 *
 * Accesses as IHE BALP has them (https://profiles.ihe.net/ITI/BALP/content.html), sign-ins and tokens as DICOM PS3.15 A.5 and IHE IUA (ITI-71) have
 * them. What neither has is in systems of our own.
 */
import type { SecurityEventKind } from '../../smart/security-events.js';
import { securityPrefix } from './security-records.js';

export interface Coding {
  readonly system: string;
  readonly code: string;
  readonly display?: string;
}

export interface EventCodes {
  readonly type: Coding;
  readonly subtype: readonly Coding[];
  readonly action: 'C' | 'R' | 'U' | 'D' | 'E';
  /** Last part of the BALP profile that a permitted one with one patient may claim. */
  readonly profile?: string;
}

export const dicom = 'http://dicom.nema.org/resources/ontology/DCM';
const restful = 'http://hl7.org/fhir/restful-interaction';

const rest: Coding = {
  system: 'http://terminology.hl7.org/CodeSystem/audit-event-type',
  code: 'rest',
  display: 'RESTful Operation',
};
const authentication: Coding = { system: dicom, code: '110114', display: 'User Authentication' };
const alert: Coding = { system: dicom, code: '110113', display: 'Security Alert' };

/** Codes of FHIR's restful interactions. Of a deletion no profile is claimed: BALP's has no room for the request's id. */
const interactions: Readonly<Record<string, readonly [EventCodes['action'], profile?: string]>> = {
  read: ['R', 'PatientRead'],
  vread: ['R', 'PatientRead'],
  create: ['C', 'PatientCreate'],
  update: ['U', 'PatientUpdate'],
  patch: ['U', 'PatientUpdate'],
  delete: ['D'],
  'search-type': ['E', 'PatientQuery'],
  'search-system': ['E', 'PatientQuery'],
  'history-instance': ['R', 'PatientRead'],
  'history-type': ['E'],
  'history-system': ['E'],
  transaction: ['E'],
};

const own = (code: string, display: string): Coding => ({ system: 'urn:mooring:security-event', code, display });

const securityEvents: Readonly<Record<SecurityEventKind, readonly [type: Coding, subtype: Coding]>> = {
  login: [authentication, { system: dicom, code: '110122', display: 'Login' }],
  logout: [authentication, { system: dicom, code: '110123', display: 'Logout' }],
  token: [authentication, { system: 'urn:ihe:event-type-code', code: 'ITI-71', display: 'Get Access Token' }],
  refused: [alert, { system: dicom, code: '110126', display: 'Node Authentication' }],
  authorize: [authentication, own('authorize', 'App allowed or refused by its user')],
  'end-grant': [authentication, own('end-grant', 'What an app was allowed was ended by its user')],
  revoke: [authentication, own('revoke', 'Token given up by its app')],
  register: [alert, own('register', 'App registered')],
  passkey: [alert, own('passkey', 'Passkey added or removed')],
  account: [alert, { system: dicom, code: '110137', display: 'User security Attributes Changed' }],
  app: [alert, { system: dicom, code: '110129', display: 'Security Configuration' }],
  keys: [alert, own('keys', 'Key ring taken out in shares')],
};

export function isSecurityEvent(interaction: string): boolean {
  return interaction.startsWith(securityPrefix);
}

export function eventCodesOf(interaction: string): EventCodes {
  if (isSecurityEvent(interaction)) {
    const [type, subtype] = securityEvents[interaction.slice(securityPrefix.length) as SecurityEventKind];
    return { type, subtype: [subtype], action: 'E' };
  }
  const known = Object.hasOwn(interactions, interaction) ? interactions[interaction] : undefined;
  if (known === undefined) {
    const operation = { system: 'urn:mooring:operation', code: `$${interaction}` };
    return {
      type: rest,
      subtype: [{ system: restful, code: 'operation', display: 'operation' }, operation],
      action: 'E',
    };
  }
  const [action, profile] = known;
  const subtype = [{ system: restful, code: interaction, display: interaction }];
  return { type: rest, subtype, action, ...(profile === undefined ? {} : { profile }) };
}
