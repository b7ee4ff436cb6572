/** Escapes in search values: `\,` `\|` `\$` `\\`. Spec: https://hl7.org/fhir/R4/search.html#escaping */

/** `text` cut at each `separator` that has no backslash before it; escapes stay. */
export function splitUnescaped(text: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at += 1) {
    if (text[at] === '\\') at += 1;
    else if (text[at] === separator) {
      parts.push(text.slice(start, at));
      start = at + 1;
    }
  }
  parts.push(text.slice(start));
  return parts;
}

/** `text` with its escapes resolved; a backslash before any other character is itself. */
export function unescapeValue(text: string): string {
  return text.includes('\\') ? text.replace(/\\([,|$\\])/g, '$1') : text;
}
