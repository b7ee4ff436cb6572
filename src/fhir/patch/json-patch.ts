/** JSON Patch. Spec: RFC 6902, RFC 6901; https://hl7.org/fhir/R4/http.html#patch */
import { isDeepStrictEqual } from 'node:util';
import { EXACT, keepNumberText, numberText } from '../../base/exact-numbers.js';
import { fhirError } from '../../base/outcome.js';

type Node = Record<string, unknown> | unknown[];

/** A value and the exact text of it, when it is a number. */
interface Held {
  readonly value: unknown;
  readonly text?: string;
}

/** Operations of one patch, and values that its copies may make: copies of copies would grow without end. */
const limits = { operations: 2_000, copied: 200_000 } as const;

/**
 * A changed copy of `document`.
 * @param patch the parsed patch: an array of operations.
 * @throws FhirError 400 `structure` when `patch` is no JSON Patch, `too-costly` beyond the limits; 422 `business-rule` when an operation does not apply.
 */
export function applyJsonPatch<T>(document: T, patch: unknown): T {
  if (!Array.isArray(patch)) throw fhirError(400, 'structure', 'A JSON Patch is an array of operations.');
  if (patch.length > limits.operations) throw tooCostly(`more than ${limits.operations} operations`);
  const holder: Record<string, unknown> = { root: structuredCopy(document) };
  const budget = { left: limits.copied };
  patch.forEach((operation: unknown, index) => applyOne(holder, operation, index, budget));
  return holder.root as T;
}

function applyOne(holder: Record<string, unknown>, operation: unknown, index: number, budget: { left: number }): void {
  const place = `operation ${index}`;
  if (typeof operation !== 'object' || operation === null || Array.isArray(operation)) {
    throw fhirError(400, 'structure', `${place}: expected an object with "op" and "path".`);
  }
  const { op, path, from } = operation as { op?: unknown; path?: unknown; from?: unknown };
  const target = pointer(path, `${place}: "path"`);
  switch (op) {
    case 'add':
      return add(holder, target, valueOf(operation, place), place);
    case 'remove':
      remove(holder, target, place);
      return;
    case 'replace':
      return replace(holder, target, valueOf(operation, place), place);
    case 'move': {
      const source = pointer(from, `${place}: "from"`);
      if (isPrefix(source, target)) throw refused(place, 'a value cannot be moved into itself');
      return add(holder, target, remove(holder, source, place), place);
    }
    case 'copy': {
      const { value, text } = read(holder, pointer(from, `${place}: "from"`), place);
      spend(budget, value);
      return add(holder, target, { value: structuredCopy(value), text }, place);
    }
    case 'test': {
      if (!isDeepStrictEqual(read(holder, target, place).value, valueOf(operation, place).value)) {
        throw refused(place, `the value at "${String(path)}" is not the one that the test expects`);
      }
      return;
    }
    default:
      throw fhirError(
        400,
        'structure',
        `${place}: "op" is ${JSON.stringify(op)}; expected add, remove, replace, move, copy or test.`,
      );
  }
}

/** Reference tokens of a JSON pointer, below the member `root` of the holder. */
function pointer(text: unknown, what: string): string[] {
  if (typeof text !== 'string' || (text !== '' && !text.startsWith('/'))) {
    throw fhirError(
      400,
      'structure',
      `${what} is ${JSON.stringify(text)}; expected a JSON pointer such as "/name/0/family".`,
    );
  }
  return [
    'root',
    ...text
      .split('/')
      .slice(1)
      .map((token) => token.replaceAll('~1', '/').replaceAll('~0', '~')),
  ];
}

function valueOf(operation: object, place: string): Held {
  if (!Object.hasOwn(operation, 'value')) throw fhirError(400, 'structure', `${place}: "value" is missing.`);
  const { value } = operation as { value: unknown };
  return { value: structuredCopy(value), text: typeof value === 'number' ? numberText(operation, 'value') : undefined };
}

function isPrefix(source: readonly string[], target: readonly string[]): boolean {
  return source.length < target.length && source.every((token, index) => token === target[index]);
}

function parentOf(holder: Node, tokens: readonly string[], place: string): Node {
  let node: unknown = holder;
  for (const token of tokens.slice(0, -1)) node = child(node as Node, token, place);
  if (typeof node !== 'object' || node === null) throw missing(place, tokens);
  return node as Node;
}

