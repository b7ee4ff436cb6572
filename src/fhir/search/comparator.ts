/** Prefixes of ordered search values. Spec: https://hl7.org/fhir/R4/search.html#prefix */

/** `po` (overlaps) is an operator of `_filter`, for dates alone. */
export type Comparator = 'eq' | 'ne' | 'gt' | 'lt' | 'ge' | 'le' | 'sa' | 'eb' | 'ap' | 'po';

/** The prefix (`eq` when there is none) and the rest. */
export function splitComparator(text: string): [Comparator, string] {
  const match = /^(eq|ne|gt|lt|ge|le|sa|eb|ap)(?=[-+.\d])/.exec(text);
  return match ? [match[1] as Comparator, text.slice(2)] : ['eq', text];
}
