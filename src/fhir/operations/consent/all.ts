/** Operations about consents, emergencies and permissions. */
import type { EmergencyDesk } from '../../../consent/emergency-desk.js';
import type { AccountDesk } from '../../../consent/account-desk.js';
import type { SigningDesk } from '../../../consent/signing-desk.js';
import { accountStatementOperations } from './account-statement.js';
import { breakGlassOperations } from './break-glass.js';
import { consentAccountOperation } from './consent-account.js';
import { consentKeyOperation } from './consent-key.js';
import type { ConsentDesk } from '../../../consent/desk.js';
import type { Memberships } from '../../memberships.js';
import type { Operation } from '../operation.js';
import { consentSimulateOperation } from './consent-simulate.js';
import { explainAccessOperation } from './explain-access.js';
import { permissionsOperation } from './permissions.js';
import { recoverOperation } from './recover.js';
import { revokeOperations } from './revoke.js';
import { signOperation } from './sign.js';

export interface ConsentParts {
  readonly desk: ConsentDesk;
  readonly accounts: AccountDesk;
  readonly signing: SigningDesk;
  readonly memberships: Pick<Memberships, 'of'>;
  /** Absent: no glass is broken here. */
  readonly emergencies?: EmergencyDesk;
}

export function consentOperations({ desk, accounts, signing, memberships, emergencies }: ConsentParts): Operation[] {
  return [
    ...revokeOperations(desk),
    explainAccessOperation(desk, memberships),
    consentSimulateOperation(desk, memberships),
    permissionsOperation(desk, memberships),
    consentAccountOperation(accounts),
    consentKeyOperation(accounts),
    ...accountStatementOperations(accounts),
    recoverOperation(accounts),
    signOperation(signing, accounts, desk),
    ...(emergencies === undefined ? [] : breakGlassOperations(emergencies)),
  ];
}
