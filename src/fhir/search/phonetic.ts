/** `phonetic`: names that sound alike, by American Soundex. Spec: https://hl7.org/fhir/R4/patient.html#search (phonetic) */
import { termText } from './blind.js';
import { wordsOf } from './text.js';

const codes: Readonly<Record<string, string>> = {
  b: '1', f: '1', p: '1', v: '1',
  c: '2', g: '2', j: '2', k: '2', q: '2', s: '2', x: '2', z: '2',
  d: '3', t: '3',
  l: '4',
  m: '5', n: '5',
  r: '6',
}; // prettier-ignore

/** Letter and three digits, as in `R163`; undefined when the word has no Latin letter at its start. */
function soundex(word: string): string | undefined {
  const letters = word.replace(/[^a-z]/g, '');
  if (letters === '') return undefined;
  let code = letters[0].toUpperCase();
  let last = codes[letters[0]];
  for (const letter of letters.slice(1)) {
    const digit = codes[letter];
    if (digit !== undefined && digit !== last) code += digit;
    // h and w do not part equal sounds, vowels do.
    if (letter !== 'h' && letter !== 'w') last = digit;
    if (code.length === 4) return code;
  }
  return code.padEnd(4, '0');
}

/** The sounds of the words of a text. */
export function soundsOf(text: string): string[] {
  return wordsOf(text)
    .map(soundex)
    .filter((sound) => sound !== undefined);
}

/** Names have sounds; `key` ends with the kind of search. */
export function hasSounds(key: string): boolean {
  return key.includes('.name');
}

export function phoneticText(key: string, field: string, emit: (text: string) => void): void {
  for (const sound of soundsOf(field)) emit(termText(key, 'z', sound));
}