function child(node: Node, token: string, place: string): unknown {
  if (typeof node !== 'object' || node === null) throw missing(place, [token]);
  const key = Array.isArray(node) ? indexIn(node, token, node.length - 1, place) : token;
  if (!Object.hasOwn(node, key)) throw missing(place, [token]);
  return (node as Record<string | number, unknown>)[key];
}

function indexIn(array: readonly unknown[], token: string, greatest: number, place: string): number {
  const index = /^(?:0|[1-9][0-9]*)$/.test(token) ? Number(token) : Number.NaN;
  if (!(index <= greatest)) throw refused(place, `"${token}" is no index of an array of ${array.length}`);
  return index;
}

function read(holder: Node, tokens: readonly string[], place: string): Held {
  const parent = parentOf(holder, tokens, place);
  const token = tokens[tokens.length - 1];
  const value = child(parent, token, place);
  return { value, text: typeof value === 'number' ? numberText(parent, token) : undefined };
}

function add(holder: Node, tokens: readonly string[], held: Held, place: string): void {
  const parent = parentOf(holder, tokens, place);
  const token = tokens[tokens.length - 1];
  if (!Array.isArray(parent)) return put(parent, token, held);
  const index = token === '-' ? parent.length : indexIn(parent, token, parent.length, place);
  parent.splice(index, 0, held.value);
}

function remove(holder: Node, tokens: readonly string[], place: string): Held {
  if (tokens.length === 1) throw refused(place, 'the whole resource cannot be removed');
  const held = read(holder, tokens, place);
  const parent = parentOf(holder, tokens, place);
  const token = tokens[tokens.length - 1];
  if (Array.isArray(parent)) parent.splice(Number(token), 1);
  else forget(parent, token);
  return held;
}

function replace(holder: Node, tokens: readonly string[], held: Held, place: string): void {
  read(holder, tokens, place);
  const parent = parentOf(holder, tokens, place);
  const token = tokens[tokens.length - 1];
  if (Array.isArray(parent)) parent[Number(token)] = held.value;
  else put(parent, token, held);
}

function put(parent: Record<string, unknown>, key: string, { value, text }: Held): void {
  if (key === '__proto__') throw fhirError(400, 'structure', 'A path leads to "__proto__".');
  const exact = (parent as { [EXACT]?: Record<string, string> })[EXACT];
  if (exact !== undefined) delete exact[key];
  parent[key] = value;
  if (text !== undefined) keepNumberText(parent, key, text);
}

function forget(parent: Record<string, unknown>, key: string): void {
  const exact = (parent as { [EXACT]?: Record<string, string> })[EXACT];
  if (exact !== undefined) delete exact[key];
  delete parent[key];
}

/** Counts the values that a copy makes. @throws FhirError 400 `too-costly` when nothing is left. */
function spend(budget: { left: number }, value: unknown): void {
  budget.left -= 1;
  if (budget.left < 0) throw tooCostly(`copies of more than ${limits.copied} values`);
  if (typeof value === 'object' && value !== null) for (const part of Object.values(value)) spend(budget, part);
}

function tooCostly(reason: string) {
  return fhirError(400, 'too-costly', `A JSON Patch may not ask for ${reason}.`);
}

/** A deep copy that keeps exact number texts. */
export function structuredCopy<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    const copy = value.map(structuredCopy) as T & { [EXACT]?: object };
    const exact = (value as { [EXACT]?: object })[EXACT];
    if (exact !== undefined) copy[EXACT] = { ...exact };
    return copy;
  }
  const copy: Record<string | symbol, unknown> = {};
  for (const key of Object.keys(value)) copy[key] = structuredCopy((value as Record<string, unknown>)[key]);
  const exact = (value as { [EXACT]?: object })[EXACT];
  if (exact !== undefined) copy[EXACT] = { ...exact };
  return copy as T;
}

function refused(place: string, reason: string) {
  return fhirError(422, 'business-rule', `The patch does not apply: ${place}: ${reason}.`);
}

function missing(place: string, tokens: readonly string[]) {
  return refused(place, `there is no "${tokens[tokens.length - 1]}"`);
}
