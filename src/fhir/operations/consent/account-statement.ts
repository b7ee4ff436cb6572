/**
 * Operations that are one statement of the patient's key: by the key that the server keeps for her they are done at once; by a key of her own
 * they answer what to sign, and are done when they come again with `index`, `deadline` and `signature`.
 *
 * `$delegate`: lets an `actor` (a RelatedPerson, a Person, a Practitioner, another Patient) act as herself, or a key (`key`, `publicKey`) file and revoke
 * for her, until the second `until`; `end` takes it back. `$guardians`: says which `key` may start a recovery, and after how many seconds (`delay`)
 * it takes effect; `end` leaves none.
 */
import { fhirError } from '../../../base/outcome.js';
import type { AccountDesk, AccountIntent } from '../../../consent/account-desk.js';
import { Input } from '../../terminology/operations/parameters.js';
import type { Context, FhirRequest } from '../../request.js';
import type { FhirServices } from '../../services.js';
import type { PathParameters } from '../../interactions/interaction.js';
import type { Operation } from '../operation.js';
import { accountHolder, recordAccountAccess } from './account-holder.js';
import {
  accountToSign,
  addressIn,
  asFhir,
  inState,
  keyIn,
  pointIn,
  secondsIn,
  signatureIn,
  statementIn,
  toSign,
} from './account-parameters.js';

/** Three days. */
const usualDelayS = 259_200;
const mostDelayS = 0xffffffff;
const actorForm = /^(?:RelatedPerson|Person|Practitioner|Patient)\/[A-Za-z0-9\-.]{1,64}$/;

export function accountStatementOperations(accounts: AccountDesk): Operation[] {
  const offered = { levels: ['instance'], types: ['Patient'], isSafe: false } as const;
  return [
    {
      ...offered,
      name: 'delegate',
      definition: 'urn:mooring:OperationDefinition:delegate',
      run: (services, request, context, place) =>
        perform(accounts, services, request, context, place, delegationIn(Input.of(request.query, request.body))),
    },
    {
      ...offered,
      name: 'guardians',
      definition: 'urn:mooring:OperationDefinition:guardians',
      run: (services, request, context, place) =>
        perform(accounts, services, request, context, place, guardiansIn(Input.of(request.query, request.body))),
    },
  ];
}

/** One statement of the account's key; also the cancellation of a recovery (recover.ts). */
export async function perform(
  accounts: AccountDesk,
  services: FhirServices,
  request: FhirRequest,
  context: Context,
  place: PathParameters,
  intent: AccountIntent,
) {
  const input = Input.of(request.query, request.body);
  const isSigned = input.text('signature') !== undefined;
  const id = await accountHolder(services, context, place, isSigned);
  const account = await accountToSign(accounts, id, isSigned);
  if (account.owner === 'own' && !isSigned) return toSign(accounts, id, intent, account, account);
  const receipt = await asFhir(() => {
    if (account.owner === 'server') {
      // What the server signs, it signs for her alone.
      if (isSigned)
        throw fhirError(422, 'business-rule', 'The server keeps the key of this patient: nothing is to be signed.');
      return accounts.performKept(id, intent);
    }
    const signature = signatureIn(input, 'signature', account.own?.point ?? pointIn(input, 'signer'));
    const statement = accounts.statement(id, intent, account, statementIn(input));
    if (signature === undefined || account.key === undefined) throw new RangeError('a signature was given');
    accounts.requireSigner(statement, signature, [account.key]);
    return accounts.perform(id, statement, signature);
  });
  await recordAccountAccess(services, context, intent.kind, id);
  return inState('done', [{ name: 'block', valueUnsignedInt: receipt.blockNumber }]);
}

function delegationIn(input: Input): AccountIntent {
  const actor = input.text('actor');
  const key = keyIn(input)?.name;
  if (actor === undefined && key === undefined) {
    throw fhirError(400, 'required', "Expected 'actor', a reference, or a key as 'key' or 'publicKey'.");
  }
  if (actor !== undefined && !actorForm.test(actor)) {
    throw fhirError(
      400,
      'invalid',
      "'actor' is expected to be a reference to a RelatedPerson, Person, Practitioner or Patient.",
    );
  }
  const until = input.boolean('end') === true ? 0 : secondsIn(input, 'until');
  if (until === undefined) throw fhirError(400, 'required', "Expected 'until', an instant, or 'end' = true.");
  return { kind: 'delegate', until, ...(actor === undefined ? {} : { actor }), ...(key === undefined ? {} : { key }) };
}

function guardiansIn(input: Input): AccountIntent {
  if (input.boolean('end') === true) return { kind: 'set-recovery', delayS: 0 };
  const key = addressIn(input, 'key');
  if (key === undefined)
    throw fhirError(400, 'required', "Expected 'key', the address of the recovery key, or 'end' = true.");
  const delayS = input.count('delay') ?? usualDelayS;
  if (delayS > mostDelayS) throw fhirError(400, 'invalid', `'delay' is expected to be at most ${mostDelayS} seconds.`);
  return { kind: 'set-recovery', key, delayS };
}
