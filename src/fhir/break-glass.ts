/**
 * Break-glass: access that no consent permits, in an emergency, by who may claim one, and never unnoticed.
 *
 * A request with the purpose BTG or ETREAT and a reason (header `X-Break-Glass-Reason`) about a patient whose consents deny declares an
 * emergency on the chain, once for its time; the contract then decides. With it go one record in the access log, a Communication to the patient
 * and a Task for the reviewer. Whoever holds none of the roles that were named is answered as ever.
 */
import { randomUUID } from 'node:crypto';
import type { ConsentGate, Principal, RecordAttributes } from '../consent/gate.js';
import { EmergencyRefused, type EmergencyDesk, type OpenEmergency } from '../consent/emergency-desk.js';
import { ACT_REASON } from '../consent/hierarchies.js';
import { hasScope } from './access.js';
import { recordAccess } from './access-record.js';
import type { Context, FhirRequest, FhirResponse } from './request.js';
import type { FhirServices } from './services.js';
import { write } from './write/write.js';

type Handle = (request: FhirRequest, context: Context) => Promise<FhirResponse>;

export const emergencySystem = 'urn:mooring:emergency';

/** What came of an attempt. `none`: nothing was broken, because nothing had to be, or the requester may not. */
export type Entered =
  | { readonly kind: 'none' }
  | { readonly kind: 'open'; readonly emergency: OpenEmergency }
  | {
      readonly kind: 'declared';
      readonly emergency?: OpenEmergency;
      readonly communication: string;
      readonly task: string;
    };

export function withBreakGlass(services: FhirServices, handle: Handle): Handle {
  const { emergencies } = services;
  if (emergencies === undefined) return handle;
  return async (request, context) => {
    const { principal } = context;
    const type = request.path[0] ?? '';
    const isCovered = hasScope(principal, type, 'r') || hasScope(principal, type, 's');
    if (isCovered && emergencies.isEmergency(principal) && !isOperation(request)) {
      for (const attributes of await recordsOf(services, request)) {
        for (const patientId of attributes.patients) {
          await breakGlass({ ...services, emergencies }, context, patientId, attributes);
        }
      }
    }
    return handle(request, context);
  };
}

/** Opens an emergency for the requester where one is needed, allowed, and a reason is given. */
export async function breakGlass(
  services: FhirServices & { readonly emergencies: EmergencyDesk },
  context: Context,
  patientId: string,
  attributes: RecordAttributes,
): Promise<Entered> {
  const { emergencies, gate } = services;
  const { principal, breakGlassReason: reason } = context;
  const open = emergencies.openFor(principal, patientId);
  if (open !== undefined) return { kind: 'open', emergency: open };
  const record = { ...attributes, patients: [patientId] };
  const { permit } = await gate.decide(principal, 'access', record);
  if (permit) {
    const usual = { ...principal, purposeOfUse: 'TREAT' };
    if ((await gate.decide(usual, 'access', record)).permit) return { kind: 'none' };
  }
  const role = emergencies.roleOf(principal);
  if (role === undefined && !permit) return { kind: 'none' };
  if (reason === undefined || reason.trim() === '') return { kind: 'none' };
  if (permit && isNoticed(services, principal, patientId)) return { kind: 'none' };
  try {
    const emergency = role === undefined ? undefined : await emergencies.declare(principal, patientId, role, reason);
    return { kind: 'declared', ...(await notify(services, context, patientId, reason, emergency)), emergency };
  } catch (problem) {
    // The network did not name the role: then nobody breaks any glass.
    if (problem instanceof EmergencyRefused) return { kind: 'none' };
    throw problem;
  }
}

/** Where a consent itself names emergencies: one notice for each requester and patient in so long. */
const noticeMs = 3_600_000;
const mostNotices = 10_000;
const notices = new WeakMap<ConsentGate, Map<string, number>>();

function isNoticed({ gate, clock }: FhirServices, { actor }: Principal, patientId: string): boolean {
  const known = notices.get(gate) ?? new Map<string, number>();
  notices.set(gate, known);
  const key = `${actor} ${patientId}`;
  const now = clock.now();
  if (now < (known.get(key) ?? 0)) return true;
  if (known.size >= mostNotices) known.clear();
  known.set(key, now + noticeMs);
  return false;
}

