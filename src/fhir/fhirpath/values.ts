/**
 * What flows between the parts of a compiled expression.
 *
 * A collection is `undefined` (empty), one item, or an array of items. Arrays may be the resource's own: nobody changes them.
 * An item is one of
 * - a raw JSON value: an object, or a string, number or boolean. Its type is the static type of the expression that gave it; where that is
 *   open, a resource tells it by `resourceType`, and other raw values are System types;
 * - a `Node`: a JSON value that carries its own type, made where the static type does not tell it, or where a primitive has more than its
 *   value (extensions, an exact decimal);
 * - an instance of Decimal, Temporal, Quantity or TypeName.
 * So the paths of a well-typed expression run over plain JSON and allocate next to nothing.
 */
import type { TypeInfo } from './model.js';

export type Item = NonNullable<unknown>;
export type Collection = undefined | Item | readonly Item[];
export type JsonObject = Readonly<Record<string | symbol, unknown>>;

/** Where a node hangs in its tree: `parent[key]`, or `parent[key][index]`. */
export interface Place {
  readonly parent: JsonObject;
  readonly key: string;
  readonly index: number | undefined;
}

/** A JSON value with its type. */
export class Node {
  constructor(
    /** Object, string, number, boolean or exact Decimal; undefined when a primitive has extensions but no value. */
    readonly value: Item | undefined,
    readonly type: TypeInfo,
    /** The `_x` sibling of a primitive. */
    readonly sibling?: JsonObject,
    readonly place?: Place,
  ) {}
}

/** The answer of `type()`. */
export class TypeName {
  constructor(
    readonly namespace: string,
    readonly name: string,
  ) {}
}

export const nothing: readonly Item[] = [];

/** The items as an array; the resource's own array where there is one: not to be changed. */
export function itemsOf(collection: Collection): readonly Item[] {
  if (collection === undefined) return nothing;
  return Array.isArray(collection) ? (collection as readonly Item[]) : [collection];
}

/** The shortest form of `items`. */
export function collectionOf(items: readonly Item[]): Collection {
  return items.length > 1 ? items : items[0];
}

export function countOf(collection: Collection): number {
  if (collection === undefined) return 0;
  return Array.isArray(collection) ? collection.length : 1;
}

export function isEmpty(collection: Collection): boolean {
  return collection === undefined || (Array.isArray(collection) && collection.length === 0);
}

/** Adds the items of `more` to `items`. */
export function addTo(items: Item[], more: Collection): void {
  if (more === undefined) return;
  if (Array.isArray(more)) for (const item of more as readonly Item[]) items.push(item);
  else items.push(more);
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null;
}

/** The JSON value of an item. */
export function rawOf(item: Item): Item | undefined {
  return item instanceof Node ? item.value : item;
}

/** True for an element without any content, `{}` or a resource of nothing but its type: it counts as not there, though JSON has it. */
function isBlank(item: unknown): boolean {
  if (!isObject(item)) return false;
  if (item instanceof Node) {
    const blankSibling = item.sibling === undefined || isBlank(item.sibling);
    return item.value === undefined ? blankSibling : isBlank(item.value) && blankSibling;
  }
  for (const key in item) {
    const value = item[key];
    if (key !== 'resourceType' && value !== null && !isBlank(value)) return false;
  }
  return true;
}

/** True when one of the items has content. */
export function hasContent(collection: Collection): boolean {
  if (collection === undefined) return false;
  if (!Array.isArray(collection)) return !isBlank(collection);
  for (const item of collection as readonly Item[]) if (!isBlank(item)) return true;
  return false;
}
