/**
 * `$consent-account`: whose key files for a patient, and who may replace it. For the patient, operators and auditors.
 *
 * Out: `owner` (server, own), `key`, `kind` (wallet, passkey) and `credential` of a key of her own, `index` of her next statement, `onChain`, `chainId`
 * and `contract`; with guardians `recoveryKey` and `recoveryDelay` (seconds), while a recovery is under way `nextKey` and `recoveryReady`.
 */
import type { AccountDesk } from '../../../consent/account-desk.js';
import { instanceOf } from '../../interactions/interaction.js';
import { parametersOf } from '../../terminology/operations/parameters.js';
import { unknown } from '../../write/targets.js';
import type { Operation } from '../operation.js';
import { recordAccountAccess } from './account-holder.js';
import { instantOf } from './account-parameters.js';
import { requireSubjectOrOperator } from './audience.js';

export function consentAccountOperation(accounts: AccountDesk): Operation {
  return {
    name: 'consent-account',
    definition: 'urn:mooring:OperationDefinition:consent-account',
    levels: ['instance'],
    types: ['Patient'],
    isSafe: true,
    async run(services, _request, context, place) {
      const { type, id } = instanceOf(place);
      requireSubjectOrOperator(services, context, [id]);
      const row = await services.catalog.current(services.names.resource(type, id), services.catalog.head().seq);
      if (row === undefined || row.isDeleted) throw unknown(type, id);
      const { owner, key, own, isOnChain, nextIndex, recovery } = await accounts.about(id);
      await recordAccountAccess(services, context, 'consent-account', id);
      return {
        status: 200,
        resource: parametersOf([
          { name: 'owner', valueCode: owner },
          { name: 'key', valueString: key },
          { name: 'kind', valueCode: own?.kind },
          { name: 'credential', valueString: own?.credential },
          { name: 'onChain', valueBoolean: isOnChain },
          { name: 'index', valueUnsignedInt: nextIndex },
          { name: 'chainId', valueString: String(accounts.domain.chainId) },
          { name: 'contract', valueString: accounts.domain.contract },
          { name: 'recoveryKey', valueString: recovery.key },
          { name: 'recoveryDelay', valueUnsignedInt: recovery.key === undefined ? undefined : recovery.delayS },
          { name: 'nextKey', valueString: recovery.next },
          {
            name: 'recoveryReady',
            valueInstant: recovery.readyAt === undefined ? undefined : instantOf(recovery.readyAt),
          },
        ]),
      };
    },
  };
}
