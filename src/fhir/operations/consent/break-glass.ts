/**
 * `$break-glass` opens an emergency by hand; `$contest-emergency` lets the patient close it and ask for a review.
 *
 * In: `reason`; for a contest also `emergency`, the number in the identifier of the notice. Whoever may not is answered as if there were no
 * such patient.
 */
import { fhirError } from '../../../base/outcome.js';
import { EmergencyRefused, type EmergencyDesk } from '../../../consent/emergency-desk.js';
import { recordAccess } from '../../access-record.js';
import { breakGlass, emergencySystem } from '../../break-glass.js';
import { instanceOf } from '../../interactions/interaction.js';
import { parseCriteria } from '../../search/query.js';
import type { FhirServices } from '../../services.js';
import { Input, parametersOf } from '../../terminology/operations/parameters.js';
import { unknown } from '../../write/targets.js';
import { write } from '../../write/write.js';
import type { Operation } from '../operation.js';
import { requireSubjectOrOperator } from './audience.js';

const offered = { levels: ['instance'], types: ['Patient'], isSafe: false } as const;

export function breakGlassOperations(emergencies: EmergencyDesk): Operation[] {
  return [
    {
      ...offered,
      name: 'break-glass',
      definition: 'urn:mooring:OperationDefinition:break-glass',
      async run(services, request, context, place) {
        const { type, id } = instanceOf(place);
        const reason = Input.of(request.query, request.body).text('reason') ?? context.breakGlassReason;
        if (reason === undefined || reason.trim() === '') throw fhirError(400, 'required', 'No reason is given.');
        const row = await services.catalog.current(services.names.resource(type, id), services.catalog.head().seq);
        if (row === undefined || row.isDeleted || !emergencies.isEmergency(context.principal)) throw unknown(type, id);
        const { attributes } = services.opened.header(row);
        const entered = await breakGlass(
          { ...services, emergencies },
          { ...context, breakGlassReason: reason },
          id,
          attributes,
        );
        if (entered.kind === 'none') throw unknown(type, id);
        const { emergency } = entered;
        return {
          status: 200,
          resource: parametersOf([
            { name: 'emergency', valueUnsignedInt: emergency?.grant },
            {
              name: 'until',
              valueInstant: emergency === undefined ? undefined : new Date(emergency.until).toISOString(),
            },
          ]),
        };
      },
    },
    {
      ...offered,
      name: 'contest-emergency',
      definition: 'urn:mooring:OperationDefinition:contest-emergency',
      async run(services, request, context, place) {
        const { id } = instanceOf(place);
        requireSubjectOrOperator(services, context, [id]);
        const input = Input.of(request.query, request.body);
        const [emergency, reason] = [input.text('emergency') ?? input.count('emergency'), input.text('reason')];
        if (emergency === undefined || reason === undefined) {
          throw fhirError(400, 'required', 'Expected the parameters emergency and reason.', 'Parameters.parameter');
        }
        const task = await taskOf(services, String(emergency));
        const isOurs = task?.attributes.author === services.config.organization;
        if (task === undefined || !isOurs || !task.attributes.patients.includes(id)) {
          throw fhirError(404, 'not-found', 'No such emergency is known for this patient.');
        }
        try {
          await emergencies.contest(Number(emergency), reason);
        } catch (problem) {
          if (!(problem instanceof EmergencyRefused)) throw problem;
          throw fhirError(409, 'conflict', 'This emergency was contested already.');
        }
        await recordAccess(services, context, {
          interaction: 'contest-emergency',
          outcome: 'permit',
          entities: [`Task/${task.id}`],
          patients: [id],
          reason,
        });
        await write(internal(services), { ...context, principal: serverOf(services) }, [
          {
            interaction: 'patch',
            resourceType: 'Task',
            id: task.id,
            place: 'Task',
            patch: (present) => ({
              ...present,
              businessStatus: {
                coding: [{ system: emergencySystem, code: 'contested' }],
                text: 'Contested by the patient',
              },
              note: [
                ...((present['note'] as object[] | undefined) ?? []),
                { time: new Date(services.clock.now()).toISOString(), text: reason },
              ],
            }),
          },
        ]);
        return {
          status: 200,
          resource: parametersOf([{ name: 'task', valueReference: { reference: `Task/${task.id}` } }]),
        };
      },
    },
  ];
}

async function taskOf(services: FhirServices, emergency: string) {
  const value = encodeURIComponent(`${emergencySystem}|${emergency}`);
  const { plan } = parseCriteria(services.search, 'Task', `identifier=${value}`);
  const [row] = await services.catalog.search({ plan, asOf: services.catalog.head().seq, order: 'oldest', limit: 1 });
  return row === undefined ? undefined : services.opened.header(row);
}

/** The server writes into the Task that it made itself, whatever consents say of writing. */
function internal(services: FhirServices): FhirServices {
  const permitted = { permit: true, block: 0, reason: 'permit:server' };
  return {
    ...services,
    gate: { peek: () => permitted, decide: () => Promise.resolve(permitted) },
    config: { ...services.config, integrityOnWrite: false },
  };
}

function serverOf({ config }: FhirServices) {
  return { actor: config.organization, memberships: [], purposeOfUse: 'TREAT', scopes: ['system/*.cruds'] };
}
