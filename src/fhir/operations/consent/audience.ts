/** Who may ask about the consents of a patient: she herself, and those who operate or audit this server. */
import { fhirError } from '../../../base/outcome.js';
import { rolesOf } from '../../../smart/roles.js';
import { hasScope } from '../../access.js';
import type { Context } from '../../request.js';
import type { FhirServices } from '../../services.js';

/**
 * The same answer whether there is such a patient or not.
 * @throws FhirError 403 `forbidden`.
 */
export function requireSubjectOrOperator(
  { config }: Pick<FhirServices, 'config'>,
  { principal }: Context,
  patientIds: readonly string[],
): void {
  if (!hasScope(principal, 'Consent', 'r')) throw refused();
  const roles = rolesOf(principal, config.organization);
  if (roles.includes('operator') || roles.includes('auditor')) return;
  const [type, id = ''] = principal.actor.split('/');
  if (type !== 'Patient' || !patientIds.includes(id)) throw refused();
}

function refused() {
  return fhirError(403, 'forbidden', 'This is for the patient herself and for operators and auditors of this server.');
}
