/** history of an instance, a type, the system. Spec: https://hl7.org/fhir/R4/http.html#history */
import { STATUS_CODES } from 'node:http';
import { fhirError } from '../../base/outcome.js';
import type { VersionRow } from '../../commit/catalog.js';
import { hasScope, mayRead, requireScope } from '../access.js';
import { highWaterMark } from '../bundle/high-water.js';
import type { Context, FhirRequest, FhirResponse, Query } from '../request.js';
import type { FhirServices } from '../services.js';
import { shapeOf, shapeResource } from '../summary/shape.js';
import { contentOf } from '../visible-content.js';
import { unknown } from '../write/targets.js';
import { countOf, pageOf, type HistoryPosition, type HistoryScope } from './history-page.js';
import { readInstant } from './instant.js';
import { instanceOf, type Interaction } from './interaction.js';
import { recordRelease } from './release.js';

export const historyInstance: Interaction = async (services, request, context, parameters) => {
  const { type, id } = instanceOf(parameters);
  requireScope(context.principal, type, 'r');
  const resource = services.names.resource(type, id);
  const current = await services.catalog.current(resource, services.catalog.head().seq);
  if (current === undefined || !(await mayRead(services, context.principal, 'r', current))) {
    if (current !== undefined) await recordRelease(services, context, 'history-instance', 'deny', [current]);
    throw unknown(type, id);
  }
  return history(services, request, context, { resource }, 'history-instance', `${type}/${id}/_history`);
};

export const historyType: Interaction = async (services, request, context, { type = '' }) => {
  requireScope(context.principal, type, 's');
  return history(services, request, context, { type: services.names.type(type) }, 'history-type', `${type}/_history`);
};

export const historySystem: Interaction = async (services, request, context) => {
  const { principal } = context;
  if (![...services.definitions.resourceTypes].some((type) => hasScope(principal, type, 's'))) {
    throw fhirError(403, 'forbidden', "The token's scopes do not allow to search any type.");
  }
  return history(services, request, context, {}, 'history-system', '_history');
};

/** Parameters that this interaction takes beside those of the presentation. */
interface Wanted {
  /** Versions on a page; 0: nothing but their number. */
  readonly count: number;
  readonly since?: number;
  readonly at?: readonly [number, number];
  readonly cursor?: string;
}

async function history(
  services: FhirServices,
  request: FhirRequest,
  context: Context,
  scope: HistoryScope,
  interaction: string,
  path: string,
): Promise<FhirResponse> {
  const { cursor, count, since, at } = wantedOf(services, request.query);
  const start: HistoryPosition =
    cursor === undefined
      ? { asOf: services.catalog.head().seq, since, at }
      : services.cursors.open<HistoryPosition>(cursor, path);
  const page = count === 0 ? { rows: [] } : await pageOf(services, context, scope, start, count);
  await recordRelease(services, context, interaction, 'permit', page.rows);
  const shape = shapeOf(request.query);
  const entry = await Promise.all(
    page.rows.map(async (row) => {
      const { resourceType, id } = services.opened.header(row);
      const content = row.isDeleted
        ? undefined
        : shapeResource(services.definitions, shape, await contentOf(services, context.principal, row));
      return {
        fullUrl: `${context.baseUrl}/${resourceType}/${id}`,
        ...(content === undefined ? {} : { resource: content }),
        request: requestOf(row, resourceType, id),
        response: {
          status: statusOf(row),
          etag: `W/"${row.versionId}"`,
          lastModified: new Date(row.lastUpdated).toISOString(),
        },
      };
    }),
  );
  const self = `${context.baseUrl}/${path}`;
  const kept = request.query
    .filter(([name]) => name !== '_cursor')
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  const link = [{ relation: 'self', url: kept.length === 0 ? self : `${self}?${kept.join('&')}` }];
  if (page.next !== undefined) {
    const next = services.cursors.seal(page.next, path);
    const shaping = request.query.filter(
      ([name]) => name === '_count' || name === '_elements' || name === '_summary' || name.startsWith('_format'),
    );
    const rest = shaping.map(([name, value]) => `&${name}=${encodeURIComponent(value)}`).join('');
    link.push({ relation: 'next', url: `${self}?_cursor=${next}${rest}` });
  }
  const meta = highWaterMark(page.rows.map((row) => services.opened.header(row).attributes.securityLabels));
  const isWhole = count > 0 && page.next === undefined && cursor === undefined;
  const isCounted = count === 0 || scope.resource !== undefined;
  const total = isWhole ? page.rows.length : isCounted ? await countOf(services, context, scope, start) : undefined;
  return {
    status: 200,
    resource: {
      resourceType: 'Bundle',
      ...(meta === undefined ? {} : { meta }),
      type: 'history',
      ...(total === undefined ? {} : { total }),
      link,
      ...(entry.length > 0 ? { entry } : {}),
    },
  };
}

function requestOf({ versionId, isDeleted }: VersionRow, type: string, id: string) {
  if (isDeleted) return { method: 'DELETE', url: `${type}/${id}` };
  return versionId === 1 ? { method: 'POST', url: type } : { method: 'PUT', url: `${type}/${id}` };
}

function statusOf({ versionId, isDeleted }: VersionRow): string {
  const status = isDeleted ? 204 : versionId === 1 ? 201 : 200;
  return `${status} ${STATUS_CODES[status]}`;
}

function wantedOf({ config }: FhirServices, query: Query): Wanted {
  const wanted: { -readonly [K in keyof Wanted]: Wanted[K] } = { count: config.defaultCount };
  for (const [name, value] of query) {
    switch (name) {
      case '_count':
        if (!/^[0-9]{1,9}$/.test(value)) {
          throw fhirError(400, 'invalid', `_count is "${value.slice(0, 40)}"; expected a whole number.`);
        }
        wanted.count = Math.min(Number(value), config.maxCount);
        break;
      case '_summary':
        if (value === 'count') wanted.count = 0;
        break;
      case '_since':
        wanted.since = readInstant(name, value)[0];
        break;
      case '_at':
        wanted.at = readInstant(name, value);
        break;
      case '_cursor':
        wanted.cursor = value;
        break;
      case '_format':
      case '_pretty':
      case '_elements':
        break;
      default:
        throw fhirError(400, 'invalid', `"${name.slice(0, 64)}" is no parameter of a history.`);
    }
  }
  return wanted;
}
