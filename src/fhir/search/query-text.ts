/** The query of a URL, or a form, as pairs. Spec: RFC 3986 section 2.1, https://url.spec.whatwg.org/#application/x-www-form-urlencoded */
import { fhirError } from '../../base/outcome.js';

/**
 * @param text what stands behind `?`; `+` is a space.
 * @throws FhirError 400 `invalid` for what is not percent-encoded UTF-8: it would be searched for as something else than was meant.
 */
export function queryPairs(text: string): [name: string, value: string][] {
  if (text.includes('%')) {
    try {
      decodeURIComponent(text);
    } catch {
      throw fhirError(400, 'invalid', 'The query of the URL is not percent-encoded UTF-8.');
    }
  }
  return [...new URLSearchParams(text)];
}
