/** Tokens, strings, references and URIs, compared as the specification words it. Spec: https://hl7.org/fhir/R4/search.html#ptypes */
import type { Modifier, OfTypeValue } from './condition.js';
import type { FoundValue } from './found-values.js';
import { soundsOf } from './phonetic.js';
import type { ReferenceValue } from './reference.js';
import { parseLiteral } from './reference-text.js';
import { fieldsOf } from './string.js';
import { hasWords, normaliseText, wordsOf } from './text.js';
import { displaysOf, impliesSystem, type TokenValue } from './token.js';
import { ucumSystem } from './ucum.js';

/** How one value is compared. */
export interface Comparison {
  readonly modifier?: Modifier;
  readonly isPhonetic: boolean;
  readonly baseUrl: string;
}

interface Coded {
  readonly system?: string;
  readonly code?: string;
  readonly value?: unknown;
  readonly coding?: readonly Coded[];
  readonly type?: { readonly coding?: readonly Coded[] };
  readonly identifier?: Coded;
}

export function matchesToken(found: FoundValue, value: TokenValue | OfTypeValue, { modifier }: Comparison): boolean {
  const node = found.value as Coded;
  if (value.kind === 'of-type') {
    const isOfType = (node.type?.coding ?? []).some(
      ({ system = '', code = '' }) => system === value.system && same(code, value.code, system),
    );
    return isOfType && typeof node.value === 'string' && node.value.toLowerCase() === value.value.toLowerCase();
  }
  if (modifier === 'identifier')
    return node.identifier !== undefined && hasCode(node.identifier.system, node.identifier.value, value);
  if (typeof found.value !== 'object') return matchesPlain(found, value);
  if (found.type === 'ContactPoint') return matchesPlain({ ...found, value: node.value }, value);
  if (node.coding) return node.coding.some(({ system, code }) => hasCode(system, code, value));
  return hasCode(node.system, node.code ?? node.value, value);
}

function hasCode(system: string | undefined, code: unknown, wanted: TokenValue): boolean {
  if (typeof code !== 'string') return false;
  if (wanted.system !== undefined && wanted.system !== (system ?? '')) return false;
  return wanted.code === undefined || same(code, wanted.code, wanted.system);
}

/** Units asked for with their system may differ in case alone; all others compare without it. */
function same(code: string, wanted: string, system: string | undefined): boolean {
  return code === wanted || (system !== ucumSystem && code.toLowerCase() === wanted.toLowerCase());
}

/** A code, boolean or string: its system is implied, never written. */
function matchesPlain({ value, systems }: FoundValue, wanted: TokenValue): boolean {
  if (value === undefined || value === null) return false;
  if (wanted.system && !impliesSystem(systems, wanted.system)) return false;
  return wanted.code === undefined || String(value).toLowerCase() === wanted.code.toLowerCase();
}

export function matchesString({ value }: FoundValue, wanted: string, { modifier, isPhonetic }: Comparison): boolean {
  if (modifier === 'text') {
    const words = wordsOf(wanted);
    return displaysOf(value).some((display) => hasWords(display, words));
  }
  return fieldsOf(value).some((field) => matchesField(field, wanted, modifier, isPhonetic));
}

function matchesField(field: string, wanted: string, modifier: Modifier | undefined, isPhonetic: boolean): boolean {
  if (isPhonetic) {
    const sounds = new Set(soundsOf(field));
    const asked = soundsOf(wanted);
    return asked.length > 0 && asked.every((sound) => sounds.has(sound));
  }
  const [text, part] = [normaliseText(field), normaliseText(wanted)];
  if (modifier === 'exact') return field === wanted;
  if (modifier === 'contains') return text.includes(part);
  if (modifier === 'ends-with') return text.endsWith(part);
  return modifier === 'equals' ? text === part : text.startsWith(part);
}

export function matchesUri({ value }: FoundValue, wanted: string, { modifier }: Comparison): boolean {
  if (typeof value !== 'string') return false;
  if (modifier === 'below') return isBelow(value, wanted);
  if (modifier === 'above') return isBelow(wanted, value);
  if (modifier === 'contains') return normaliseText(value).includes(normaliseText(wanted));
  if (modifier === 'ends-with') return normaliseText(value).endsWith(normaliseText(wanted));
  return value === wanted || value.replace(/\|[^|]*$/, '') === wanted;
}

/** `uri` is `ancestor` or continues it after a `/` (in a URN, after a `:`). */
function isBelow(uri: string, ancestor: string): boolean {
  const separator = uri.startsWith('urn:') ? ':' : '/';
  const base = ancestor.replace(/[/:]$/, '');
  return uri === base || uri.startsWith(base + separator);
}

export function matchesReference({ value }: FoundValue, wanted: ReferenceValue, { baseUrl }: Comparison): boolean {
  const node = (value ?? {}) as { reference?: unknown; resourceType?: string; id?: string };
  if (node.resourceType !== undefined) return pointsTo(`${node.resourceType}/${node.id}`, wanted, baseUrl);
  const text = typeof value === 'string' ? value : node.reference;
  return typeof text === 'string' && pointsTo(text, wanted, baseUrl);
}

function pointsTo(text: string, wanted: ReferenceValue, baseUrl: string): boolean {
  const literal = parseLiteral(text);
  if (literal && (literal.base === '' || literal.base === baseUrl)) {
    if (wanted.id !== literal.id || (wanted.type !== undefined && wanted.type !== literal.type)) return false;
    return wanted.version === undefined || wanted.version === literal.version;
  }
  if (text.startsWith('#') || /^[A-Z][A-Za-z]*\?/.test(text)) return false;
  const asked = wanted.url ?? (wanted.type === undefined ? wanted.id : undefined);
  return asked === text || asked === text.replace(/\|[^|]*$/, '').replace(/\/_history\/[^/]+$/, '');
}
