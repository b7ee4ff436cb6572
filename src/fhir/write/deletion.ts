/** What is committed for a deletion. */
import { fhirError } from '../../base/outcome.js';
import type { Draft } from '../../commit/draft.js';
import { mayRead } from '../access.js';
import { permits } from '../permits.js';
import type { Context } from '../request.js';
import type { Plan } from '../search/plan.js';
import { requireConsentAuthor } from './consent-authors.js';
import type { Facts } from './facts.js';
import type { Integrity } from './integrity.js';
import { refuseByConsent } from './refusal.js';
import { referringPlan, seesReference } from './referring.js';
import type { Target, TargetServices } from './targets.js';

/**
 * The draft of a deletion.
 * @throws FhirError 403 when consent does not permit it, 409 while other resources refer to it.
 */
export async function deletion(
  services: TargetServices,
  facts: Facts,
  context: Context,
  { operation, resourceType, id, current }: Target,
  integrity: Integrity,
): Promise<Draft> {
  if (current === undefined) throw new Error('a deletion has a current version');
  const { attributes, level } = services.opened.header(current);
  if (!(await permits(services, context.principal, 'correct', attributes))) {
    return refuseByConsent(services, context, operation, attributes);
  }
  if (resourceType === 'Consent') {
    const place = operation.requestPlace ?? operation.place;
    requireConsentAuthor(services, context.principal, attributes.patients, attributes, undefined, place);
  }
  if (services.config.integrityOnDelete) {
    const plan = referringPlan(services.search, resourceType, current);
    if (await isReferredTo(services, facts, context, plan, integrity, `${resourceType}/${id}`)) {
      const diagnostics = `${resourceType}/${id} cannot be deleted: other resources refer to it.`;
      throw fhirError(409, 'conflict', diagnostics, operation.requestPlace);
    }
  }
  return {
    resourceType,
    id,
    versionId: current.versionId + 1,
    isDeleted: true,
    render: () => new Uint8Array(0),
    terms: new Uint8Array(0),
    links: [],
    patients: attributes.patients,
    attributes,
    level,
  };
}

/** References that the principal may not see count no more than if they were not there: else a refusal would tell of them. */
async function isReferredTo(
  services: TargetServices,
  facts: Facts,
  { principal }: Context,
  plan: Plan,
  integrity: Integrity,
  name: string,
): Promise<boolean> {
  for (let limit = integrity.deletedCount + 1; ; limit *= 10) {
    const referring = await facts.matches(`${limit} refer to ${name}`, plan, limit);
    for (const row of referring) {
      if (integrity.isDeleted(services.opened.header(row))) continue;
      if (!(await mayRead(services, principal, 's', row))) continue;
      if (await seesReference(services, principal, row, plan)) return true;
    }
    if (referring.length < limit) return false;
  }
}
