/** An HTTP request as a FhirRequest: path, query, the headers that FHIR knows, and the parsed body. */
import type { IncomingMessage } from 'node:http';
import { FhirError, fhirError } from '../../base/outcome.js';
import type { FhirRequest, Method, Query } from '../request.js';
import type { FhirServices } from '../services.js';
import type { Definitions } from '../definitions/definitions.js';
import { decodeUtf8, parseJsonBody, parseXmlBody, readBody } from './body.js';
import { bodyFormatOf } from './negotiation.js';
import { queryPairs } from '../search/query-text.js';
import { parsePrefer } from './prefer.js';

/** The URL below the base, taken apart. */
export interface RequestUrl {
  readonly path: readonly string[];
  readonly query: Query;
  readonly format?: string;
  readonly pretty: boolean;
}

const noQuery: Query = [];

/** @throws FhirError 400 `invalid` for a path that is not percent-encoded UTF-8. */
export function splitUrl(request: IncomingMessage): RequestUrl {
  // Servers take the absolute form too. Spec: RFC 9112 section 3.2.2
  const url = (request.url ?? '/').replace(/^https?:\/\/[^/?]*/i, '');
  const mark = url.indexOf('?');
  const path = pathOf(mark === -1 ? url : url.slice(0, mark));
  if (mark === -1 || mark === url.length - 1) return { path, query: noQuery, pretty: false };
  const query = queryPairs(url.slice(mark + 1));
  return { path, query, format: valueOf(query, '_format'), pretty: valueOf(query, '_pretty') === 'true' };
}

function pathOf(text: string): string[] {
  const segments = text.split('/').filter((segment) => segment !== '');
  if (!text.includes('%')) return segments;
  try {
    return segments.map(decodeURIComponent);
  } catch {
    throw fhirError(400, 'invalid', 'The path of the URL is not percent-encoded UTF-8.');
  }
}

function valueOf(query: Query, name: string): string | undefined {
  return query.find((pair) => pair[0] === name)?.[1];
}

const methods = new Set<string>(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);

/** @throws FhirError 405, 400, 413 or 415 for a method, body or Content-Type that this server does not take. */
export async function readRequest(
  request: IncomingMessage,
  url: RequestUrl,
  services: Pick<FhirServices, 'config' | 'definitions'>,
): Promise<FhirRequest> {
  const method = request.method ?? 'GET';
  if (!methods.has(method)) {
    const diagnostics = `The method ${method.slice(0, 32)} is not offered.`;
    throw new FhirError(405, [{ severity: 'error', code: 'not-supported', diagnostics }], {
      Allow: [...methods].join(', '),
    });
  }
  const { headers } = request;
  const base: FhirRequest = {
    method: method as Method,
    path: url.path,
    query: url.query,
    ifMatch: headers['if-match'],
    ifNoneMatch: headers['if-none-match'],
    ifNoneExist: headers['if-none-exist'] as string | undefined,
    ifModifiedSince: timeOf(headers['if-modified-since']),
    prefer: parsePrefer(headers.prefer as string | undefined),
    ...(isNativeRead(request, url) ? { wantsNative: true } : {}),
  };
  if (method === 'GET' || method === 'HEAD' || (method === 'DELETE' && !hasBody(request))) return base;
  const bytes = await readBody(request, services.config.maxBodyBytes);
  if (bytes.length === 0) return base;
  return withBody(base, headers['content-type'], bytes, services.definitions);
}

/** A read of a Binary that does not ask for a FHIR format. */
export function isNativeRead({ method, headers }: IncomingMessage, { path, format }: RequestUrl): boolean {
  if (path[0] !== 'Binary' || (path.length !== 2 && path.length !== 4)) return false;
  if ((method !== 'GET' && method !== 'HEAD') || format !== undefined) return false;
  return !/fhir|application\/json|application\/xml|text\/xml|text\/json/i.test(headers.accept ?? '');
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

async function withBody(
  base: FhirRequest,
  contentType: string | undefined,
  bytes: Buffer,
  definitions: Definitions,
): Promise<FhirRequest> {
  const format = bodyFormatOf(contentType);
  const source = base.path.at(-1)?.startsWith('$') ? { bodyBytes: bytes } : {};
  if (base.path.at(-1) === '_search' && format !== 'form') {
    throw fhirError(415, 'not-supported', '_search takes application/x-www-form-urlencoded alone.');
  }
  switch (format) {
    case 'form': {
      if (base.path.at(-1) !== '_search') {
        throw fhirError(
          415,
          'not-supported',
          'A form is taken by _search alone; resources come as application/fhir+json.',
        );
      }
      return { ...base, query: [...base.query, ...queryPairs(decodeUtf8(bytes))] };
    }
    case 'json':
    case 'json-patch':
    case 'merge-patch': {
      const body = await parseJsonBody(bytes);
      const isPart = base.method === 'PATCH' && isPlainJson(contentType) && isPartOfResource(body);
      return { ...base, ...source, body, bodyFormat: isPart ? 'merge-patch' : format };
    }
    case 'xml':
      return { ...base, ...source, body: parseXmlBody(bytes, definitions), bodyFormat: 'xml' };
    case 'xml-patch':
      return { ...base, body: decodeUtf8(bytes), bodyFormat: 'xml-patch' };
    case 'graphql':
      if (base.path.at(-1) === '$graphql') return { ...base, body: decodeUtf8(bytes), bodyFormat: 'graphql' };
      break;
    case 'other':
      if (base.path[0] === 'Binary') return { ...base, body: bytes, bodyFormat: 'binary', contentType };
      break;
  }
  throw fhirError(415, 'not-supported', `Content-Type "${contentType}" is not taken here; use application/fhir+json.`);
}

function isPlainJson(contentType: string | undefined): boolean {
  return /^application\/json\s*(?:;|$)/i.test(contentType ?? '');
}

/** An object in plain JSON that is no FHIRPath Patch: the members to change (some clients do not say merge-patch). */
function isPartOfResource(body: unknown): boolean {
  const isObject = typeof body === 'object' && body !== null && !Array.isArray(body);
  return isObject && (body as { resourceType?: unknown }).resourceType !== 'Parameters';
}

function timeOf(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  const time = Date.parse(header);
  return Number.isNaN(time) ? undefined : time;
}
