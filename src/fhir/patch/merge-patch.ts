/**
 * JSON Merge Patch: the members to set, null for those to take away. Spec: RFC 7396
 *
 * FHIR does not name it; fhirpy and other clients send it.
 */
import { numberText } from '../../base/exact-numbers.js';
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import { structuredCopy } from './json-patch.js';
import { setMember } from './tree.js';

type JsonObject = Record<string, unknown>;

/**
 * A changed copy of `document`.
 * @throws FhirError 400 `structure` when `patch` is no object.
 */
export function applyMergePatch(document: Resource, patch: unknown): Resource {
  if (!isObject(patch)) throw fhirError(400, 'structure', 'A JSON Merge Patch is an object.');
  const copy = structuredCopy(document);
  merge(copy, patch);
  return copy;
}

function merge(target: JsonObject, patch: JsonObject): void {
  for (const key of Object.keys(patch)) {
    if (key === '__proto__') throw fhirError(400, 'structure', 'A member is called "__proto__".');
    const value = patch[key];
    const present = target[key];
    const sibling = target[`_${key}`] as object | undefined;
    if (value === null) {
      setMember(target, key, { sibling });
    } else if (isObject(value)) {
      const inner = isObject(present) ? present : {};
      merge(inner, value);
      setMember(target, key, { value: inner, sibling });
    } else {
      const text = typeof value === 'number' ? numberText(patch, key) : undefined;
      setMember(target, key, { value: structuredCopy(value), sibling, ...(text === undefined ? {} : { text }) });
    }
  }
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
