/** Who took part in an access, or a sign-in: the software that asked, the server that answered, and for whom. */
import type { AccessRecord } from '../../commit/access-log.js';
import { dicom, type Coding, type EventCodes } from './event-codes.js';

const participation = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';
const source: Coding = { system: dicom, code: '110153', display: 'Source Role ID' };
const destination: Coding = { system: dicom, code: '110152', display: 'Destination Role ID' };
const application: Coding = { system: dicom, code: '110150', display: 'Application' };
const custodian: Coding = {
  system: 'http://terminology.hl7.org/CodeSystem/provenance-participant-type',
  code: 'custodian',
  display: 'Custodian',
};
const recipient: Coding = { system: participation, code: 'IRCP', display: 'information recipient' };
const author: Coding = { system: participation, code: 'AUT', display: 'author (originator)' };
const authorizer: Coding = {
  system: 'http://terminology.hl7.org/CodeSystem/extra-security-role-type',
  code: 'authserver',
  display: 'authorization server',
};

/** BALP's roles of client and server, by the way that the data goes; and what the user is in it. */
const rolesByAction: Readonly<Record<EventCodes['action'], readonly [client: Coding, server: Coding, user: Coding]>> = {
  C: [source, destination, author],
  R: [destination, source, recipient],
  U: [source, destination, author],
  D: [application, custodian, author],
  E: [source, destination, recipient],
};

export interface Place {
  /** Reference of the organisation that runs this server. */
  readonly organization: string;
  /** Base URL of this server. */
  readonly baseUrl: string;
}

export function agentsOfAccess(record: AccessRecord, action: EventCodes['action'], place: Place): object[] {
  const [client, server, user] = rolesByAction[action];
  return [
    clientOf(record, client, false),
    serverOf(server, place),
    { type: typeOf(user), who: { reference: record.actor }, requestor: true },
  ];
}

/** A sign-in whose person nobody knows has no user. */
export function agentsOfSecurityEvent(record: AccessRecord, place: Place): object[] {
  const isKnown = record.actor !== '';
  return [
    clientOf(record, application, !isKnown),
    serverOf(authorizer, place),
    ...(isKnown ? [{ type: typeOf(recipient), who: { reference: record.actor }, requestor: true }] : []),
  ];
}

function clientOf({ actor, client, address }: AccessRecord, role: Coding, requestor: boolean): object {
  const known = actor === '' ? { display: 'unknown' } : { reference: actor };
  return {
    type: typeOf(role),
    who: client === undefined ? known : { identifier: { value: client } },
    requestor,
    // https://hl7.org/fhir/R4/valueset-network-type.html: 2 is an IP address, 5 a URI.
    ...(address === undefined || address === '' ? {} : { network: { address, type: '2' } }),
  };
}

function serverOf(role: Coding, { organization, baseUrl }: Place): object {
  return {
    type: typeOf(role),
    who: { reference: organization },
    requestor: false,
    network: { address: baseUrl, type: '5' },
  };
}

function typeOf(coding: Coding): object {
  return { coding: [coding] };
}
