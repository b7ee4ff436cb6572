/** Tokens and their index terms. Spec: https://hl7.org/fhir/R4/search.html#token */
import { fhirError } from '../../base/outcome.js';
import { termText, type TermSource } from './blind.js';
import { exactly, nothing, type Bounds } from './bounds.js';
import { splitUnescaped, unescapeValue } from './escape.js';
import { wordsOf } from './text.js';
import { ucumSystem } from './ucum.js';

export interface TokenValue {
  readonly kind: 'token';
  /** undefined: any; '': the value has no system. */
  readonly system?: string;
  /** undefined in the form `system|`. */
  readonly code?: string;
  readonly text: string;
}

/** @throws FhirError 400 `invalid` when the value is empty or has more than one bar. */
export function parseTokenValue(text: string, name: string): TokenValue {
  const parts = splitUnescaped(text, '|').map(unescapeValue);
  if (parts.length > 2 || text === '' || text === '|') {
    throw fhirError(
      400,
      'invalid',
      `Search parameter ${name}: found '${text}', expected code, system|code, |code or system|`,
    );
  }
  if (parts.length === 1) return { kind: 'token', code: parts[0], text };
  const [system, code] = parts;
  return { kind: 'token', system, ...(code === '' ? {} : { code }), text };
}

/** What a token search compares with, out of one selected value. */
export interface Token {
  /** undefined: the value names none. */
  readonly system?: string;
  readonly code: string;
  /** The element is a code, boolean or the like: its system is implied by its definition and not written down. */
  readonly isPlain?: boolean;
}

/** The system of `true` and `false`. */
export const yesNo = 'http://terminology.hl7.org/CodeSystem/special-values';

/** The tokens of a value: Coding, CodeableConcept, Identifier, ContactPoint, code, boolean, string, uri, id. */
export function tokensOf(value: unknown, type: string): Token[] {
  if (typeof value === 'string' || typeof value === 'boolean') return [{ code: String(value), isPlain: true }];
  if (typeof value === 'number') return [{ code: String(value), isPlain: true }];
  if (typeof value !== 'object' || value === null) return [];
  const node = value as { coding?: unknown[]; system?: string; code?: string; value?: unknown };
  if (Array.isArray(node.coding)) return node.coding.flatMap((coding) => tokensOf(coding, 'Coding'));
  if (type === 'ContactPoint') return typeof node.value === 'string' ? [{ code: node.value, isPlain: true }] : [];
  const code = node.code ?? node.value;
  if (typeof code !== 'string') return [];
  return [{ ...(typeof node.system === 'string' ? { system: node.system } : {}), code }];
}

/** Codes compare without case, but for units under their system: `M` and `m` are different ones. */
function foldCode(code: string, system: string | undefined): string {
  return system === ucumSystem ? code : code.toLowerCase();
}

/** The texts that `:text` searches: CodeableConcept.text, Coding.display, Identifier.type. */
export function displaysOf(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const node = value as { coding?: unknown[]; text?: string; display?: string; type?: unknown };
  const own = [node.text, node.display].filter((text) => typeof text === 'string');
  return [...own, ...(node.coding ?? []).flatMap(displaysOf), ...(node.type ? displaysOf(node.type) : [])];
}

/**
 * The index texts of one value of the elements that `key` selects.
 *
 * @param isPlainElement all its values are plain: then queries look for the code alone.
 */
export function tokenTexts(
  key: string,
  value: unknown,
  type: string,
  isPlainElement: boolean,
  emit: (text: string) => void,
): void {
  for (const { system, code } of tokensOf(value, type)) {
    emit(termText(key, 't', code.toLowerCase()));
    if (isPlainElement) continue;
    const folded = foldCode(code, system);
    if (typeof value === 'boolean') emit(termText(key, 't', `${yesNo}|${folded}`));
    emit(termText(key, 't', `${system ?? ''}|${folded}`));
    if (system && type === 'Identifier') emit(termText(key, 's', system));
  }
  for (const display of displaysOf(value))
    for (const word of wordsOf(display)) if (isWordIndexed(word)) emit(wordText(key, word));
  if (type === 'Identifier') emitOfType(key, value as IdentifierLike, emit);
}

interface IdentifierLike {
  readonly value?: string;
  readonly type?: { readonly coding?: readonly { readonly system?: string; readonly code?: string }[] };
}

function emitOfType(key: string, { value, type }: IdentifierLike, emit: (text: string) => void): void {
  if (typeof value !== 'string') return;
  for (const { system = '', code = '' } of type?.coding ?? []) emit(ofTypeText(key, system, code, value));
}

/** Text of the term of `:of-type` with `system|code|value`. */
export function ofTypeText(key: string, system: string, code: string, value: string): string {
  return termText(key, 'o', `${system}|${foldCode(code, system)}|${value.toLowerCase()}`);
}

const wordLength = 3;

/** Words of displays are indexed by their first letters: few terms; the rest is checked when opened. */
export function wordText(key: string, word: string): string {
  return termText(key, 'w', word.slice(0, wordLength));
}

/** Too frequent to find anything. */
const stopWords = new Set(['and', 'for', 'the', 'with', 'not', 'this', 'that', 'from', 'other']);

/** True for words that have a term: not those of one or two letters, not those that are everywhere. */
function isWordIndexed(word: string): boolean {
  return word.length >= wordLength && !stopWords.has(word);
}

/** True when a term finds all words that begin like `word`: no such word goes without. */
export function isWordFound(word: string): boolean {
  return word.length >= wordLength && ![...stopWords].some((stopWord) => stopWord.startsWith(word));
}

/**
 * @param isIdentifier all elements are Identifiers: only those have a term for `system|`.
 * @param open finds whatever has a value, to be checked when opened.
 * @param isPlain the elements are codes, booleans or strings: `impliedSystems` (undefined: not known) stand in for what is not written.
 */
export function planToken(
  blinder: TermSource,
  key: string,
  value: TokenValue,
  isPlain: boolean,
  isIdentifier: boolean,
  impliedSystems: ReadonlySet<string> | undefined,
  open: () => Bounds,
): Bounds {
  const { system, code } = value;
  const term = (kind: string, text: string) => exactly({ kind: 'term', term: blinder.term(termText(key, kind, text)) });
  if (isPlain) {
    if (system && !impliesSystem(impliedSystems, system)) return nothing;
    return code === undefined ? open() : term('t', code.toLowerCase());
  }
  if (code === undefined) return system && isIdentifier ? term('s', system) : open();
  if (system === undefined) return term('t', code.toLowerCase());
  return term('t', `${system}|${foldCode(code, system)}`);
}

/** True when a value without written system belongs to `system`; a binding that is not at hand is given the benefit of the doubt. */
export function impliesSystem(impliedSystems: ReadonlySet<string> | undefined, system: string): boolean {
  return impliedSystems === undefined || impliedSystems.has(system);
}
