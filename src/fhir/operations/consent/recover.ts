/**
 * `$recover`: the guardians of a patient give her account to a new key when the old one is lost.
 *
 * In: `step`. `start` with the new key (`key`, or `publicKey` and `credential`): answers what the recovery key has to sign, and starts when it comes again with
 * `index`, `deadline` and `signature`. `cancel`: by the present key, until the delay is over. `finish`: after the delay, with the new key again. For the
 * patient herself and for operators: every step but the cancellation is proven by the recovery key alone.
 */
import { fhirError } from '../../../base/outcome.js';
import type { AccountDesk } from '../../../consent/account-desk.js';
import { Input } from '../../terminology/operations/parameters.js';
import type { Context } from '../../request.js';
import type { FhirServices } from '../../services.js';
import type { Operation } from '../operation.js';
import { accountHolder, recordAccountAccess } from './account-holder.js';
import {
  accountToSign,
  asFhir,
  inState,
  instantOf,
  keyIn,
  signatureIn,
  statementIn,
  toSign,
} from './account-parameters.js';
import { perform } from './account-statement.js';

export function recoverOperation(accounts: AccountDesk): Operation {
  return {
    name: 'recover',
    definition: 'urn:mooring:OperationDefinition:recover',
    levels: ['instance'],
    types: ['Patient'],
    isSafe: false,
    async run(services, request, context, place) {
      const input = Input.of(request.query, request.body);
      const step = input.text('step');
      if (step === 'cancel') return perform(accounts, services, request, context, place, { kind: 'cancel-recovery' });
      const id = await accountHolder(services, context, place, true);
      if (step === 'start') return start(accounts, services, context, input, id);
      if (step === 'finish') return finish(accounts, services, context, input, id);
      throw fhirError(400, 'invalid', "'step' is expected to be start, cancel or finish.");
    },
  };
}

async function start(accounts: AccountDesk, services: FhirServices, context: Context, input: Input, id: string) {
  const key = keyIn(input);
  if (key === undefined)
    throw fhirError(400, 'required', "Expected the new key as 'key', or 'publicKey' and 'credential'.");
  const account = await accountToSign(accounts, id, input.text('signature') !== undefined);
  const { recovery } = account;
  if (recovery.key === undefined) throw fhirError(422, 'business-rule', 'The patient has named no guardians.');
  const by = recovery.key;
  const intent = { kind: 'recover', next: key.name } as const;
  const signature = signatureIn(input, 'signature', undefined);
  if (signature === undefined) return toSign(accounts, id, intent, account);
  const ready = await asFhir(async () => {
    const statement = accounts.statement(id, intent, account, statementIn(input));
    accounts.requireSigner(statement, signature, [by]);
    await accounts.perform(id, statement, signature);
    return (await accounts.about(id)).recovery.readyAt;
  });
  await recordAccountAccess(services, context, 'recover', id);
  return inState('started', [
    { name: 'recoveryReady', valueInstant: ready === undefined ? undefined : instantOf(ready) },
  ]);
}

async function finish(accounts: AccountDesk, services: FhirServices, context: Context, input: Input, id: string) {
  const { recovery } = await accounts.about(id);
  if (recovery.next === undefined) throw fhirError(409, 'conflict', 'No recovery is under way.');
  const key = keyIn(input);
  if (key !== undefined && key.name !== recovery.next) {
    throw fhirError(409, 'conflict', 'This is not the key to which the account goes.');
  }
  const receipt = await asFhir(() =>
    accounts.finishRecovery(id, key ?? { kind: 'wallet', name: recovery.next as `0x${string}` }),
  );
  await recordAccountAccess(services, context, 'recover', id);
  return inState('done', [
    { name: 'key', valueString: recovery.next },
    { name: 'block', valueUnsignedInt: receipt.blockNumber },
  ]);
}
