/** The entries of a batch or transaction as requests. Spec: https://hl7.org/fhir/R4/http.html#transaction */
import { parseJson } from '../../base/json.js';
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { queryPairs } from '../search/query-text.js';
import { parsePrefer } from '../http/prefer.js';
import type { FhirRequest, Method } from '../request.js';

export interface RequestEntry {
  readonly index: number;
  /** FHIRPath of the entry: `Bundle.entry[3]`. */
  readonly place: string;
  readonly fullUrl?: string;
  readonly request: FhirRequest;
}

const methods = new Set<string>(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE']);

/**
 * One entry as a request.
 * @throws FhirError 400 naming the element that is missing or wrong.
 */
export function requestEntry(
  entry: unknown,
  index: number,
  baseUrl: string,
  prefer: FhirRequest['prefer'],
): RequestEntry {
  const place = `Bundle.entry[${index}]`;
  if (!isObject(entry)) throw fhirError(400, 'structure', 'The entry is no object.', place);
  const { fullUrl, request, resource } = entry;
  if (!isObject(request)) throw fhirError(400, 'required', 'The entry has no request.', `${place}.request`);
  const { method, url } = request;
  if (typeof method !== 'string' || !methods.has(method)) {
    const diagnostics = `The method is ${JSON.stringify(method)}; expected GET, HEAD, POST, PUT, PATCH or DELETE.`;
    throw fhirError(400, method === undefined ? 'required' : 'value', diagnostics, `${place}.request.method`);
  }
  if (typeof url !== 'string' || url === '')
    throw fhirError(400, 'required', 'The request has no url.', `${place}.request.url`);
  if (resource !== undefined && !isObject(resource)) {
    throw fhirError(400, 'structure', 'The resource is no object.', `${place}.resource`);
  }
  const needsBody = method === 'POST' || method === 'PUT' || method === 'PATCH';
  const { path, query } = splitEntryUrl(url, baseUrl, place);
  const last = path.at(-1) ?? '';
  if (needsBody && resource === undefined && !last.startsWith('$') && last !== '_search') {
    throw fhirError(400, 'required', `A ${method} needs a resource.`, `${place}.resource`);
  }
  return {
    index,
    place,
    ...(typeof fullUrl === 'string' ? { fullUrl } : {}),
    request: {
      method: method as Method,
      path,
      query,
      ifMatch: textOf(request.ifMatch),
      ifNoneMatch: textOf(request.ifNoneMatch),
      ifNoneExist: textOf(request.ifNoneExist),
      ifModifiedSince: timeOf(request.ifModifiedSince),
      prefer: preferenceOf(request) ?? prefer,
      ...(method === 'PATCH'
        ? patchBody(resource as Resource, place)
        : { body: resource, bodyFormat: 'json' as const }),
    },
  };
}

function splitEntryUrl(url: string, baseUrl: string, place: string): Pick<FhirRequest, 'path' | 'query'> {
  const relative = url.startsWith(`${baseUrl}/`) ? url.slice(baseUrl.length) : url;
  if (/^[a-z][a-z0-9+.-]*:/i.test(relative)) {
    throw fhirError(400, 'value', `The url "${url.slice(0, 200)}" is not on this server.`, `${place}.request.url`);
  }
  const mark = relative.indexOf('?');
  const path = (mark === -1 ? relative : relative.slice(0, mark)).split('/').filter((segment) => segment !== '');
  try {
    return {
      path: path.map(decodeURIComponent),
      query: mark === -1 ? [] : queryPairs(relative.slice(mark + 1)),
    };
  } catch {
    throw fhirError(400, 'value', 'The url is not percent-encoded UTF-8.', `${place}.request.url`);
  }
}

/** A patch in a Bundle is a Binary with a JSON or XML Patch, or a Parameters (FHIRPath Patch). */
function patchBody(resource: Resource, place: string): Pick<FhirRequest, 'body' | 'bodyFormat'> {
  if (resource.resourceType !== 'Binary') return { body: resource, bodyFormat: 'json' };
  const { contentType, data } = resource;
  const text = typeof data === 'string' ? Buffer.from(data, 'base64').toString('utf8') : '';
  if (contentType === 'application/xml-patch+xml') return { body: text, bodyFormat: 'xml-patch' };
  if (contentType !== 'application/json-patch+json' && contentType !== 'application/merge-patch+json') {
    const diagnostics = `The patch is of type ${JSON.stringify(contentType)}; expected application/json-patch+json, application/merge-patch+json or application/xml-patch+xml.`;
    throw fhirError(400, 'value', diagnostics, `${place}.resource.contentType`);
  }
  try {
    const isMerge = contentType === 'application/merge-patch+json';
    return { body: parseJson(text), bodyFormat: isMerge ? 'merge-patch' : 'json-patch' };
  } catch {
    throw fhirError(400, 'structure', 'The data of the Binary is no JSON.', `${place}.resource.data`);
  }
}

const preferUrl = 'http://hl7.org/fhir/StructureDefinition/http-prefer';

/** An entry's own preference. */
function preferenceOf(request: Record<string, unknown>): FhirRequest['prefer'] | undefined {
  const extensions = Array.isArray(request.extension) ? (request.extension as unknown[]) : [];
  const found = extensions.find((extension) => isObject(extension) && extension.url === preferUrl);
  return isObject(found) && typeof found.valueString === 'string' ? parsePrefer(found.valueString) : undefined;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function timeOf(value: unknown): number | undefined {
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}
