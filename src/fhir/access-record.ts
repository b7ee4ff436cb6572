/** Writes down who was answered what: the one place where a request's part of an access record is filled in. */
import type { AccessRecord } from '../commit/access-log.js';
import type { Context } from './request.js';
import type { FhirServices } from './services.js';

/** What was asked for, and what came of it. */
export type Access = Pick<AccessRecord, 'interaction' | 'outcome' | 'entities' | 'patients'>;

/** Resolves when the record is durable. @throws AccessLogUnavailable */
export function recordAccess(
  { accessLog, clock }: Pick<FhirServices, 'accessLog' | 'clock'>,
  { principal, requestId }: Context,
  { interaction, outcome, entities, patients }: Access,
): Promise<void> {
  return accessLog.append({
    time: clock.now(),
    requestId,
    actor: principal.actor,
    ...(principal.client === undefined ? {} : { client: principal.client }),
    purpose: principal.purposeOfUse,
    interaction,
    outcome,
    entities,
    patients,
  });
}
