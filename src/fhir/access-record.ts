/** Writes down who was answered what: the one place where a request's part of an access record is filled in. */
import type { AccessRecord } from '../commit/access-log.js';
import type { Context, FhirRequest } from './request.js';
import type { FhirServices } from './services.js';

/** What was asked for, and what came of it. */
export type Access = Pick<AccessRecord, 'interaction' | 'outcome' | 'entities' | 'patients' | 'reason'>;

const requests = new WeakMap<Context, FhirRequest>();
const refused = new WeakSet<Context>();

/** Remembers what a context's records are about. */
export function noteRequest(context: Context, request: FhirRequest): void {
  requests.set(context, request);
}

/** Whether a refusal was recorded for this request. */
export function hasRefusal(context: Context): boolean {
  return refused.has(context);
}

/** Resolves when the record is durable. @throws AccessLogUnavailable */
export function recordAccess(
  { accessLog, clock }: Pick<FhirServices, 'accessLog' | 'clock'>,
  context: Context,
  { interaction, outcome, entities, patients, reason }: Access,
): Promise<void> {
  const { principal, requestId, address, isRehearsal } = context;
  if (isRehearsal === true && outcome === 'permit') return Promise.resolve();
  if (outcome === 'deny') refused.add(context);
  const query = queryOf(requests.get(context));
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
    ...(query === undefined ? {} : { query }),
    ...(reason === undefined ? {} : { reason }),
    ...(address === undefined ? {} : { address }),
  });
}

/** So much of a query is kept. */
const mostQuery = 2_000;

/** What was searched for; nothing where the URL names a single resource. */
function queryOf(request: FhirRequest | undefined): string | undefined {
  if (request === undefined || request.query.length === 0) return undefined;
  const parameters = request.query.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  return `${request.path.join('/')}?${parameters.join('&')}`.slice(0, mostQuery);
}
