import type { Row } from './connection.js';

/** Numbers out of what group_concat gives: one string is handed out much faster than a row for each. */
export function numberList(text: Row[number] | undefined): number[] {
  return typeof text === 'string' ? text.split(',').map(Number) : [];
}
