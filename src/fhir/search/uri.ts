/** URIs and their index terms. Spec: https://hl7.org/fhir/R4/search.html#uri */
import { termText, type TermSource } from './blind.js';
import { anyTerm, exactly, type Bounds } from './bounds.js';

export interface UriValue {
  readonly kind: 'uri';
  readonly text: string;
}

/** `uri` and what it lies below: `http://a/b/c` lies below `http://a/b` and `http://a`, `urn:a:b` below `urn:a`. Longest first. */
function ancestorsOf(uri: string): string[] {
  const ancestors = [uri];
  const separator = uri.startsWith('urn:') ? ':' : '/';
  const authority = /^[a-z][a-z0-9+.-]*:\/\//i.exec(uri)?.[0].length ?? 4;
  for (let at = uri.lastIndexOf(separator); at > authority; at = uri.lastIndexOf(separator, at - 1)) {
    ancestors.push(uri.slice(0, at));
  }
  return [...new Set(ancestors)];
}

/** Profiles and sources are everywhere: their ancestors are not indexed, `:below` opens. */
function indexesAncestors(key: string): boolean {
  return !key.startsWith('Resource.meta');
}

/** The index texts of one value of the elements that `key` selects. */
export function uriTexts(key: string, uri: string, emit: (text: string) => void): void {
  emit(termText(key, 'r', uri));
  if (indexesAncestors(key)) for (const ancestor of ancestorsOf(uri)) emit(termText(key, 'b', ancestor));
  const bar = uri.lastIndexOf('|');
  // `url|version`: found by the URL alone too.
  if (bar > 0) emit(termText(key, 'r', uri.slice(0, bar)));
}

export function planUri(blinder: TermSource, key: string, value: string): Bounds {
  return exactly({ kind: 'term', term: blinder.term(termText(key, 'r', value)) });
}

export function planBelow(blinder: TermSource, key: string, value: string): Bounds | undefined {
  if (!indexesAncestors(key)) return undefined;
  return exactly({ kind: 'term', term: blinder.term(termText(key, 'b', value.replace(/[/:]$/, ''))) });
}

export function planAbove(blinder: TermSource, key: string, value: string): Bounds {
  return exactly(anyTerm(ancestorsOf(value).map((ancestor) => blinder.term(termText(key, 'r', ancestor)))));
}
