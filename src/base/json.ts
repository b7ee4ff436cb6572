/**
 * JSON text to values and back, keeping what JSON.parse loses: the exact text of decimals, duplicate keys, positions.
 *
 * A number whose text JavaScript would not print again the same way (`1.00`, `1e3`, 20 digits) is parsed to a plain number, and its text is
 * kept beside it: the object that holds it carries an enumerable symbol property EXACT that maps key to text (arrays: index to text). Copies by
 * spread keep it. `stringifyJson` prints the text. Everyone else may ignore it.
 */

/** Key to exact number text, on objects (and arrays) that hold such numbers. */
export const EXACT: unique symbol = Symbol('exact number texts');

export interface JsonProblem {
  readonly message: string;
  /** 1-based. */
  readonly line: number;
  readonly column: number;
}
