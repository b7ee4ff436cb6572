/**
 * `$consent-key`: a key of the patient's own, a wallet or a passkey, takes the place of the one that files for her.
 *
 * In: `key` (a wallet's address) or `publicKey` and `credential` (a passkey). Without `signature` the answer is the statement to sign; the same again with
 * `index`, `deadline` and `signature` (of the new key: she holds it) does it. Who has a key of her own already gives its signature over the same
 * statement as `previous`; without that key only guardians can help (`$recover`).
 */
import { fhirError } from '../../../base/outcome.js';
import type { AccountDesk } from '../../../consent/account-desk.js';
import { Input } from '../../terminology/operations/parameters.js';
import type { Operation } from '../operation.js';
import { accountHolder, recordAccountAccess } from './account-holder.js';
import {
  accountToSign,
  asFhir,
  inState,
  keyIn,
  pointIn,
  signatureIn,
  statementIn,
  toSign,
} from './account-parameters.js';

export function consentKeyOperation(accounts: AccountDesk): Operation {
  return {
    name: 'consent-key',
    definition: 'urn:mooring:OperationDefinition:consent-key',
    levels: ['instance'],
    types: ['Patient'],
    isSafe: false,
    async run(services, request, context, place) {
      const input = Input.of(request.query, request.body);
      const id = await accountHolder(services, context, place, false);
      const key = keyIn(input);
      if (key === undefined) throw fhirError(400, 'required', "Expected 'key', or 'publicKey' and 'credential'.");
      const account = await accountToSign(accounts, id, input.text('signature') !== undefined);
      if (account.key === key.name) throw fhirError(409, 'conflict', 'This key is the account’s already.');
      const intent = { kind: 'change-key', key: key.name } as const;
      const signature = signatureIn(input, 'signature', key.point);
      if (signature === undefined) return toSign(accounts, id, intent, account);
      const receipt = await asFhir(async () => {
        const statement = accounts.statement(id, intent, account, statementIn(input));
        accounts.requireSigner(statement, signature, [key.name]);
        const previous = signatureIn(input, 'previous', account.own?.point ?? pointIn(input, 'previousPublicKey'));
        if (account.owner === 'own') {
          if (previous === undefined || account.key === undefined) {
            throw fhirError(422, 'business-rule', 'The present key has to sign too, as the parameter previous.');
          }
          accounts.requireSigner(statement, previous, [account.key]);
        }
        return accounts.changeKey(id, statement, key, account, account.owner === 'own' ? previous : undefined);
      });
      await recordAccountAccess(services, context, 'consent-key', id);
      return inState('done', [
        { name: 'key', valueString: key.name },
        { name: 'block', valueUnsignedInt: receipt?.blockNumber },
      ]);
    },
  };
}
