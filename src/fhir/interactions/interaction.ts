/** What every interaction is: a function from services, request and place in the URL to an answer. */
import { fhirError } from '../../base/outcome.js';
import { parseResourceId } from '../../base/ids.js';
import type { Context, FhirRequest, FhirResponse } from '../request.js';
import type { FhirServices } from '../services.js';
import { unknown } from '../write/targets.js';

/** The variable parts of the path. */
export interface PathParameters {
  readonly type?: string;
  readonly id?: string;
  readonly versionId?: string;
  /** Of a compartment search: a type, or `*`. */
  readonly memberType?: string;
}

export type Interaction = (
  services: FhirServices,
  request: FhirRequest,
  context: Context,
  parameters: PathParameters,
) => Promise<FhirResponse>;

/** Type and id of an instance-level request. @throws FhirError 404 when the id can be none. */
export function instanceOf({ type = '', id = '' }: PathParameters): { type: string; id: string } {
  if (parseResourceId(id) === undefined) throw unknown(type, id.slice(0, 64));
  return { type, id };
}

/** The versionId of an entity tag: `W/"3"` is `3`. */
export function versionIdOf(tag: string | undefined): string | undefined {
  if (tag === undefined) return undefined;
  const match = /^\s*(?:W\/)?"([^"]*)"\s*$/.exec(tag);
  return match === null ? tag.trim() : match[1];
}

/** What If-Match names: the versionIds, or `*` for whichever is there. Spec: RFC 9110 section 13.1.1 */
export function ifMatchOf(header: string | undefined): readonly string[] | undefined {
  return header?.split(',').map((tag) => versionIdOf(tag) ?? '');
}

/** Search criteria of `If-None-Exist`, without the `?` (or `Type?`) that some clients put before them. */
export function ifNoneExistOf(header: string | undefined, type: string): string | undefined {
  return header?.startsWith(`${type}?`) ? header.slice(type.length + 1) : header?.replace(/^\?/, '');
}

/** The query of a conditional interaction, without what only shapes the answer. */
export function conditionOf(query: FhirRequest['query']): string | undefined {
  const criteria = query.filter(([name]) => !isPresentation(name));
  if (criteria.length === 0) return undefined;
  return criteria.map(([name, value]) => `${encodeURIComponent(name)}=${encodeURIComponent(value)}`).join('&');
}

/** `_format`, `_pretty`: about the answer, not about what is looked for. */
export function isPresentation(name: string): boolean {
  return name === '_format' || name === '_pretty';
}

/** The resource of the body. @throws FhirError 400 when there is none, or it is of another type than the URL says. */
export function bodyResource(request: Pick<FhirRequest, 'body'>, type: string | undefined) {
  const { body } = request;
  if (body === undefined) throw fhirError(400, 'structure', 'The body is empty; expected a resource.');
  if (typeof body !== 'object' || body === null || Array.isArray(body) || Buffer.isBuffer(body)) {
    throw fhirError(400, 'structure', 'The body is no resource; expected a JSON object with "resourceType".');
  }
  const { resourceType } = body as { resourceType?: unknown };
  if (typeof resourceType !== 'string') {
    throw fhirError(
      400,
      'structure',
      'The body has no "resourceType"; expected the name of a resource type.',
      'resourceType',
    );
  }
  if (type !== undefined && resourceType !== type) {
    const diagnostics = `The body is of type "${resourceType.slice(0, 64)}"; expected "${type}" as in the URL.`;
    throw fhirError(400, 'invalid', diagnostics, 'resourceType');
  }
  const { id } = body as { id?: unknown };
  if (id !== undefined && (typeof id !== 'string' || parseResourceId(id) === undefined)) {
    throw fhirError(
      400,
      'value',
      `"${String(id).slice(0, 80)}" is no FHIR id; expected 1 to 64 of A-Z a-z 0-9 - .`,
      `${resourceType}.id`,
    );
  }
  return body as { resourceType: string; id?: string; [element: string]: unknown };
}
