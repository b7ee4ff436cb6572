/**
 * `$revoke` and `$status` of a Consent.
 *
 * `$revoke` makes it inactive: that denies here at once, elsewhere when it is mined. Every version of it stays. `$status` tells how far the
 * filing or the revocation has come on the chain.
 */
import { fhirError } from '../../../base/outcome.js';
import type { ConsentDesk } from '../../../consent/desk.js';
import { requireScope } from '../../access.js';
import { ifMatchOf, instanceOf } from '../../interactions/interaction.js';
import { release } from '../../interactions/release.js';
import { parametersOf } from '../../terminology/operations/parameters.js';
import { unknown } from '../../write/targets.js';
import { write } from '../../write/write.js';
import type { Operation } from '../operation.js';

const offered = { levels: ['instance'], types: ['Consent'] } as const;

export function revokeOperations(desk: ConsentDesk): Operation[] {
  return [
    {
      ...offered,
      name: 'revoke',
      definition: 'urn:mooring:OperationDefinition:revoke',
      isSafe: false,
      async run(services, request, context, place) {
        const { id } = instanceOf(place);
        requireScope(context.principal, 'Consent', 'u');
        const [{ row }] = await write(services, context, [
          {
            interaction: 'patch',
            resourceType: 'Consent',
            id,
            place: 'Consent',
            ifMatch: ifMatchOf(request.ifMatch),
            patch: (present) => {
              const { status } = present;
              if (status !== 'active' && status !== 'inactive') {
                const diagnostics = `Consent/${id} is ${String(status)}; an active one can be revoked.`;
                throw fhirError(422, 'business-rule', diagnostics, 'Consent.status');
              }
              return { ...present, status: 'inactive' };
            },
          },
        ]);
        if (row === undefined) throw unknown('Consent', id);
        return {
          status: 200,
          versionId: String(row.versionId),
          lastModified: row.lastUpdated,
          resource: parametersOf([
            { name: 'consent', valueReference: { reference: `Consent/${id}/_history/${row.versionId}` } },
            ...(await stateParts(desk, id)),
          ]),
        };
      },
    },
    {
      ...offered,
      name: 'status',
      definition: 'urn:mooring:OperationDefinition:consent-status',
      isSafe: true,
      async run(services, _request, context, place) {
        const { id } = instanceOf(place);
        requireScope(context.principal, 'Consent', 'r');
        const name = services.names.resource('Consent', id);
        const row = await services.catalog.current(name, services.catalog.head().seq);
        if (row === undefined || !(await release(services, context, 'status', row))) throw unknown('Consent', id);
        return { status: 200, resource: parametersOf(await stateParts(desk, id)) };
      },
    },
  ];
}

/** How far a Consent has come on the chain; `needsSignature`: it waits for the patient's own key (`$sign`). */
export async function stateParts(desk: ConsentDesk, id: string) {
  const { state, policy, index, needsSignature } = await desk.stateOf(id);
  return [
    { name: 'state', valueCode: state },
    ...(policy === undefined ? [] : [{ name: 'policy', valueString: policy }]),
    ...(index === undefined ? [] : [{ name: 'policyIndex', valueUnsignedInt: index }]),
    ...(needsSignature === undefined ? [] : [{ name: 'needsSignature', valueBoolean: needsSignature }]),
  ];
}
