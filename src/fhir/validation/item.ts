/** One value of an element, as profiles look at it. */
import type { Property, Shape } from './shapes.js';

export interface Item {
  /** Undefined for a primitive that has extensions only. */
  readonly value: unknown;
  /** Id and extensions of a primitive. */
  readonly sibling: unknown;
  readonly path: string;
  /** Type name, the path of a backbone element, or the resource type. */
  readonly type: string;
  /** Undefined for the root. */
  readonly property?: Property;
}

type JsonObject = Readonly<Record<string, unknown>>;

/** The JSON properties of `shape` that belong to the element `name`: several for a choice. */
export function propertiesOf(shape: Shape, name: string): Property[] {
  const own = shape.properties.get(name);
  if (own) return [own];
  const choice = `${shape.path}.${name}`;
  return [...new Set(shape.properties.values())].filter(({ definedAt }) => definedAt === choice);
}

/** The values in `object` of an element with these `properties`, in document order. */
export function itemsOf(properties: readonly Property[], object: JsonObject, path: string): Item[] {
  const items: Item[] = [];
  for (const property of properties) {
    const value = object[property.name];
    const sibling = property.check ? object[property.sibling] : undefined;
    if (value === undefined && sibling === undefined) continue;
    const itemPath = `${path}.${property.segment}`;
    if (!property.isList) {
      if (!Array.isArray(value)) items.push(itemOf(property, value, sibling, itemPath));
      continue;
    }
    const values = Array.isArray(value) ? (value as unknown[]) : [];
    const siblings = Array.isArray(sibling) ? (sibling as unknown[]) : [];
    const length = Math.max(values.length, siblings.length);
    for (let at = 0; at < length; at += 1) {
      items.push(itemOf(property, values[at] ?? undefined, siblings[at] ?? undefined, `${itemPath}[${at}]`));
    }
  }
  return items;
}

function itemOf(property: Property, value: unknown, sibling: unknown, path: string): Item {
  return { value, sibling, path, property, type: typeOf(property, value) };
}

function typeOf(property: Property, value: unknown): string {
  if (property.check || property.shape || property.type === 'xhtml') return property.type;
  const type = (value as { resourceType?: unknown } | undefined)?.resourceType;
  return typeof type === 'string' ? type : property.type;
}

/** The object whose children are the children of `item`: of a primitive, its companion. */
export function childrenOf(item: Item): JsonObject | undefined {
  const object = item.property?.check ? item.sibling : item.value;
  return typeof object === 'object' && object !== null && !Array.isArray(object) ? (object as JsonObject) : undefined;
}
