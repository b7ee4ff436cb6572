/** Binary in its own content type. Spec: https://hl7.org/fhir/R4/binary.html#rest */
import type { Resource } from '../../base/resource.js';
import type { FhirRequest, FhirResponse } from '../request.js';
import { resourceOf } from '../json-text.js';

/** An answer with a Binary as the bytes that it holds, when that is what the client asked for. */
export function nativeIfWanted({ wantsNative }: FhirRequest, answer: FhirResponse): FhirResponse {
  if (wantsNative !== true || answer.resource === undefined) return answer;
  const { contentType, data } = resourceOf(answer.resource) as { contentType?: unknown; data?: unknown };
  if (typeof contentType !== 'string' || !/^[\w.+-]+\/[\w.+-]+(\s*;[^\r\n]*)?$/.test(contentType)) return answer;
  const bytes = Buffer.from(typeof data === 'string' ? data : '', 'base64');
  // What somebody stored must not run in this server's origin.
  const headers = { 'X-Content-Type-Options': 'nosniff', 'Content-Disposition': 'attachment' };
  return { ...answer, resource: undefined, native: { contentType, bytes }, headers: { ...answer.headers, ...headers } };
}

/** The Binary that a body in its own content type stands for; any other body as it is. */
export function binaryOf({ body, bodyFormat, contentType }: FhirRequest, id?: string): unknown {
  if (bodyFormat !== 'binary' || !Buffer.isBuffer(body)) return body;
  const binary: Resource = { resourceType: 'Binary', ...(id === undefined ? {} : { id }), contentType };
  return { ...binary, data: body.toString('base64') };
}
