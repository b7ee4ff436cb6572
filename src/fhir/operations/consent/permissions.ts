/**
 * `$permissions`: what each organisation may see of a patient, by class of record; read from the contract, set as a Consent.
 *
 * GET: a part `cell` for each organisation and resource type (`organization`, `type`: more rows and columns than those that consents name).
 * POST: parts `set` with `organization` (or `actor`: a person, role, team or device), `type` (absent: all types), `effect` (permit, deny, none) and `until`
 * (a date, the last day of a permit or denial). They are kept in one Consent of the patient, with the identifier `urn:mooring:permissions|[id]`: the
 * same policies as any, filed and decided like them. One Consent, because a newer one of the same kind would supersede it.
 */
import { fhirError } from '../../../base/outcome.js';
import type { Resource } from '../../../base/resource.js';
import { actorsIn, type ConsentDesk } from '../../../consent/desk.js';
import { CONSENT_ACTION, RESOURCE_TYPES } from '../../../consent/hierarchies.js';
import { recordAccess } from '../../access-record.js';
import { instanceOf } from '../../interactions/interaction.js';
import type { Memberships } from '../../memberships.js';
import { compartmentPlan } from '../../search/compartment.js';
import type { FhirServices } from '../../services.js';
import { Input, parametersOf, type OutputParameter } from '../../terminology/operations/parameters.js';
import { unknown } from '../../write/targets.js';
import { write } from '../../write/write.js';
import type { Operation } from '../operation.js';
import { requireSubjectOrOperator } from './audience.js';
import { principalOf } from './candidates.js';

const identifierSystem = 'urn:mooring:permissions';
const mostRecords = 1_000;

interface Cell {
  /** Reference of the organisation, or of another actor. */
  readonly actor: string;
  /** Absent: every type. */
  readonly type?: string;
  /** A date; absent: without end. */
  readonly until?: string;
  readonly effect: 'permit' | 'deny' | 'none';
}

export function permissionsOperation(desk: ConsentDesk, memberships: Pick<Memberships, 'of'>): Operation {
  return {
    name: 'permissions',
    definition: 'urn:mooring:OperationDefinition:permissions',
    levels: ['instance'],
    types: ['Patient'],
    isSafe: true,
    async run(services, request, context, place) {
      const { type, id } = instanceOf(place);
      requireSubjectOrOperator(services, context, [id]);
      const row = await services.catalog.current(services.names.resource(type, id), services.catalog.head().seq);
      if (row === undefined || row.isDeleted) throw unknown(type, id);
      const cells = cellsIn(services, request.body);
      if (cells.length > 0) {
        const held = await desk.held(id);
        const present = held.find(({ consent }) => isMatrix(consent, id))?.consent;
        const resource = matrixConsent(id, present, cells, new Date(services.clock.now()).toISOString());
        const condition = `identifier=${encodeURIComponent(`${identifierSystem}|${id}`)}`;
        await write(services, context, [
          { interaction: 'update', resourceType: 'Consent', condition, resource, place: 'Consent' },
        ]);
        await desk.settled(id);
      }
      const input = Input.of(request.query);
      const parts = await matrixOf(services, desk, memberships, id, input.texts('organization'), input.texts('type'));
      const entities = [`Patient/${id}`];
      await recordAccess(services, context, {
        interaction: 'permissions',
        outcome: 'permit',
        entities,
        patients: [id],
      });
      return { status: 200, resource: parametersOf(parts) };
    },
  };
}

/** Every cell is a decision of the contract about a record of that type, without labels or codes. */
async function matrixOf(
  services: FhirServices,
  desk: ConsentDesk,
  memberships: Pick<Memberships, 'of'>,
  patientId: string,
  organizations: readonly string[],
  types: readonly string[],
): Promise<OutputParameter[]> {
  const held = await desk.held(patientId);
  const asOf = services.catalog.head().seq;
  const plan = compartmentPlan(services.search, 'Patient', patientId);
  const rows = await services.catalog.search({ plan, asOf, order: 'newest', limit: mostRecords });
  const attributes = rows.map((row) => services.opened.header(row).attributes);
  const authors = attributes.flatMap(({ author }) => author ?? []);
  const named = [...held.flatMap(({ policy }) => actorsIn(policy)), ...authors, ...organizations];
  const all = new Set(named.filter((one) => one.startsWith('Organization/')));
  const columns = new Set(['Patient', ...attributes.map(({ resourceType }) => resourceType), ...types]);
  const cells: OutputParameter[] = [];
  for (const organization of [...all].sort()) {
    const principal = await memberships.of(principalOf(organization, 'TREAT'));
    for (const resourceType of [...columns].sort()) {
      const record = { resourceType, id: '-', patients: [patientId], securityLabels: [], codes: [] };
      const explained = await desk.explain(principal, 'access', record, patientId, held);
      cells.push({
        name: 'cell',
        part: [
          { name: 'organization', valueReference: { reference: organization } },
          { name: 'type', valueCode: resourceType },
          { name: 'permit', valueBoolean: explained.permit },
          { name: 'reason', valueString: explained.reason },
          { name: 'text', valueString: explained.text },
        ],
      });
    }
  }
  return cells;
}

