/** References and their index terms. Spec: https://hl7.org/fhir/R4/search.html#reference */
import { fhirError } from '../../base/outcome.js';
import { termText, type TermSource } from './blind.js';
import { anyTerm, exactly, type Bounds } from './bounds.js';
import { unescapeValue } from './escape.js';
import { parseLiteral } from './reference-text.js';
import { tokenTexts } from './token.js';

export interface ReferenceValue {
  readonly kind: 'reference';
  /** Of `Type/id`, relative or under this server's base; absent in the form `id`. */
  readonly type?: string;
  readonly id?: string;
  readonly version?: string;
  /** Anything else: an absolute URL elsewhere, a canonical (`|version` allowed), a URN. */
  readonly url?: string;
  readonly text: string;
}

/**
 * @param baseUrl this server's, without a slash at the end: absolute references below it are local.
 * @param asType type given by the modifier `:[type]`.
 * @throws FhirError 400 `invalid`.
 */
export function parseReferenceValue(text: string, name: string, baseUrl: string, asType?: string): ReferenceValue {
  const plain = unescapeValue(text);
  const target = parseTarget(plain, baseUrl);
  if (!target && asType !== undefined) {
    throw fhirError(400, 'invalid', `Search parameter ${name}: found '${text}', expected the id of a ${asType}`);
  }
  if (!target) return { kind: 'reference', url: plain, text };
  if (asType !== undefined && target.type !== undefined && target.type !== asType) {
    throw fhirError(400, 'invalid', `Search parameter ${name}: found '${text}', expected a reference to a ${asType}`);
  }
  const type = asType ?? target.type;
  return {
    kind: 'reference',
    id: target.id,
    ...(type ? { type } : {}),
    ...(target.version ? { version: target.version } : {}),
    text,
  };
}

/** A local resource that a reference text names. */
export interface LocalTarget {
  readonly type?: string;
  readonly id: string;
  readonly version?: string;
}

function parseTarget(text: string, baseUrl: string): LocalTarget | undefined {
  if (/^[A-Za-z0-9\-.]{1,64}$/.test(text)) return { id: text };
  return localTarget(text, baseUrl);
}

/** `Type/id`, relative or below `baseUrl`; undefined for anything else. */
export function localTarget(text: string, baseUrl: string): (LocalTarget & { readonly type: string }) | undefined {
  const literal = parseLiteral(text);
  return literal && (literal.base === '' || literal.base === baseUrl) ? literal : undefined;
}

/** A selected reference as the index sees it. */
export interface IndexedReference {
  /** Local `Type/id`. */
  readonly target?: LocalTarget & { readonly type: string };
  /** Absolute URL, canonical or URN. */
  readonly url?: string;
  readonly identifier?: object;
}

/** What a Reference, canonical, uri, or a resource in a Bundle entry points to. */
export function referenceOf(value: unknown, baseUrl: string): IndexedReference {
  if (typeof value === 'string') return pointer(value, baseUrl);
  if (typeof value !== 'object' || value === null) return {};
  const { reference, identifier, resourceType, id } = value as Record<string, unknown>;
  if (typeof resourceType === 'string') return typeof id === 'string' ? { target: { type: resourceType, id } } : {};
  return {
    ...(typeof reference === 'string' ? pointer(reference, baseUrl) : {}),
    ...(typeof identifier === 'object' && identifier !== null ? { identifier } : {}),
  };
}

/** `Type?criteria`. */
const conditional = /^[A-Z][A-Za-z]*\?/;

function pointer(text: string, baseUrl: string): IndexedReference {
  // Contained resources are no resources of their own; criteria are not resolved yet and point nowhere.
  if (text.startsWith('#') || conditional.test(text)) return {};
  const target = localTarget(text, baseUrl);
  return target ? { target } : { url: text };
}

/** The index texts of one value of the elements that `key` selects. */
export function referenceTexts(
  key: string,
  { target, url, identifier }: IndexedReference,
  emit: (text: string) => void,
): void {
  if (target) {
    emit(termText(key, 'r', `${target.type}/${target.id}`));
    if (target.version) emit(termText(key, 'r', `${target.type}/${target.id}/_history/${target.version}`));
  }
  if (url !== undefined) {
    emit(termText(key, 'r', url));
    const shorter = withoutVersion(url);
    if (shorter !== url) emit(termText(key, 'r', shorter));
  }
  if (identifier) tokenTexts(`${key}.identifier`, identifier, 'Identifier', false, emit);
}

/** `url` without `|version` or `/_history/version`. */
function withoutVersion(url: string): string {
  return url.replace(/\|[^|]*$/, '').replace(/\/_history\/[^/]+$/, '');
}

/** @param types what an id alone may be the id of. */
export function planReference(
  blinder: TermSource,
  key: string,
  value: ReferenceValue,
  types: readonly string[],
): Bounds {
  const texts =
    value.url !== undefined
      ? [value.url]
      : (value.type === undefined ? types : [value.type]).map((type) => localText(type, value));
  // An id alone may also be a canonical or URI of that text.
  if (value.id !== undefined && value.type === undefined) texts.push(value.id);
  return exactly(anyTerm(texts.map((text) => blinder.term(termText(key, 'r', text)))));
}

function localText(type: string, { id, version }: ReferenceValue): string {
  return version === undefined ? `${type}/${id}` : `${type}/${id}/_history/${version}`;
}
