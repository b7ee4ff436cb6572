/**
 * `$sign`: a Consent of a patient with a key of her own is filed, and revoked, with her signature.
 *
 * Without parameters: what waits for it, a part `to-sign` each. With `statement` (file, revoke), `index`, `deadline` (of a filing) and `signature` of one of them: it goes to the
 * chain, and the answer is the state of the Consent, as `$status` tells it. By the key of the account, or one that it made its delegate (a passkey
 * that is no part of the account brings its `publicKey`). Until then the Consent can take away, and gives nothing.
 */
import { fhirError } from '../../../base/outcome.js';
import type { ConsentDesk } from '../../../consent/desk.js';
import type { SigningDesk } from '../../../consent/signing-desk.js';
import type { AccountDesk } from '../../../consent/account-desk.js';
import { requireScope } from '../../access.js';
import { instanceOf } from '../../interactions/interaction.js';
import { release } from '../../interactions/release.js';
import { Input, parametersOf } from '../../terminology/operations/parameters.js';
import { unknown } from '../../write/targets.js';
import type { Operation } from '../operation.js';
import { asFhir, pointIn, secondsIn, signatureIn, toSignParts } from './account-parameters.js';
import { stateParts } from './revoke.js';

export function signOperation(
  signing: SigningDesk,
  accounts: Pick<AccountDesk, 'domain'>,
  desk: ConsentDesk,
): Operation {
  return {
    name: 'sign',
    definition: 'urn:mooring:OperationDefinition:sign',
    levels: ['instance'],
    types: ['Consent'],
    isSafe: false,
    async run(services, request, context, place) {
      const { id } = instanceOf(place);
      requireScope(context.principal, 'Consent', 'u');
      const row = await services.catalog.current(services.names.resource('Consent', id), services.catalog.head().seq);
      // One that was deleted still has to be revoked.
      if (row === undefined || !(await release(services, context, 'sign', row))) throw unknown('Consent', id);
      const toSign = await signing.toSign(id);
      const input = Input.of(request.query, request.body);
      const signature = signatureIn(input, 'signature', pointIn(input, 'publicKey') ?? toSign?.account.own?.point);
      if (signature !== undefined) {
        if (toSign === undefined) throw fhirError(409, 'conflict', 'Nothing of this Consent waits for a signature.');
        const kind = input.text('statement');
        const index = input.count('index');
        if ((kind !== 'file' && kind !== 'revoke') || index === undefined) {
          throw fhirError(
            400,
            'required',
            "With a signature come 'statement' (file, revoke), 'index' and the 'deadline' of a filing.",
          );
        }
        const deadline = secondsIn(input, 'deadline');
        await asFhir(() => signing.sign(id, toSign, signing.statement(toSign, kind, index, deadline), signature));
      }
      const missing = await signing.toSign(id);
      return {
        status: 200,
        resource: parametersOf([
          ...(await stateParts(desk, id)),
          ...(missing?.statements ?? []).map((statement) => ({
            name: 'to-sign',
            part: toSignParts(accounts.domain, statement, (missing as NonNullable<typeof missing>).account),
          })),
        ]),
      };
    },
  };
}
