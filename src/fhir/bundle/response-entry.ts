/** The entries of a batch-response or transaction-response. Spec: https://hl7.org/fhir/R4/http.html#transaction-response */
import { STATUS_CODES } from 'node:http';
import type { Resource } from '../../base/resource.js';
import type { FhirResponse } from '../request.js';
import type { JsonText } from '../json-text.js';

export interface ResponseEntry {
  readonly fullUrl?: string;
  readonly resource?: Resource | JsonText;
  readonly response: Readonly<Record<string, unknown>>;
  readonly [element: string]: unknown;
}

/** @param keepResource whether the content goes along (reads, searches and operations always; writes as preferred). */
export function responseEntry(answer: FhirResponse, baseUrl: string, keepResource: boolean): ResponseEntry {
  const { status, versionId, lastModified, location, headers, outcome } = answer;
  const resource = answer.resource ?? (answer.native && asBinary(answer.native));
  const isOutcome =
    resource !== undefined && 'resourceType' in resource && resource.resourceType === 'OperationOutcome';
  const place = location ?? headers?.['Content-Location'];
  const content = keepResource && !isOutcome ? resource : undefined;
  return {
    ...(content !== undefined && place !== undefined ? { fullUrl: place.replace(/\/_history\/.*$/, '') } : {}),
    ...(content === undefined ? {} : { resource: content }),
    response: {
      status: `${status} ${STATUS_CODES[status] ?? ''}`.trim(),
      ...(place === undefined ? {} : { location: relative(place, baseUrl) }),
      ...(versionId === undefined ? {} : { etag: `W/"${versionId}"` }),
      ...(lastModified === undefined ? {} : { lastModified: new Date(lastModified).toISOString() }),
      ...(isOutcome ? { outcome: resource } : outcome === undefined ? {} : { outcome }),
    },
  };
}

function relative(url: string, baseUrl: string): string {
  return url.startsWith(`${baseUrl}/`) ? url.slice(baseUrl.length + 1) : url;
}

/** What is no resource (the answer of `$graphql`) travels in a Binary. */
function asBinary({ contentType, bytes }: NonNullable<FhirResponse['native']>): Resource {
  return { resourceType: 'Binary', contentType, data: Buffer.from(bytes).toString('base64') };
}
