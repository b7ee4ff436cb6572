/**
 * Search of AuditEvents: those of the access log, newest first, then those that were stored; in any other order from memory.
 *
 * Spec: https://hl7.org/fhir/R4/auditevent.html#search
 */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { grantFor } from '../../smart/scopes.js';
import { matchesFilterOn } from '../access.js';
import { recordAccess } from '../access-record.js';
import type { AuditIndex } from '../audit/audit-index.js';
import { audienceOf, auditEvents, type Audience, type AuditServices } from '../audit/audit-search.js';
import { outcomeOf } from '../outcome.js';
import type { Context, FhirRequest, FhirResponse, Query } from '../request.js';
import { compareSorted, parseSearch, type SearchQuery } from '../search/query.js';
import type { FhirServices } from '../services.js';
import { shapeResource } from '../summary/shape.js';
import { contentOf } from '../visible-content.js';
import { cursorParameter } from './cursors.js';
import { recordRelease } from './release.js';
import { findPage, type PagePosition } from './search-page.js';

/** Where a page starts. */
interface AuditPosition {
  readonly query: Query;
  readonly lenient: boolean;
  /** Entry of the commit log for the stored ones. */
  readonly asOf: number;
  /** Records of the access log with lesser numbers; absent when all of them were shown. */
  readonly before?: number;
  readonly stored?: PagePosition;
  /** Rank in an order made in memory. */
  readonly offset?: number;
}

interface Found {
  readonly resource: Resource;
  readonly number?: number;
}

/** AuditEvents that are counted or sorted at most. */
const most = 100_000;

export async function searchAudit(
  services: FhirServices & { readonly audit: AuditIndex },
  request: FhirRequest,
  context: Context,
): Promise<FhirResponse> {
  const cursor = request.query.find(([name]) => name === cursorParameter)?.[1];
  const resumed = cursor === undefined ? undefined : services.cursors.open<AuditPosition>(cursor, 'AuditEvent');
  const params = resumed?.query ?? request.query;
  const lenient = resumed?.lenient ?? request.prefer.handling === 'lenient';
  const query = parseSearch(services.search, 'AuditEvent', params, lenient ? 'lenient' : 'strict');
  const asOf = resumed?.asOf ?? services.catalog.head().seq;
  const start: AuditPosition = resumed ?? { query: params, lenient, asOf, before: services.accessLog.head().count };
  const audience = audienceOf(services, context.principal);
  const count =
    query.summary === 'count' ? 0 : Math.min(query.count ?? services.config.defaultCount, services.config.maxCount);
  const page = isNewestFirst(query)
    ? await pageInOrder(services, context, query, audience, count, start)
    : await sortedPage(services, context, query, audience, count, start);
  await recordAccess(services, context, {
    interaction: 'search-type',
    outcome: 'permit',
    entities: [],
    patients: audience.kind === 'patient' ? [audience.id] : [],
  });
  return { status: 200, resource: bundleOf(services, context, query, page, start) };
}

interface AuditPage {
  readonly found: readonly Found[];
  readonly total?: number;
  readonly next?: AuditPosition;
}

/** The order of the log itself. */
function isNewestFirst({ sort }: SearchQuery): boolean {
  return sort.length === 0 || (sort.length === 1 && sort[0].by === 'lastUpdated' && sort[0].direction === 'desc');
}

async function pageInOrder(
  services: FhirServices & { readonly audit: AuditIndex },
  context: Context,
  query: SearchQuery,
  audience: Audience,
  count: number,
  start: AuditPosition,
): Promise<AuditPage> {
  const wantsTotal = count === 0 || query.total === 'accurate' || query.total === 'estimate';
  const total = wantsTotal ? await totalOf(services, context, query, audience, start.asOf) : undefined;
  if (count === 0) return { found: [], total };
  const found: Found[] = [];
  if (start.before !== undefined) {
    for await (const one of permitted(services, context, query, audience, start.before)) {
      if (found.length === count) {
        const { number = 0 } = found[found.length - 1] as Found;
        return { found, total, next: { ...start, before: number } };
      }
      found.push(one);
    }
  }
  const rest = { ...start, before: undefined };
  if (found.length === count) return { found, total, next: rest };
  const stored = await findPage(services, context, query, count - found.length, start.asOf, start.stored);
  await recordRelease(services, context, 'search-type', 'permit', stored.rows);
  for (const row of stored.rows) {
    found.push({ resource: (await contentOf(services, context.principal, row)).value() });
  }
  const next = stored.next === undefined ? undefined : { ...rest, stored: stored.next };
  const isWhole = next === undefined && start.stored === undefined && start.before === services.accessLog.head().count;
  return { found, total: total ?? (isWhole ? found.length : undefined), ...(next === undefined ? {} : { next }) };
}

