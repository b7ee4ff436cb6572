/** Sets of items under `=`, and items of different types in one collection. */
import { systemValue } from './convert.js';
import { Decimal } from './decimal.js';
import { equalItems } from './equality.js';
import type { TypeInfo } from './model.js';
import { Quantity } from './quantity.js';
import { Temporal } from './temporal.js';
import { isObject, itemsOf, Node, TypeName, type Collection, type Item } from './values.js';

/** Items that differ from each other. Finding an equal one takes constant time, but for dates and quantities. */
export class DistinctItems {
  private readonly keys = new Set<string>();
  private readonly others: { item: Item; type: TypeInfo | undefined }[] = [];
  readonly items: Item[] = [];

  /** @returns false when an equal one is there already. */
  add(item: Item, type: TypeInfo | undefined): boolean {
    if (this.has(item, type)) return false;
    const key = keyOf(item, type);
    if (key === undefined) this.others.push({ item, type });
    else this.keys.add(key);
    this.items.push(item);
    return true;
  }

  addAll(collection: Collection, type: TypeInfo | undefined): this {
    for (const item of itemsOf(collection)) this.add(item, type);
    return this;
  }

  has(item: Item, type: TypeInfo | undefined): boolean {
    const key = keyOf(item, type);
    if (key !== undefined) return this.keys.has(key);
    return this.others.some((other) => equalItems(item, type, other.item, other.type) === true);
  }
}

/** A text that equal items share; undefined for those whose equality is no equivalence (partial dates, quantities). */
function keyOf(item: Item, type: TypeInfo | undefined): string | undefined {
  const value = systemValue(item, type);
  if (typeof value === 'string') return `'${value}`;
  if (typeof value === 'number') return `n${value}`;
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (value instanceof Decimal) return `n${value.trimmed().toString()}`;
  if (value === undefined) return `_${canonical(item instanceof Node ? item.sibling : undefined)}`;
  if (value instanceof Temporal || value instanceof Quantity) return undefined;
  if (value instanceof TypeName) return `t${value.namespace}.${value.name}`;
  return canonical(value);
}

function canonical(value: unknown): string {
  if (!isObject(value)) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  return `{${Object.keys(value)
    .sort()
    .map((key) => `${key}:${canonical(value[key])}`)
    .join()}}`;
}

/** Items that tell their own type, for collections of mixed types. */
export function selfTyped(collection: Collection, type: TypeInfo | undefined): Collection {
  if (type === undefined || type.namespace === 'System' || collection === undefined) return collection;
  const wrap = (item: Item) => (item instanceof Node || hasOwnType(item) ? item : new Node(item, type));
  return Array.isArray(collection) ? (collection as readonly Item[]).map(wrap) : wrap(collection);
}

function hasOwnType(item: Item): boolean {
  if (!isObject(item)) return false;
  return (
    typeof item.resourceType === 'string' ||
    item instanceof Decimal ||
    item instanceof Temporal ||
    item instanceof Quantity ||
    item instanceof TypeName
  );
}
