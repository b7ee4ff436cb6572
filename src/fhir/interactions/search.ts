/** search: of a type, a compartment, the whole system. Spec: https://hl7.org/fhir/R4/search.html */
import { fhirError } from '../../base/outcome.js';
import { hasScope, requireScope } from '../access.js';
import type { Context, FhirRequest, FhirResponse, Query } from '../request.js';
import type { SearchContext } from '../search/context.js';
import type { SearchQuery } from '../search/query.js';
import { parseRemembered } from '../search/remembered.js';
import type { FhirServices } from '../services.js';
import { cursorParameter } from './cursors.js';
import { included } from './include.js';
import { instanceOf, type Interaction } from './interaction.js';
import { onceRecorded, recordRelease } from './release.js';
import { searchAudit } from './search-audit.js';
import { findPage, type Page, type PagePosition } from './search-page.js';
import { searchset } from './searchset.js';
import { settledQuery } from './settled-query.js';

export const searchType: Interaction = (services, request, context, { type = '' }) => {
  requireScope(context.principal, type, 's');
  const { audit } = services;
  if (type === 'AuditEvent' && audit !== undefined) {
    return searchAudit(Object.assign(Object.create(services) as FhirServices, { audit }), request, context);
  }
  return search(services, request, context, type, type, services.search);
};

export const searchCompartment: Interaction = (services, request, context, parameters) => {
  const { type, id } = instanceOf(parameters);
  if (services.definitions.compartment(type).size === 0) {
    throw fhirError(404, 'not-supported', `R4 has no compartments of type ${type}.`);
  }
  const { memberType = '*' } = parameters;
  const member = memberType === '*' ? undefined : memberType;
  if (member === undefined) requireSomeScope(services, context);
  else requireScope(context.principal, member, 's');
  const path = `${type}/${id}/${memberType}`;
  return search(services, request, context, member, path, { ...services.search, compartment: { type, id } });
};

export const searchSystem: Interaction = (services, request, context) => {
  requireSomeScope(services, context);
  return search(services, request, context, undefined, '', services.search);
};

function requireSomeScope({ definitions }: FhirServices, { principal }: Context): void {
  if ([...definitions.resourceTypes].some((type) => hasScope(principal, type, 's'))) return;
  throw fhirError(403, 'forbidden', "The token's scopes do not allow to search any type.");
}

/** What a cursor holds: the whole question, and where the page starts. */
export interface SearchPosition extends PagePosition {
  readonly query: Query;
  readonly lenient: boolean;
}

async function search(
  services: FhirServices,
  request: FhirRequest,
  context: Context,
  type: string | undefined,
  path: string,
  searchContext: SearchContext,
): Promise<FhirResponse> {
  const cursor = request.query.find(([name]) => name === cursorParameter)?.[1];
  const resumed = cursor === undefined ? undefined : services.cursors.open<SearchPosition>(cursor, path);
  const params = resumed?.query ?? request.query;
  const lenient = resumed?.lenient ?? request.prefer.handling === 'lenient';
  const parsed = parseRemembered(searchContext, type, params, lenient ? 'lenient' : 'strict');
  const asOf = resumed?.asOf ?? services.catalog.head().seq;
  const query = await settledQuery(services, context.principal, parsed, asOf);
  const page = await findPage(services, context, query, countOf(services, query), asOf, resumed);
  const extra = await included(services, context, query, page.rows, asOf);
  const interaction = type === undefined ? 'search-system' : 'search-type';
  const recorded = recordRelease(services, context, interaction, 'permit', [...page.rows, ...extra]);
  const links = () => linksOf(services, context, query, page, path, { params, lenient });
  const make = () => searchset(services, context, query, page, extra, links());
  return { status: 200, resource: await onceRecorded(recorded, make) };
}

function countOf({ config }: FhirServices, { count, summary }: SearchQuery): number {
  return summary === 'count' ? 0 : Math.min(count ?? config.defaultCount, config.maxCount);
}

/** `self` says what was applied; the others hold everything in their cursor. */
function linksOf(
  services: FhirServices,
  { baseUrl }: Context,
  query: SearchQuery,
  page: Page,
  path: string,
  { params, lenient }: { params: Query; lenient: boolean },
) {
  const url = path === '' ? baseUrl : `${baseUrl}/${path}`;
  const applied = query.applied.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`);
  const at = (position: PagePosition) =>
    `${url}?${cursorParameter}=${services.cursors.seal({ ...position, query: params, lenient } satisfies SearchPosition, path)}`;
  return [
    { relation: 'self', url: applied.length === 0 ? url : `${url}?${applied.join('&')}` },
    ...(page.first === undefined ? [] : [{ relation: 'first', url: at(page.first) }]),
    ...(page.previous === undefined ? [] : [{ relation: 'previous', url: at(page.previous) }]),
    ...(page.next === undefined ? [] : [{ relation: 'next', url: at(page.next) }]),
  ];
}
