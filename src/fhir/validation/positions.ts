/**
 * Where the element that a FHIRPath expression names stands in the source text.
 *
 * Expressions as the validator writes them: `Patient.contact[0].name.family`, `Observation.value.ofType(Quantity).code`,
 * `Bundle.entry[2].resource.id`. What cannot be followed to the end gives the position of the last element that could.
 */

export interface Position {
  /** 1-based. */
  readonly line: number;
  /** 1-based, in characters. */
  readonly column: number;
}

/** One step of a path: an element name and which of several. */
interface Step {
  readonly names: readonly string[];
  readonly index: number;
}

/** @returns undefined when not even the first element is found. */
export function positionOf(text: string, expression: string): Position | undefined {
  const steps = stepsOf(expression);
  const offset = /^\uFEFF?\s*</.test(text) ? xmlOffset(text, steps) : jsonOffset(text, steps);
  return offset === undefined ? undefined : positionAt(text, offset);
}

function positionAt(text: string, offset: number): Position {
  let line = 1;
  let start = 0;
  for (let at = text.indexOf('\n'); at >= 0 && at < offset; at = text.indexOf('\n', at + 1)) {
    line += 1;
    start = at + 1;
  }
  return { line, column: offset - start + 1 };
}

/** The steps behind the resource type. */
function stepsOf(expression: string): Step[] {
  const steps: Step[] = [];
  for (const part of expression.matchAll(/\.?([A-Za-z_$][\w$]*)(?:\(([^()]*)\))?(?:\[(\d+)\])?/g)) {
    const [, name, argument, index = '0'] = part;
    if (part.index === 0 && /^[A-Z$]/.test(name)) continue;
    if (name === 'ofType' || name === 'as') {
      const last = steps.pop();
      if (!last || argument === undefined) break;
      const chosen = last.names[0] + argument[0].toUpperCase() + argument.slice(1);
      steps.push({ names: [chosen, ...last.names], index: last.index });
    } else if (argument !== undefined) {
      break; // a function: the element before it is what is meant
    } else {
      steps.push({ names: [name], index: Number(index) });
    }
  }
  return steps;
}

/** Offset of the key or array item that the steps lead to. */
function jsonOffset(text: string, steps: readonly Step[]): number | undefined {
  const scanner = new JsonScanner(text);
  let at = scanner.skipBlank(text.charCodeAt(0) === 0xfeff ? 1 : 0);
  if (text[at] !== '{') return undefined;
  let found = at;
  for (const { names, index } of steps) {
    const member = text[at] === '{' ? scanner.member(at, names) : undefined;
    if (!member) return found;
    found = member.key;
    at = member.value;
    if (text[at] === '[') {
      const item = scanner.item(at, index);
      if (item === undefined) return found;
      found = item;
      at = item;
    }
  }
  return found;
}

/** Walks over JSON text without making values. Text that is no JSON ends the walk, it does not throw. */
class JsonScanner {
  constructor(private readonly text: string) {}

  skipBlank(at: number): number {
    while (at < this.text.length && ' \t\r\n'.includes(this.text[at])) at += 1;
    return at;
  }

  /** Offsets of the key and value of the first member of the object at `at` with one of these names (or `_name`). */
  member(at: number, names: readonly string[]): { key: number; value: number } | undefined {
    let primitive: { key: number; value: number } | undefined;
    for (at = this.skipBlank(at + 1); this.text[at] === '"';) {
      const end = this.endOfString(at);
      const name = this.text.slice(at + 1, end - 1);
      const value = this.skipBlank(this.skipBlank(end) + 1);
      if (names.includes(name)) return { key: at, value };
      if (name.startsWith('_') && names.includes(name.slice(1))) primitive ??= { key: at, value };
      at = this.skipBlank(this.endOfValue(value));
      if (this.text[at] !== ',') break;
      at = this.skipBlank(at + 1);
    }
    return primitive;
  }

  /** Offset of the item of the array at `at`. */
  item(at: number, index: number): number | undefined {
    at = this.skipBlank(at + 1);
    for (let count = 0; count < index; count += 1) {
      at = this.skipBlank(this.endOfValue(at));
      if (this.text[at] !== ',') return undefined;
      at = this.skipBlank(at + 1);
    }
    return this.text[at] === ']' ? undefined : at;
  }

  private endOfString(at: number): number {
    for (at += 1; at < this.text.length && this.text[at] !== '"'; at += 1) if (this.text[at] === '\\') at += 1;
    return at + 1;
  }

  private endOfValue(at: number): number {
    let depth = 0;
    while (at < this.text.length) {
      const character = this.text[at];
      if (character === '"') {
        at = this.endOfString(at);
        if (depth === 0) return at;
        continue;
      }
      if (character === '{' || character === '[') depth += 1;
      else if (character === '}' || character === ']') {
        if (depth === 0) return at;
        depth -= 1;
        if (depth === 0) return at + 1;
      } else if (depth === 0 && (character === ',' || character === '\n')) return at;
      at += 1;
    }
    return at;
  }
}

/** Offset of the tag that the steps lead to. A resource inside another stands in an element of its own, which no step names. */
function xmlOffset(text: string, steps: readonly Step[]): number | undefined {
  const tags = /<!--[^]*?-->|<!\[CDATA\[[^]*?\]\]>|<\?[^]*?\?>|<(\/?)([\w:.-]+)((?:"[^"]*"|'[^']*'|[^"'>])*?)(\/?)>/g;
  let depth = 0;
  let matched = 0;
  let wanted = 1;
  let found: number | undefined;
  let seen = 0;
  for (const tag of text.matchAll(tags)) {
    const [, closing, qualified, , empty] = tag;
    if (qualified === undefined) continue;
    if (closing === '/') {
      depth -= 1;
      if (depth < wanted - 1) break; // left the element that was found last
      continue;
    }
    const name = qualified.slice(qualified.indexOf(':') + 1);
    if (depth === 0) found = tag.index;
    if (depth === wanted && matched < steps.length) {
      const { names, index } = steps[matched];
      if (names.includes(name)) {
        if (seen === index) {
          found = tag.index;
          matched += 1;
          seen = 0;
          wanted += 1;
          if (matched === steps.length) return found;
        } else seen += 1;
      } else if (/^[A-Z]/.test(name)) wanted += 1; // the resource within `resource` or `contained`
    }
    if (empty !== '/') depth += 1;
  }
  return found;
}
