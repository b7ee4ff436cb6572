/**
 * The router: a function from a request to an answer. HTTP calls it, and so does every entry of a batch.
 */
import { FhirError, fhirError } from '../base/outcome.js';
import { withBreakGlass } from './break-glass.js';
import { batch } from './bundle/batch.js';
import { transaction } from './bundle/transaction.js';
import { bodyResource, type PathParameters } from './interactions/interaction.js';
import type { Operation, OperationLevel } from './operations/operation.js';
import type { Context, FhirRequest, FhirResponse, Method } from './request.js';
import { routes, type Route } from './routes.js';
import { withRefusals } from './refusals.js';
import { steadily } from './search/steady.js';
import type { FhirServices } from './services.js';

export interface Router {
  (request: FhirRequest, context: Context): Promise<FhirResponse>;
  /** The one request that needs no token. */
  metadata(request: FhirRequest, requestId: string, baseUrl: string): Promise<FhirResponse>;
}

/** A route with its path taken apart. */
interface Way {
  readonly segments: readonly string[];
  readonly byMethod: ReadonlyMap<Method, Route>;
}

export function createRouter(services: FhirServices): Router {
  const ways = waysByLength(routes);
  const operations = new Map(services.operations.map((operation) => [operation.name, operation]));

  async function route(request: FhirRequest, context: Context): Promise<FhirResponse> {
    const { path } = request;
    const last = path.length === 0 ? '' : path[path.length - 1];
    if (last.startsWith('$')) return runOperation(request, context, last.slice(1));
    if (path.length === 0 && request.method === 'POST') return bundle(request, context);
    for (const { segments, byMethod } of ways[path.length] ?? []) {
      const parameters = match(segments, path, services);
      if (parameters === undefined) continue;
      const route = byMethod.get(request.method === 'HEAD' ? 'GET' : request.method);
      if (route === undefined) throw notAllowed(request.method, [...byMethod.keys()]);
      return route.run(services, request, context, parameters);
    }
    throw notFound(path, services);
  }

  /** What changes nothing is answered again when keys of the index changed while it searched. */
  function steadyRoute(request: FhirRequest, context: Context): Promise<FhirResponse> {
    if (!onlyReads(request)) return route(request, context);
    return steadily(services.search.blinder, services.refresh, () => route(request, context));
  }

  const handle = withRefusals(services, withBreakGlass(services, steadyRoute));

  async function bundle(request: FhirRequest, context: Context): Promise<FhirResponse> {
    const { resourceType, type, entry = [] } = bodyResource(request, undefined);
    if (resourceType !== 'Bundle') {
      throw fhirError(
        400,
        'invalid',
        `The base takes a Bundle; "${resourceType.slice(0, 64)}" goes to its own type.`,
        'resourceType',
      );
    }
    if (!Array.isArray(entry)) throw fhirError(400, 'structure', 'Bundle.entry is no array.', 'Bundle.entry');
    if (type === 'transaction') return transaction(services, handle, request, context, entry);
    if (type === 'batch') return batch(services, handle, request, context, entry);
    throw fhirError(
      400,
      'value',
      `Bundle.type is ${JSON.stringify(type)}; expected batch or transaction.`,
      'Bundle.type',
    );
  }

  async function runOperation(request: FhirRequest, context: Context, name: string): Promise<FhirResponse> {
    const place = operationPlace(request.path, services);
    const operation = operations.get(name);
    if (place === undefined || operation === undefined || !isOffered(operation, place.level, place.parameters.type)) {
      throw fhirError(404, 'not-supported', `The operation $${name.slice(0, 64)} is not offered here.`);
    }
    const isGet = request.method === 'GET' || request.method === 'HEAD';
    if (request.method !== 'POST' && !(isGet && operation.isSafe)) {
      throw notAllowed(request.method, operation.isSafe ? ['GET', 'POST'] : ['POST']);
    }
    requireRole(context, name);
    return operation.run(services, request, context, place.parameters);
  }

  return Object.assign(handle, {
    metadata(request: FhirRequest, requestId: string, baseUrl: string) {
      const nobody = { actor: '', memberships: [], purposeOfUse: '', scopes: [] };
      return handle(request, { principal: nobody, requestId, baseUrl });
    },
  });
}

function onlyReads({ method, path }: FhirRequest): boolean {
  return method === 'GET' || method === 'HEAD' || path.at(-1) === '_search';
}

function waysByLength(table: readonly Route[]): Way[][] {
  const ways = new Map<string, Map<Method, Route>>();
  for (const route of table) {
    const byMethod = ways.get(route.path) ?? new Map<Method, Route>();
    ways.set(route.path, byMethod.set(route.method, route));
  }
  const byLength: Way[][] = [];
  for (const [path, byMethod] of ways) {
    const segments = path === '' ? [] : path.split('/');
    (byLength[segments.length] ??= []).push({ segments, byMethod });
  }
  return byLength;
}

/** The variable parts, when `path` goes this way. */
function match(
  segments: readonly string[],
  path: readonly string[],
  services: FhirServices,
): PathParameters | undefined {
  const parameters: Record<string, string> = {};
  for (let index = 0; index < segments.length; index += 1) {
    const segment = segments[index];
    const part = path[index];
    if (!segment.startsWith(':')) {
      if (segment !== part) return undefined;
    } else if (fits(segment, part, services)) {
      parameters[segment.slice(1)] = part;
    } else {
      return undefined;
    }
  }
  return parameters;
}

function fits(segment: string, part: string, { definitions }: FhirServices): boolean {
  if (segment === ':type') return definitions.resourceTypes.has(part);
  if (segment === ':memberType') return part === '*' || definitions.resourceTypes.has(part);
  return !part.startsWith('_');
}

function operationPlace(
  path: readonly string[],
  { definitions }: FhirServices,
): { level: OperationLevel; parameters: PathParameters } | undefined {
  const [type, id, history, versionId] = path;
  if (path.length === 1) return { level: 'system', parameters: {} };
  if (!definitions.resourceTypes.has(type)) return undefined;
  if (path.length === 2) return { level: 'type', parameters: { type } };
  if (path.length === 3) return { level: 'instance', parameters: { type, id } };
  if (path.length === 5 && history === '_history') return { level: 'version', parameters: { type, id, versionId } };
  return undefined;
}

function isOffered({ levels, types }: Operation, level: OperationLevel, type: string | undefined): boolean {
  return levels.includes(level) && (types === undefined || type === undefined || types.includes(type));
}

function requireRole({ principal: { role, roles } }: Context, operation: string): void {
  if (role?.mayCall(operation) !== false) return;
  const diagnostics = `The roles of the actor (${roles?.join(', ') || 'none'}) do not allow to call $${operation}.`;
  throw fhirError(403, 'forbidden', diagnostics);
}

function notAllowed(method: string, allowed: readonly string[]): FhirError {
  const offered = allowed.flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name])).join(', ');
  const diagnostics = `${method} is not offered here; ${offered} is.`;
  return new FhirError(405, [{ severity: 'error', code: 'not-supported', diagnostics }], { Allow: offered });
}

function notFound(path: readonly string[], { definitions }: FhirServices) {
  const [type = ''] = path;
  const isType = definitions.resourceTypes.has(type);
  return isType
    ? fhirError(404, 'not-found', `Nothing is offered at "${path.join('/').slice(0, 200)}".`)
    : fhirError(404, 'not-supported', `"${type.slice(0, 64)}" is no resource type of FHIR R4.`);
}