async function sortedPage(
  services: FhirServices & { readonly audit: AuditIndex },
  context: Context,
  query: SearchQuery,
  audience: Audience,
  count: number,
  start: AuditPosition,
): Promise<AuditPage> {
  const all: Found[] = [];
  for await (const one of permitted(services, context, query, audience, start.before ?? 0)) {
    if (all.length >= most) throw tooMany();
    all.push(one);
  }
  const stored = await findPage(services, context, { ...query, sort: [] }, most, start.asOf, undefined);
  await recordRelease(services, context, 'search-type', 'permit', stored.rows);
  for (const row of stored.rows) all.push({ resource: (await contentOf(services, context.principal, row)).value() });
  const keyed = all.map((one) => ({
    one,
    keys: query.sort.map((criterion) => {
      if (criterion.by === 'lastUpdated') return Date.parse(one.resource.meta?.lastUpdated ?? '');
      return criterion.by === 'id' ? one.resource.id : criterion.keyOf(one.resource);
    }),
  }));
  const compare = compareSorted(query.sort);
  const sorted = keyed.sort((a, b) => compare(a.keys, b.keys)).map(({ one }) => one);
  const offset = start.offset ?? 0;
  const isLast = offset + count >= sorted.length;
  return {
    found: sorted.slice(offset, offset + count),
    total: sorted.length,
    ...(isLast || count === 0 ? {} : { next: { ...start, offset: offset + count } }),
  };
}

async function totalOf(
  services: FhirServices & { readonly audit: AuditIndex },
  context: Context,
  query: SearchQuery,
  audience: Audience,
  asOf: number,
): Promise<number> {
  let total = (await findPage(services, context, query, 0, asOf, undefined)).total ?? 0;
  const before = services.accessLog.head().count;
  const all = permitted(services, context, query, audience, before);
  while ((await all.next()).done !== true) {
    total += 1;
    if (total > most) throw tooMany();
  }
  return total;
}

/** AuditEvents of the log that the audience may know of and the scopes cover. */
async function* permitted(
  services: AuditServices & Pick<FhirServices, 'search'>,
  context: Context,
  query: SearchQuery,
  audience: Audience,
  before: number,
): AsyncGenerator<Found> {
  const { principal } = context;
  const grant = grantFor(principal.scopes, principal.patient, 'AuditEvent', 's');
  if (grant.kind === 'none') return;
  for await (const one of auditEvents(services, context, audience, query, before)) {
    if (grant.kind === 'all') yield one;
    else if (grant.alternatives.some((alternative) => covers(services, context, audience, alternative, one.resource))) {
      yield one;
    }
  }
}

function covers(
  services: AuditServices & Pick<FhirServices, 'search'>,
  { principal }: Context,
  audience: Audience,
  { patientOnly, filter }: { readonly patientOnly: boolean; readonly filter?: string },
  resource: Resource,
): boolean {
  if (patientOnly && !(audience.kind === 'patient' && audience.id === principal.patient)) return false;
  return matchesFilterOn(services, resource, filter);
}

function tooMany() {
  return fhirError(400, 'too-costly', `More than ${most} AuditEvents match; narrow the search by date.`);
}

function bundleOf(
  services: FhirServices,
  { baseUrl }: Context,
  query: SearchQuery,
  page: AuditPage,
  start: AuditPosition,
): Resource {
  const { summary, elements, ignored, applied } = query;
  const shape = {
    ...(summary === 'true' || summary === 'text' || summary === 'data' ? { summary } : {}),
    ...(elements === undefined ? {} : { elements }),
  };
  const self = applied.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  const url = `${baseUrl}/AuditEvent`;
  const at = (position: AuditPosition) => `${url}?${cursorParameter}=${services.cursors.seal(position, 'AuditEvent')}`;
  const entry = [
    ...page.found.map(({ resource }) => ({
      fullUrl: `${url}/${resource.id}`,
      resource: shapeResource(services.definitions, shape, resource),
      search: { mode: 'match' },
    })),
    ...(ignored.length === 0 ? [] : [{ resource: outcomeOf(ignored), search: { mode: 'outcome' } }]),
  ];
  return {
    resourceType: 'Bundle',
    type: 'searchset',
    ...(page.total === undefined || query.total === 'none' ? {} : { total: page.total }),
    link: [
      { relation: 'self', url: self.length === 0 ? url : `${url}?${self.join('&')}` },
      ...(page.next === undefined
        ? []
        : [{ relation: 'first', url: at({ ...start, before: undefined, ...firstOf(services, start) }) }]),
      ...(page.next === undefined ? [] : [{ relation: 'next', url: at(page.next) }]),
    ],
    ...(entry.length > 0 ? { entry } : {}),
  };
}

function firstOf(
  { accessLog }: Pick<FhirServices, 'accessLog'>,
  { query, lenient, asOf }: AuditPosition,
): AuditPosition {
  return { query, lenient, asOf, before: accessLog.head().count, stored: undefined, offset: undefined };
}
