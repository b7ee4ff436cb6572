/** What the consent contract answers about one record, and nothing else: no role, no scope. */
import type { ConsentAction, Principal, RecordAttributes } from '../consent/gate.js';
import type { FhirServices } from './services.js';

/** At once when the answer is at hand. */
export function permits(
  { gate }: Pick<FhirServices, 'gate'>,
  principal: Principal,
  action: ConsentAction,
  attributes: RecordAttributes,
): boolean | Promise<boolean> {
  const known = gate.peek(principal, action, attributes);
  return known === undefined ? gate.decide(principal, action, attributes).then(({ permit }) => permit) : known.permit;
}
