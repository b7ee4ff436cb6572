/** Indents JSON text without reading its values, so that decimals stay as they are (`_pretty=true`). */

/** @param text JSON text without white space between tokens. */
export function prettyJson(text: string): string {
  let out = '';
  let depth = 0;
  let start = 0;
  const newLine = () => `\n${'  '.repeat(depth)}`;
  for (let at = 0; at < text.length; at += 1) {
    switch (text.charCodeAt(at)) {
      case 0x22:
        at = endOfString(text, at);
        break;
      case 0x7b:
      case 0x5b: {
        const next = text.charCodeAt(at + 1);
        if (next === 0x7d || next === 0x5d) {
          at += 1;
          break;
        }
        depth += 1;
        out += text.slice(start, at + 1) + newLine();
        start = at + 1;
        break;
      }
      case 0x7d:
      case 0x5d:
        depth -= 1;
        out += text.slice(start, at) + newLine();
        start = at;
        break;
      case 0x2c:
        out += text.slice(start, at + 1) + newLine();
        start = at + 1;
        break;
      case 0x3a:
        out += `${text.slice(start, at)}: `;
        start = at + 1;
        break;
    }
  }
  return out + text.slice(start);
}

/** Position of the quote that ends the string which starts at `at`. */
function endOfString(text: string, at: number): number {
  for (let next = at + 1; ; next += 1) {
    const code = text.charCodeAt(next);
    if (code === 0x5c) next += 1;
    else if (code === 0x22 || Number.isNaN(code)) return next;
  }
}
