/** For whom decisions are worth explaining: whom consents name, who wrote records, who asked lately, and anybody else. */
import { actorsIn, type HeldConsent } from '../../../consent/desk.js';
import type { Principal } from '../../../consent/gate.js';
import type { AuditIndex } from '../../audit/audit-index.js';
import type { FhirServices } from '../../services.js';

/** Stands for everybody whom nothing names. */
export const anybody = 'anybody else';

/** Looked at last in the access log. */
const mostAccesses = 500;
const mostCandidates = 100;

/** References of actors; the last is `anybody`. */
export async function candidatesFor(
  { audit, accessLog }: { readonly audit?: AuditIndex; readonly accessLog: FhirServices['accessLog'] },
  patientId: string,
  held: readonly Pick<HeldConsent, 'policy'>[],
  authors: readonly string[],
): Promise<string[]> {
  const found = new Set([...held.flatMap(({ policy }) => actorsIn(policy)), ...authors]);
  let looked = 0;
  for await (const { record } of audit?.newest(accessLog.head().count, { patients: [patientId] }) ?? []) {
    if (!record.interaction.startsWith('auth:')) found.add(record.actor);
    looked += 1;
    if (looked >= mostAccesses) break;
  }
  found.delete(`Patient/${patientId}`);
  return [...[...found].slice(0, mostCandidates), anybody];
}

export function principalOf(actor: string, purposeOfUse: string, memberships: readonly string[] = []): Principal {
  const reference = actor === anybody ? 'Practitioner/-' : actor;
  return { actor: reference, memberships, purposeOfUse, scopes: [] };
}
