/** Order of FHIR date texts without parsing them, where the texts themselves tell it. */

/**
 * @returns the order of two dates, dateTimes or times written alike: the same length, and the same zone if they have any; undefined
 *   otherwise, which says nothing.
 */
export function compareTexts(a: string, b: string): number | undefined {
  if (a === b) return 0;
  const { length } = a;
  if (length !== b.length) return undefined;
  if (length > 10) {
    // `Z` or `+hh:mm` at the end; `:` at length - 3 tells an offset. Times have neither, and shorter texts no zone at all.
    const zone = a.charCodeAt(length - 1) === 90 ? 1 : 6;
    for (let i = length - zone; i < length; i += 1) if (a.charCodeAt(i) !== b.charCodeAt(i)) return undefined;
  }
  return a < b ? -1 : 1;
}
