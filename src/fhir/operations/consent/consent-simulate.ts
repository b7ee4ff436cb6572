/**
 * `$consent-simulate`: what a Consent would change, and for whom, before it is filed. Stores nothing, tells nobody.
 *
 * In: a Consent (as the body, or the parameter `consent`) of the patient in the URL. Out: a part `change` for each actor and resource type
 * with records that would be seen (`gained`) or no longer be seen (`lost`), and the provision that would decide.
 */
import { fhirError } from '../../../base/outcome.js';
import { patientOf } from '../../../consent/compile.js';
import { type ConsentDesk, purposesIn } from '../../../consent/desk.js';
import type { RecordAttributes } from '../../../consent/gate.js';
import { recordAccess } from '../../access-record.js';
import { instanceOf } from '../../interactions/interaction.js';
import type { Memberships } from '../../memberships.js';
import { compartmentPlan } from '../../search/compartment.js';
import type { FhirServices } from '../../services.js';
import { Input, parametersOf, type OutputParameter } from '../../terminology/operations/parameters.js';
import { unknown } from '../../write/targets.js';
import type { Operation } from '../operation.js';
import { requireSubjectOrOperator } from './audience.js';
import { anybody, candidatesFor, principalOf } from './candidates.js';
import { referenceOf } from './explain-access.js';

/** Records of the patient that are looked at, newest first. */
const mostRecords = 2_000;

export function consentSimulateOperation(desk: ConsentDesk, memberships: Pick<Memberships, 'of'>): Operation {
  return {
    name: 'consent-simulate',
    definition: 'urn:mooring:OperationDefinition:consent-simulate',
    levels: ['instance'],
    types: ['Patient'],
    isSafe: false,
    async run(services, request, context, place) {
      const { type, id } = instanceOf(place);
      requireSubjectOrOperator(services, context, [id]);
      const patient = await services.catalog.current(services.names.resource(type, id), services.catalog.head().seq);
      if (patient === undefined || patient.isDeleted) throw unknown(type, id);
      const draft = Input.of(request.query, request.body, 'consent').resource('consent');
      if (draft === undefined) throw fhirError(400, 'required', 'No Consent is given.', 'Parameters.parameter');
      if (draft.resourceType !== 'Consent') {
        throw fhirError(400, 'value', `Expected a Consent, found ${draft.resourceType}.`, 'Parameters.parameter');
      }
      if (patientOf(draft) !== id) {
        throw fhirError(
          422,
          'value',
          `The Consent is of another patient than Patient/${id}.`,
          'Consent.patient.reference',
        );
      }
      const held = await desk.held(id);
      const decide = desk.simulator(held, draft);
      const draftHeld = desk.compiled(draft);
      const all = draftHeld === undefined ? held : [draftHeld, ...held];
      const records = await recordsOf(services, id);
      const authors = [...new Set(records.flatMap(({ author }) => author ?? []))];
      const actors = await candidatesFor(services, id, all, authors);
      const purposes = [...new Set(['TREAT', ...all.flatMap(({ policy }) => purposesIn(policy))])];
      const changes: OutputParameter[] = [];
      let unchanged = 0;
      for (const actor of actors) {
        for (const purpose of purposes) {
          const given = principalOf(actor, purpose);
          const principal = actor === anybody ? given : await memberships.of(given);
          const byType = new Map<string, { gained: number; lost: number; provision?: string }>();
          for (const record of records) {
            const { before, after, provision } = decide(principal, 'access', record, id);
            if (before === after) {
              unchanged += 1;
              continue;
            }
            const change = byType.get(record.resourceType) ?? { gained: 0, lost: 0 };
            change[after ? 'gained' : 'lost'] += 1;
            byType.set(record.resourceType, { ...change, ...(provision === undefined ? {} : { provision }) });
          }
          for (const [resourceType, change] of byType) changes.push(changeOf(actor, purpose, resourceType, change));
        }
      }
      await recordAccess(services, context, {
        interaction: 'consent-simulate',
        outcome: 'permit',
        entities: [`Patient/${id}`],
        patients: [id],
      });
      return {
        status: 200,
        resource: parametersOf([
          { name: 'records', valueUnsignedInt: records.length },
          { name: 'unchanged', valueUnsignedInt: unchanged },
          ...changes,
        ]),
      };
    },
  };
}

function changeOf(
  actor: string,
  purpose: string,
  resourceType: string,
  { gained, lost, provision }: { gained: number; lost: number; provision?: string },
): OutputParameter {
  return {
    name: 'change',
    part: [
      actor === anybody
        ? { name: 'actor', valueString: anybody }
        : { name: 'actor', valueReference: referenceOf(actor) },
      { name: 'purpose', valueCode: purpose },
      { name: 'type', valueCode: resourceType },
      { name: 'gained', valueUnsignedInt: gained },
      { name: 'lost', valueUnsignedInt: lost },
      ...(provision === undefined ? [] : [{ name: 'provision', valueString: provision }]),
    ],
  };
}

async function recordsOf(services: FhirServices, patientId: string): Promise<RecordAttributes[]> {
  const plan = compartmentPlan(services.search, 'Patient', patientId);
  const asOf = services.catalog.head().seq;
  const rows = await services.catalog.search({ plan, asOf, order: 'newest', limit: mostRecords });
  return rows.map((row) => services.opened.header(row).attributes);
}
