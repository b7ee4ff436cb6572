/**
 * Headers of an emergency: `X-Purpose-Of-Use: BTG` (or ETREAT) raises what a token was given for, `X-Break-Glass-Reason` says why.
 *
 * A token that was issued for BTG or ETREAT needs the reason alone. The header names no other purpose: those are the issuer's to say.
 */
import type { IncomingMessage } from 'node:http';
import { fhirError } from '../../base/outcome.js';
import type { Principal } from '../../consent/gate.js';
import { ACT_REASON } from '../../consent/hierarchies.js';

const emergencyPurpose = new RegExp(
  `^(?:${ACT_REASON.replaceAll('.', '\\.')}\\||urn:oid:2\\.16\\.840\\.1\\.113883\\.5\\.8\\|)?(BTG|ETREAT)$`,
);
const raised = new WeakMap<Principal, Map<string, Principal>>();
const mostReason = 2_000;

/** The same object for the same principal and purpose. @throws FhirError 400 for a purpose that is no emergency. */
export function withPurpose(principal: Principal, { headers }: IncomingMessage): Principal {
  const given = headers['x-purpose-of-use'];
  if (given === undefined) return principal;
  const [, purposeOfUse] = emergencyPurpose.exec(String(given)) ?? [];
  if (purposeOfUse === undefined) {
    throw fhirError(
      400,
      'invalid',
      'X-Purpose-Of-Use is expected to be BTG or ETREAT; other purposes are in the token.',
    );
  }
  const byPurpose = raised.get(principal) ?? new Map<string, Principal>();
  raised.set(principal, byPurpose);
  const known = byPurpose.get(purposeOfUse) ?? { ...principal, purposeOfUse };
  byPurpose.set(purposeOfUse, known);
  return known;
}

/** Text, percent-encoded where it is not ASCII. */
export function breakGlassReasonOf({ headers }: IncomingMessage): string | undefined {
  const given = headers['x-break-glass-reason'];
  if (typeof given !== 'string' || given.trim() === '') return undefined;
  try {
    return decodeURIComponent(given).slice(0, mostReason);
  } catch {
    return given.slice(0, mostReason);
  }
}
