/**
 * `$explain-access`: who may see this, why, by which provision, at which block. On a Patient, or on any record.
 *
 * In: `actor` (a reference; absent: all whom it concerns), `membership` (more identities of the actor), `purpose` (default TREAT),
 * `action` (default access). Out: a part `access` for each actor. Every decision is the contract's.
 */
import { fhirError } from '../../../base/outcome.js';
import type { ConsentDesk, Explained } from '../../../consent/desk.js';
import type { ConsentAction, Principal } from '../../../consent/gate.js';
import { recordAccess } from '../../access-record.js';
import { instanceOf } from '../../interactions/interaction.js';
import type { Memberships } from '../../memberships.js';
import { Input, parametersOf, type OutputParameter } from '../../terminology/operations/parameters.js';
import { unknown } from '../../write/targets.js';
import type { Operation } from '../operation.js';
import { requireSubjectOrOperator } from './audience.js';
import { anybody, candidatesFor, principalOf } from './candidates.js';

const actions: readonly ConsentAction[] = ['access', 'collect', 'use', 'disclose', 'correct'];

export function explainAccessOperation(desk: ConsentDesk, memberships: Pick<Memberships, 'of'>): Operation {
  return {
    name: 'explain-access',
    definition: 'urn:mooring:OperationDefinition:explain-access',
    levels: ['instance'],
    isSafe: true,
    async run(services, request, context, place) {
      const { type, id } = instanceOf(place);
      const row = await services.catalog.current(services.names.resource(type, id), services.catalog.head().seq);
      const attributes = row === undefined || row.isDeleted ? undefined : services.opened.header(row).attributes;
      requireSubjectOrOperator(services, context, attributes?.patients ?? (type === 'Patient' ? [id] : []));
      if (attributes === undefined) throw unknown(type, id);
      const input = Input.of(request.query, request.body);
      const action = actionOf(input.text('action') ?? 'access');
      const purpose = input.text('purpose') ?? 'TREAT';
      const parts: OutputParameter[] = [];
      for (const patientId of attributes.patients) {
        const held = await desk.held(patientId);
        const { author } = attributes;
        const asked = input.texts('actor');
        const authors = author === undefined ? [] : [author];
        const actors = asked.length > 0 ? asked : await candidatesFor(services, patientId, held, authors);
        for (const actor of actors) {
          const given = principalOf(actor, purpose, asked.length > 0 ? input.texts('membership') : []);
          const principal: Principal = actor === anybody ? given : await memberships.of(given);
          const explained = await desk.explain(principal, action, attributes, patientId, held);
          parts.push(partOf(actor, patientId, explained));
        }
      }
      await recordAccess(services, context, {
        interaction: 'explain-access',
        outcome: 'permit',
        entities: [`${type}/${id}`],
        patients: attributes.patients,
      });
      return { status: 200, resource: parametersOf(parts) };
    },
  };
}

function partOf(actor: string, patientId: string, explained: Explained): OutputParameter {
  const { permit, text, reason, block, consent, provision, policyIndex } = explained;
  return {
    name: 'access',
    part: [
      actor === anybody
        ? { name: 'actor', valueString: anybody }
        : { name: 'actor', valueReference: referenceOf(actor) },
      { name: 'patient', valueReference: { reference: `Patient/${patientId}` } },
      { name: 'permit', valueBoolean: permit },
      { name: 'text', valueString: text },
      { name: 'reason', valueCode: reason },
      { name: 'block', valueUnsignedInt: block },
      ...(consent === undefined ? [] : [{ name: 'consent', valueReference: { reference: consent } }]),
      ...(provision === undefined ? [] : [{ name: 'provision', valueString: provision }]),
      ...(policyIndex === undefined ? [] : [{ name: 'policyIndex', valueUnsignedInt: policyIndex }]),
    ],
  };
}

/** An actor that is known by identifier (`identifier:system|value`) is referred to by it. */
export function referenceOf(actor: string) {
  const [, system, value] = /^identifier:(.*)\|(.*)$/.exec(actor) ?? [];
  return system === undefined ? { reference: actor } : { identifier: { system, value } };
}

function actionOf(text: string): ConsentAction {
  const action = actions.find((one) => one === text);
  if (action === undefined) {
    throw fhirError(400, 'invalid', `action is "${text.slice(0, 40)}"; expected one of ${actions.join(', ')}.`);
  }
  return action;
}
