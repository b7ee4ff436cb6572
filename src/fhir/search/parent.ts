/** Types that refer to a parent of their own type. Spec: https://hl7.org/fhir/R4/search.html#recursive */
import type { Parameter, SearchParameters } from './parameters.js';

/** The parameter by which `type` refers to its parent of the same type. */
export function parentParameter(parameters: SearchParameters, type: string): Parameter | undefined {
  return parameters.get(type, 'partof') ?? parameters.get(type, 'part-of');
}
