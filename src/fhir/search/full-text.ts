/** Words of narrative (`_text`) and of the whole resource (`_content`). Spec: https://hl7.org/fhir/R4/search.html#content */
import type { Resource } from '../../base/resource.js';
import { wordsOf } from './text.js';

/** Text of the term of a word under `_text` or `_content`. */
export function wordTerm(parameter: '_text' | '_content', word: string): string {
  return `\u0000W${parameter}${word}`;
}

/** The words of the narrative: tags fall away, entities are resolved. */
export function narrativeWords(resource: Resource): ReadonlySet<string> {
  const { div } = (resource.text ?? {}) as { div?: unknown };
  return new Set(typeof div === 'string' ? wordsOf(textOfXhtml(div)) : []);
}

const entities: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: ' ' };

function textOfXhtml(div: string): string {
  return div
    .replace(/<!--[^]*?-->/g, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/&(?:#(\d+)|#x([0-9a-f]+)|(\w+));/gi, (whole, decimal, hexadecimal, name) => {
      if (name !== undefined) return entities[name as string] ?? whole;
      const code = decimal !== undefined ? Number(decimal) : parseInt(hexadecimal as string, 16);
      return code <= 0x10ffff ? String.fromCodePoint(code) : ' ';
    });
}

/** The words of every string in the resource; base64 content and the markup of the narrative left out. */
export function contentWords(resource: Resource): ReadonlySet<string> {
  const words = new Set<string>(narrativeWords(resource));
  collect(resource, '', words);
  return words;
}

function collect(node: unknown, key: string, words: Set<string>): void {
  if (typeof node === 'string') {
    if (key !== 'div' && key !== 'data' && key !== 'resourceType') for (const word of wordsOf(node)) words.add(word);
  } else if (Array.isArray(node)) {
    for (const child of node) collect(child, key, words);
  } else if (typeof node === 'object' && node !== null) {
    for (const [name, child] of Object.entries(node)) collect(child, name, words);
  }
}

/**
 * A full-text query: words that all must occur, alternatives by `OR`, and so on in that precedence.
 *
 * @returns an `or` of `and`s; at least one word in all.
 */
export function parseWordQuery(text: string): string[][] {
  return text
    .split(/\s+OR\s+|\s*\|\s*/)
    .map((part) => wordsOf(part.replace(/\bAND\b/g, ' ')))
    .filter((words) => words.length > 0);
}
