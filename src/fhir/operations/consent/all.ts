/** Operations about consents, emergencies and permissions. */
import type { EmergencyDesk } from '../../../consent/emergency-desk.js';
import { breakGlassOperations } from './break-glass.js';
import type { ConsentDesk } from '../../../consent/desk.js';
import type { Memberships } from '../../memberships.js';
import type { Operation } from '../operation.js';
import { consentSimulateOperation } from './consent-simulate.js';
import { explainAccessOperation } from './explain-access.js';
import { permissionsOperation } from './permissions.js';
import { revokeOperations } from './revoke.js';

export interface ConsentParts {
  readonly desk: ConsentDesk;
  readonly memberships: Pick<Memberships, 'of'>;
  /** Absent: no glass is broken here. */
  readonly emergencies?: EmergencyDesk;
}

export function consentOperations({ desk, memberships, emergencies }: ConsentParts): Operation[] {
  return [
    ...revokeOperations(desk),
    explainAccessOperation(desk, memberships),
    consentSimulateOperation(desk, memberships),
    permissionsOperation(desk, memberships),
    ...(emergencies === undefined ? [] : breakGlassOperations(emergencies)),
  ];
}
