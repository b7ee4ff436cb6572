/** FHIRPath text to tokens. Spec: https://hl7.org/fhirpath/N1/#lexical-elements */
import { FhirPathError } from './errors.js';

/** `text` is the meaning: quotes and escapes resolved, `@`, `%` and `$` removed. */
export interface Token {
  readonly kind:
    | 'identifier'
    | 'quoted-identifier'
    | 'string'
    | 'number'
    | 'date'
    | 'dateTime'
    | 'time'
    | 'variable'
    | 'special'
    | 'symbol'
    | 'end';
  readonly text: string;
  /** 0-based offset of the first character. */
  readonly at: number;
}

const blank = /(?:\s+|\/\/[^\n\r]*|\/\*[^]*?\*\/)+/y;
const identifier = /[A-Za-z_][A-Za-z0-9_]*/y;
const number = /[0-9]+(?:\.[0-9]+)?/y;
const time = /@(T[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?)/y;
const date =
  /@([0-9]{4}(?:-[0-9]{2}(?:-[0-9]{2})?)?)(T(?:[0-9]{2}(?::[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)?(?:Z|[+-][0-9]{2}:[0-9]{2})?)?)?/y;
const symbol = /<=|>=|!=|!~|[.,()[\]{}+\-*/&|<>=~]/y;
const special = /\$(this|index|total)\b/y;
const escapes: Readonly<Record<string, string>> = { f: '\f', n: '\n', r: '\r', t: '\t' };

/**
 * All tokens of `text`, the last of kind `end`.
 *
 * @throws FhirPathError `syntax` at the first character that starts no token, or at a comment or quote that does not end.
 */
export function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  const match = (pattern: RegExp) => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  for (;;) {
    at += match(blank)?.[0].length ?? 0;
    if (at >= text.length) return [...tokens, { kind: 'end', text: '', at }];
    const token = nextToken(text, at, match);
    tokens.push(token.token);
    at = token.end;
  }
}

function nextToken(text: string, at: number, match: (pattern: RegExp) => RegExpExecArray | null) {
  const found = (kind: Token['kind'], meaning: string, end: number) => ({ token: { kind, text: meaning, at }, end });
  let hit: RegExpExecArray | null;
  if (text.startsWith('/*', at)) throw new FhirPathError('syntax', 'comment does not end', at);
  if ((hit = match(identifier))) return found('identifier', hit[0], at + hit[0].length);
  if ((hit = match(number))) return found('number', hit[0], at + hit[0].length);
  if ((hit = match(time))) return found('time', hit[1], at + hit[0].length);
  if ((hit = match(date)))
    return hit[2] === undefined
      ? found('date', hit[1], at + hit[0].length)
      : found('dateTime', hit[1] + hit[2], at + hit[0].length);
  if ((hit = match(special))) return found('special', hit[1], at + hit[0].length);
  if ((hit = match(symbol))) return found('symbol', hit[0], at + hit[0].length);
  const first = text[at];
  if (first === "'" || first === '"') return quoted(text, at, at, 'string');
  if (first === '`') return quoted(text, at, at, 'quoted-identifier');
  if (first === '%') return variable(text, at);
  throw new FhirPathError('syntax', `unexpected character ${JSON.stringify(first)}`, at);
}

function variable(text: string, at: number): { token: Token; end: number } {
  const next = text[at + 1];
  if (next === '`' || next === "'") return quoted(text, at + 1, at, 'variable');
  identifier.lastIndex = at + 1;
  // Names such as %vs-name without quotes are no N1, but stand in published R4 content.
  const name = /[A-Za-z_][A-Za-z0-9_]*(?:-[A-Za-z][A-Za-z0-9-]*)?/y;
  name.lastIndex = at + 1;
  const hit = name.exec(text);
  if (!hit) throw new FhirPathError('syntax', 'a name must follow %', at);
  const plain = /^(?:vs|ext)-/.test(hit[0]) ? hit[0] : hit[0].replace(/-.*$/, '');
  return { token: { kind: 'variable', text: plain, at }, end: at + 1 + plain.length };
}

function quoted(text: string, open: number, at: number, kind: Token['kind']): { token: Token; end: number } {
  const quote = text[open];
  let meaning = '';
  for (let i = open + 1; i < text.length; i += 1) {
    const char = text[i];
    if (char === quote) return { token: { kind, text: meaning, at }, end: i + 1 };
    if (char !== '\\') {
      meaning += char;
      continue;
    }
    i += 1;
    const code = text[i] === 'u' ? /^[0-9a-fA-F]{4}/.exec(text.slice(i + 1, i + 5))?.[0] : undefined;
    if (code !== undefined) {
      meaning += String.fromCharCode(parseInt(code, 16));
      i += 4;
    } else if (i < text.length) {
      meaning += escapes[text[i]] ?? text[i];
    }
  }
  throw new FhirPathError('syntax', 'quoted text does not end', open);
}
