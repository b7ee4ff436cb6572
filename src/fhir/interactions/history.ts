/** history of an instance, a type, the system. Spec: https://hl7.org/fhir/R4/http.html#history */
import { STATUS_CODES } from 'node:http';
import { fhirError } from '../../base/outcome.js';
import type { HistoryRequest, VersionRow } from '../../commit/catalog.js';
import { hasScope, isInScope, mayRead, requireScope } from '../access.js';
import { highWaterMark } from '../bundle/high-water.js';
import { noteDenied } from '../denials.js';
import type { Context, FhirRequest, FhirResponse, Query } from '../request.js';
import type { FhirServices } from '../services.js';
import { shapeOf, shapeResource } from '../summary/shape.js';
import { contentOf } from '../visible-content.js';
import { unknown } from '../write/targets.js';
import { readInstant } from './instant.js';
import { instanceOf, type Interaction } from './interaction.js';
import { recordRelease } from './release.js';

/** What of the past is asked for. */
type Scope = Pick<HistoryRequest, 'resource' | 'type'>;

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

/** Where the next page starts. */
interface HistoryPosition {
  readonly asOf: number;
  /** Versions with a lesser leafIndex. */
  readonly before: number;
  readonly since?: number;
  readonly at?: readonly [number, number];
}

/** Parameters that this interaction takes beside those of the presentation. */
interface Wanted {
  readonly count: number;
  readonly since?: number;
  readonly at?: readonly [number, number];
  readonly cursor?: string;
}

async function history(
  services: FhirServices,
  request: FhirRequest,
  context: Context,
  scope: Scope,
  interaction: string,
  path: string,
): Promise<FhirResponse> {
  const wanted = wantedOf(services, request.query);
  const page = await pageOf(services, context, scope, wanted, path);
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
    const shaping = request.query.filter(
      ([name]) => name === '_count' || name === '_elements' || name === '_summary' || name.startsWith('_format'),
    );
    const rest = shaping.map(([name, value]) => `&${name}=${encodeURIComponent(value)}`).join('');
    link.push({ relation: 'next', url: `${self}?_cursor=${page.next}${rest}` });
  }
  const meta = highWaterMark(page.rows.map((row) => services.opened.header(row).attributes.securityLabels));
  const isWhole = page.next === undefined && wanted.cursor === undefined;
  return {
    status: 200,
    resource: {
      resourceType: 'Bundle',
      ...(meta === undefined ? {} : { meta }),
      type: 'history',
      ...(isWhole ? { total: page.rows.length } : {}),
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
        wanted.count = Math.min(Math.max(Number(value), 1), config.maxCount);
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
      case '_summary':
      case '_elements':
        break;
      default:
        throw fhirError(400, 'invalid', `"${name.slice(0, 64)}" is no parameter of a history.`);
    }
  }
  return wanted;
}

/** One page of versions that may be seen, and the cursor of the next one. */
async function pageOf(
  services: FhirServices,
  context: Context,
  scope: Scope,
  wanted: Wanted,
  path: string,
): Promise<{ rows: VersionRow[]; next?: string }> {
  const resumed = wanted.cursor === undefined ? undefined : services.cursors.open<HistoryPosition>(wanted.cursor, path);
  const asOf = resumed?.asOf ?? services.catalog.head().seq;
  const { since, at } = resumed ?? wanted;
  const rows: VersionRow[] = [];
  let before = resumed?.before;
  for (;;) {
    const found = await services.catalog.history({
      ...scope,
      asOf,
      ...(since === undefined ? {} : { since }),
      ...(before === undefined ? {} : { before }),
      limit: wanted.count + 1,
    });
    for (const row of found) {
      if (at !== undefined && !(await wasCurrent(services, row, at, asOf))) continue;
      const permission = scope.resource === undefined ? 's' : 'r';
      if (!(await mayRead(services, context.principal, permission, row))) {
        if (isInScope(services, context.principal, permission, row)) noteDenied(context, row);
        continue;
      }
      if (rows.length === wanted.count) {
        const last = rows[rows.length - 1].leafIndex;
        return { rows, next: services.cursors.seal({ asOf, before: last, since, at } satisfies HistoryPosition, path) };
      }
      rows.push(row);
    }
    if (found.length <= wanted.count) return { rows };
    before = found[found.length - 1].leafIndex;
  }
}

/** Whether a version was the present one at some time of [from, until). */
async function wasCurrent(
  { catalog }: FhirServices,
  row: VersionRow,
  [from, until]: readonly [number, number],
  asOf: number,
): Promise<boolean> {
  if (row.lastUpdated >= until) return false;
  const next = await catalog.version(row.resource, row.versionId + 1);
  return next === undefined || next.seq > asOf || next.lastUpdated > from;
}
