/**
 * What JSON.parse loses of numbers: a number whose text JavaScript would not print again the same way (`1.00`, `1e3`, 20 digits) is kept as a plain
 * number, with its text beside it. The object or array that holds it carries an enumerable symbol property EXACT that maps key (or index) to text.
 * Copies by spread keep it; `stringifyJson` prints the text again. Everyone else may ignore it.
 *
 * Spec: https://hl7.org/fhir/R4/json.html (decimals keep their precision).
 */

/** Key (or index) to exact number text, on objects and arrays that hold such numbers. */
export const EXACT: unique symbol = Symbol('exact number texts');

/** The exact text of the number at `key` of `holder`, as it was written. */
export function numberText(holder: object, key: string | number): string {
  const texts = (holder as { [EXACT]?: Record<string, string> })[EXACT];
  return texts?.[key] ?? String((holder as Record<string | number, unknown>)[key]);
}

/** Keeps the exact text of a number that is set on `holder`; a text that JavaScript prints the same way needs none. */
export function keepNumberText(holder: object, key: string | number, text: string): void {
  if (String(Number(text)) === text) return;
  const target = holder as { [EXACT]?: Record<string, string> };
  (target[EXACT] ??= Object.create(null) as Record<string, string>)[key] = text;
}