function isMatrix({ identifier }: Resource, patientId: string): boolean {
  const identifiers = (identifier ?? []) as { system?: string; value?: string }[];
  return identifiers.some(({ system, value }) => system === identifierSystem && value === patientId);
}

/** @throws FhirError 400 for a part that is no cell. */
function cellsIn({ definitions }: Pick<FhirServices, 'definitions'>, body: unknown): Cell[] {
  const { parameter = [] } = (body ?? {}) as { parameter?: { name?: string; part?: Record<string, unknown>[] }[] };
  return parameter
    .filter(({ name }) => name === 'set')
    .map(({ part = [] }, index) => {
      const place = `Parameters.parameter[${index}]`;
      const valueOf = (name: string) =>
        Object.entries(part.find((one) => one['name'] === name) ?? {}).find(([key]) => key.startsWith('value'))?.[1];
      const actor =
        referenceIn(valueOf('organization'), /^Organization\//) ?? referenceIn(valueOf('actor'), actorTypes);
      const type = valueOf('type') as string | undefined;
      const until = valueOf('until') as string | undefined;
      const effect = valueOf('effect');
      if (actor === undefined) {
        throw fhirError(400, 'invalid', `${place}: expected "organization" (Organization/[id]) or "actor".`, place);
      }
      if (until !== undefined && !/^\d{4}-\d{2}-\d{2}$/.test(until)) {
        throw fhirError(400, 'invalid', `${place}: "until" is expected to be a date.`, place);
      }
      if (type !== undefined && !definitions.resourceTypes.has(type)) {
        throw fhirError(400, 'invalid', `${place}: "type" is expected to be a resource type.`, place);
      }
      if (effect !== 'permit' && effect !== 'deny' && effect !== 'none') {
        throw fhirError(400, 'invalid', `${place}: "effect" is expected to be permit, deny or none.`, place);
      }
      return { actor, effect, ...(type === undefined ? {} : { type }), ...(until === undefined ? {} : { until }) };
    });
}

const actorTypes = /^(?:Organization|Practitioner|PractitionerRole|CareTeam|Group|RelatedPerson|Device)\//;

/** The reference of a value, when it is one to these types. */
function referenceIn(value: unknown, types: RegExp): string | undefined {
  const text = typeof value === 'string' ? value : (value as { reference?: unknown } | undefined)?.reference;
  const isOne = typeof text === 'string' && types.test(text) && /^[A-Za-z]+\/[A-Za-z0-9\-.]{1,64}$/.test(text);
  return isOne ? text : undefined;
}

const participation = 'http://terminology.hl7.org/CodeSystem/v3-ParticipationType';

/** The patient's matrix with these cells in place of the ones before; where it says nothing, her other consents speak. */
function matrixConsent(patientId: string, present: Resource | undefined, cells: readonly Cell[], now: string) {
  const kept = new Map<string, object>();
  const { provision: nested = [] } = (present?.['provision'] ?? {}) as { provision?: Record<string, never>[] };
  for (const one of nested) kept.set(keyOf(one), one);
  for (const { actor, type, effect, until } of cells) {
    const provision = {
      type: effect,
      ...(until === undefined ? {} : { period: { end: until } }),
      actor: [{ role: { coding: [{ system: participation, code: 'IRCP' }] }, reference: { reference: actor } }],
      action: ['access', 'disclose'].map((code) => ({ coding: [{ system: CONSENT_ACTION, code }] })),
      ...(type === undefined ? {} : { class: [{ system: RESOURCE_TYPES, code: type }] }),
    };
    if (effect === 'none') kept.delete(keyOf(provision));
    else kept.set(keyOf(provision), provision);
  }
  return {
    resourceType: 'Consent',
    identifier: [{ system: identifierSystem, value: patientId }],
    status: kept.size === 0 ? 'inactive' : 'active',
    scope: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/consentscope', code: 'patient-privacy' }] },
    category: [{ coding: [{ system: 'http://loinc.org', code: '59284-0' }] }],
    patient: { reference: `Patient/${patientId}` },
    dateTime: now,
    policyRule: { coding: [{ system: 'http://terminology.hl7.org/CodeSystem/v3-ActCode', code: 'GRANTORCHOICE' }] },
    ...(kept.size === 0 ? {} : { provision: { provision: [...kept.values()] } }),
  };
}

/** Actor and type of a cell. */
function keyOf(provision: object): string {
  const { actor, class: types } = provision as {
    actor?: { reference?: { reference?: string } }[];
    class?: { code?: string }[];
  };
  return `${actor?.[0]?.reference?.reference} ${types?.[0]?.code ?? '*'}`;
}