/** One record, one Communication to the patient, one Task for the reviewer. */
async function notify(
  services: FhirServices,
  context: Context,
  patientId: string,
  reason: string,
  emergency: OpenEmergency | undefined,
): Promise<{ communication: string; task: string }> {
  const { config, clock } = services;
  const { principal } = context;
  await recordAccess(services, context, {
    interaction: 'break-glass',
    outcome: 'permit',
    entities: [`Patient/${patientId}`],
    patients: [patientId],
    reason,
  });
  const now = new Date(clock.now()).toISOString();
  const grant = emergency === undefined ? randomUUID() : String(emergency.grant);
  const identifier = [{ system: emergencySystem, value: grant }];
  const patient = { reference: `Patient/${patientId}` };
  const by = { identifier: { system: 'urn:mooring:actor', value: principal.actor } };
  const ends = emergency === undefined ? '' : ` It ends at ${new Date(emergency.until).toISOString()}.`;
  const purpose = { coding: [{ system: ACT_REASON, code: principal.purposeOfUse }] };
  const communication = `Communication/${randomUUID()}`;
  const task = `Task/${randomUUID()}`;
  // The server writes these for the patient, whatever her consents say of writing.
  const permitted = { permit: true, block: 0, reason: 'permit:server' };
  const internal: FhirServices = {
    ...services,
    gate: { peek: () => permitted, decide: () => Promise.resolve(permitted) },
    config: { ...config, integrityOnWrite: false, updateCreate: 'on' },
  };
  const server: Principal = {
    actor: config.organization,
    memberships: [],
    purposeOfUse: 'TREAT',
    scopes: ['system/*.cruds'],
  };
  const content = {
    [communication]: {
      resourceType: 'Communication',
      identifier,
      status: 'completed',
      category: [
        {
          coding: [{ system: 'http://terminology.hl7.org/CodeSystem/communication-category', code: 'notification' }],
        },
      ],
      priority: 'urgent',
      subject: patient,
      recipient: [patient],
      sent: now,
      reasonCode: [purpose],
      payload: [
        {
          contentString: `Emergency access to your records by ${principal.actor} at ${now}.${ends} Reason given: ${reason}. You can contest it.`,
        },
      ],
    },
    [task]: {
      resourceType: 'Task',
      identifier,
      status: 'requested',
      intent: 'order',
      priority: 'urgent',
      code: { coding: [{ system: emergencySystem, code: 'review' }], text: 'Review an emergency access' },
      focus: { reference: communication },
      for: patient,
      authoredOn: now,
      requester: by,
      owner: { reference: config.reviewer },
      reasonCode: { ...purpose, text: reason },
    },
  };
  await write(
    internal,
    { ...context, principal: server },
    Object.entries(content).map(([name, resource]) => {
      const [resourceType = '', id = ''] = name.split('/');
      return { interaction: 'update', resourceType, id, resource: { ...resource, id }, place: resourceType } as const;
    }),
  );
  return { communication, task };
}

function isOperation({ path }: FhirRequest): boolean {
  return (path.at(-1) ?? '').startsWith('$') && path.at(-1) !== '$everything';
}

/** The records that a request names: the one in its path, and the patients that it searches for. */
async function recordsOf(services: FhirServices, { path, query }: FhirRequest): Promise<RecordAttributes[]> {
  const [type = '', id] = path;
  const names: [string, string][] = [];
  if (id !== undefined && /^[A-Za-z0-9]/.test(id)) names.push([type, id]);
  for (const [name, value] of query) {
    const [, patientId] = /^(?:Patient\/)?([A-Za-z0-9\-.]{1,64})$/.exec(value) ?? [];
    const isPatient = /^(patient|subject)(:Patient)?$/.test(name) || (name === '_id' && type === 'Patient');
    if (isPatient && patientId !== undefined) names.push(['Patient', patientId]);
  }
  const found: RecordAttributes[] = [];
  for (const [resourceType, resourceId] of names) {
    const name = services.names.resource(resourceType, resourceId);
    const row = await services.catalog.current(name, services.catalog.head().seq);
    if (row !== undefined && !row.isDeleted) found.push(services.opened.header(row).attributes);
  }
  return found;
}
