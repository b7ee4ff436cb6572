/** Compiled expressions: closures, and what is known of their results before they run. */
import { executionError } from './errors.js';
import { systemTypes, type TypeInfo } from './model.js';
import type { Scope } from './scope.js';
import { hasContent, Node, type Collection, type Item } from './values.js';

/** @param focus `$this`: one item, or undefined when there is none. */
export type Run = (focus: Item | undefined, scope: Scope) => Collection;

/** What is known of items: the exact type of raw ones (`type`), or, where that is open, the possible types of all (`among`). */
export interface Shape {
  /** Raw items have exactly this type; undefined: every item tells its own. */
  readonly type: TypeInfo | undefined;
  /** Where `type` is undefined: the types, or their ancestors, that can occur; undefined: any. */
  readonly among?: readonly TypeInfo[];
}

/** A compiled expression. */
export interface Code extends Shape {
  readonly run: Run;
  /** Never more than one item. */
  readonly single: boolean;
  /** The same as "run gives something that has content", cheaper. */
  readonly exists?: (focus: Item | undefined, scope: Scope) => boolean;
  /** The number of items, cheaper. */
  readonly count?: (focus: Item | undefined, scope: Scope) => number;
  /** The codes that this is the union of. */
  readonly parts?: readonly Code[];
  /** The same, with only the items of a type: for choice elements, which then need no wrapping. */
  readonly narrow?: (type: TypeInfo) => Code | undefined;
  /** The value, of a literal. */
  readonly constant?: Item;
  /** Known to give nothing, ever. */
  readonly isEmpty?: boolean;
  /** The order of the items means nothing. */
  readonly unordered?: boolean;
}

export const emptyCode: Code = { run: () => undefined, type: undefined, among: [], single: true, isEmpty: true };

export function constantCode(value: Item, type: TypeInfo): Code {
  return { run: () => value, type, single: true, constant: value };
}

/** A code that gives at most one value of a System type. */
export function singleCode(type: TypeInfo, run: Run): Code {
  return { run, type, single: true };
}

export function booleanCode(run: (focus: Item | undefined, scope: Scope) => boolean | undefined): Code {
  return { run, type: systemTypes.boolean, single: true };
}

/**
 * A collection where a boolean is meant: true and false are themselves, any other single item is true.
 *
 * Spec: https://hl7.org/fhirpath/N1/#singleton-evaluation-of-collections
 * @returns undefined for an empty one. @throws FhirPathError for several items.
 */
export function truth(collection: Collection): boolean | undefined {
  if (typeof collection === 'boolean' || collection === undefined) return collection;
  if (Array.isArray(collection)) {
    if (collection.length > 1) throw executionError('a boolean was expected, several items were found');
    return truth((collection as readonly Item[])[0]);
  }
  if (!(collection instanceof Node)) return true;
  return typeof collection.value === 'boolean' ? collection.value : collection.value === undefined ? undefined : true;
}

/** `truth` of what the code gives, without the detour where it can only give one boolean. */
export function truthOf(code: Code): (focus: Item | undefined, scope: Scope) => boolean | undefined {
  const { run } = code;
  if (code.type === systemTypes.boolean && code.single) return run as () => boolean | undefined;
  if (code.type !== undefined && code.type.system !== 'Boolean' && code.single && code.exists) {
    const { exists } = code;
    return (focus, scope) => exists(focus, scope) || undefined;
  }
  return (focus, scope) => truth(run(focus, scope));
}

/** Whether the code gives anything with content. */
export function existsOf(code: Code): (focus: Item | undefined, scope: Scope) => boolean {
  const { run } = code;
  return code.exists ?? ((focus, scope) => hasContent(run(focus, scope)));
}

/** The only item. @returns undefined when empty. @throws FhirPathError when there are several. */
export function onlyItem(collection: Collection, what: string): Item | undefined {
  if (!Array.isArray(collection)) return collection;
  if (collection.length > 1) throw executionError(`${what}: one item was expected, ${collection.length} were found`);
  return (collection as readonly Item[])[0];
}
