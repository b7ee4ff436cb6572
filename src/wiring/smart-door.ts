/** What apps ask before and beside FHIR: discovery, and everything below /oauth. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Clock } from '../base/clock.js';
import { FhirError } from '../base/outcome.js';
import type { Config } from '../config.js';
import { createRouter } from '../fhir/router.js';
import { parseSearch } from '../fhir/search/query.js';
import type { FhirServices } from '../fhir/services.js';
import { Accounts } from '../smart/accounts/accounts.js';
import type { AuthorizationServer } from '../smart/authorization-server/authorization-server.js';
import { lazyAuthorizationServer } from '../smart/authorization-server/loader.js';
import {
  builtInEndpoints,
  outsideConfiguration,
  outsideEndpoints,
  smartConfiguration,
  type OAuthEndpoints,
} from '../smart/discovery.js';
import { LaunchContexts } from '../smart/launch-contexts.js';
import { parseScope } from '../smart/scopes.js';
import type { SecurityLog } from '../smart/security-events.js';
import type { KeyRing } from '../vault/key-ring.js';
import { namesOf, type Smart } from './smart.js';
import { patientPagesApp } from './patient-pages.js';
import { fhirPatients } from './smart-patients.js';

/** Below the public address. */
const oauthPath = '/oauth';

export interface SmartDoorParts {
  readonly config: Config;
  readonly baseUrl: string;
  readonly clock: Clock;
  readonly keyRing: KeyRing;
  readonly smart: Smart;
  readonly services: FhirServices;
  readonly securityLog: SecurityLog;
}

export interface SmartDoor {
  /** @returns false for a request that is not for this door. */
  serve(request: IncomingMessage, response: ServerResponse): boolean;
}

/** Where tokens come from; undefined while that is not known, or nobody issues any. */
export function endpointsOf(
  config: Config,
  baseUrl: string,
  { outside }: Smart,
): () => Promise<OAuthEndpoints | undefined> {
  const { issuer } = config.smart;
  if (issuer.kind === 'none') return () => Promise.resolve(undefined);
  if (issuer.kind === 'built-in') {
    const endpoints = builtInEndpoints(issuerOf(baseUrl), issuer.registration !== 'off');
    return () => Promise.resolve(endpoints);
  }
  return async () => outside?.metadata().then(outsideEndpoints, () => undefined);
}

export function openSmartDoor(parts: SmartDoorParts): SmartDoor {
  const { config, baseUrl, smart, services } = parts;
  const endpoints = endpointsOf(config, baseUrl, smart);
  const server = config.smart.issuer.kind === 'built-in' ? lazyServer(parts) : undefined;

  const prefix = new URL(issuerOf(baseUrl)).pathname.slice(0, -oauthPath.length);

  async function configuration(): Promise<object | undefined> {
    if (smart.outside !== undefined) return outsideConfiguration(await smart.outside.metadata());
    const found = await endpoints();
    return found === undefined ? undefined : smartConfiguration(found);
  }

  async function discover(response: ServerResponse): Promise<void> {
    try {
      const document = await configuration();
      sendJson(response, document === undefined ? 404 : 200, document ?? { error: 'not_found' });
    } catch (error) {
      if (!(error instanceof FhirError)) services.reportDefect('discovery', error);
      sendJson(response, error instanceof FhirError ? error.status : 500, { error: 'temporarily_unavailable' });
    }
  }

  async function authorizationServer(request: IncomingMessage, response: ServerResponse, url: string): Promise<void> {
    try {
      if (server === undefined) return sendJson(response, 404, { error: 'not_found' });
      // A proxy may serve us below a path of its own, which it takes away.
      request.url = prefix + url;
      await (await server()).serve(request, response);
    } catch (error) {
      services.reportDefect('oauth', error);
      if (!response.headersSent) sendJson(response, 500, { error: 'server_error' });
    }
  }

  return {
    serve(request, response) {
      const url = request.url ?? '/';
      const path = url.split('?', 1)[0];
      if (discoveryPaths.has(path)) void discover(response);
      else if (metadataPaths.has(path)) void authorizationServer(request, response, openIdPath);
      else if (path.startsWith(`${oauthPath}/`)) void authorizationServer(request, response, url);
      else return false;
      return true;
    },
  };
}

const discoveryPaths = new Set(['/.well-known/smart-configuration', '/fhir/.well-known/smart-configuration']);
const openIdPath = `${oauthPath}/.well-known/openid-configuration`;
/** RFC 8414, 3.1: the well-known part comes before the issuer's path. */
const metadataPaths = new Set([
  `/.well-known/oauth-authorization-server${oauthPath}`,
  `/.well-known/openid-configuration${oauthPath}`,
]);

function issuerOf(baseUrl: string): string {
  return `${baseUrl.replace(/\/fhir$/, '')}${oauthPath}`;
}

function lazyServer({
  config,
  baseUrl,
  clock,
  keyRing,
  smart,
  services,
  securityLog,
}: SmartDoorParts): () => Promise<AuthorizationServer> {
  const { issuer, requiresNonce, privateKeySets } = config.smart;
  const { store, authenticator } = smart;
  return lazyAuthorizationServer({
    issuer: issuerOf(baseUrl),
    baseUrl,
    audiences: namesOf(baseUrl),
    store,
    accounts: new Accounts(store, clock),
    launches: new LaunchContexts(store, clock),
    securityLog,
    clock,
    isKnownScope: (scope) => isKnownScope(services, scope),
    registration: issuer.kind === 'built-in' ? issuer.registration : 'off',
    requiresNonce,
    privateKeySets,
    ownApps: [patientPagesApp(baseUrl)],
    allowedOrigins: config.fhir.allowedOrigins,
    derive: (purpose) => keyRing.derive(purpose),
    patients: fhirPatients(createRouter(services), baseUrl),
    isBehindProxy: config.publicUrl !== undefined,
    withRoles: (principal) => authenticator.withRoles(principal),
    reportDefect: (requestId, error) => services.reportDefect(requestId, error),
  });
}

/** A type of R4, and conditions that are a search for it. */
function isKnownScope({ definitions, search }: FhirServices, text: string): boolean {
  const scope = parseScope(text);
  if (scope === undefined) return false;
  const { resourceType, filter } = scope;
  if (resourceType === '*') return filter === undefined;
  if (!definitions.resourceTypes.has(resourceType)) return false;
  if (filter === undefined) return true;
  try {
    parseSearch(search, resourceType, [...new URLSearchParams(filter)], 'strict');
    return true;
  } catch (error) {
    if (error instanceof FhirError) return false;
    throw error;
  }
}

function sendJson(response: ServerResponse, status: number, document: object): void {
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Access-Control-Allow-Origin': '*',
    'Cache-Control': 'no-cache',
  });
  response.end(JSON.stringify(document));
}
