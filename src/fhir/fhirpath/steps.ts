/** From an item to its children under one element, over plain JSON. */
import { EXACT } from '../../base/exact-numbers.js';
import type { Shape } from './code.js';
import { Decimal } from './decimal.js';
import type { ElementInfo, TypeInfo, Variant } from './model.js';
import { addTo, collectionOf, isObject, Node, type Collection, type Item, type JsonObject } from './values.js';

/** From one item to its children of one name. */
export type Step = (item: Item) => Collection;

/** How children are given: `wrap`, as Nodes that tell their type; `locate`, as Nodes that also tell their place. */
export interface StepOptions {
  readonly wrap: boolean;
  readonly locate: boolean;
}

const abstractNames = new Set(['Resource', 'DomainResource', 'Element', 'BackboneElement', 'Any']);
/** From so many variants on, looking at the keys that are there is faster than asking for each. */
const manyVariants = 8;

/** Instances are of a type below it. */
export function isAbstract(type: TypeInfo): boolean {
  return abstractNames.has(type.name);
}

/** What an element of this type is known to be. */
export function shapeOf(types: readonly TypeInfo[]): Shape {
  return types.length === 1 && !isAbstract(types[0]) ? { type: types[0] } : { type: undefined, among: types };
}

/** The object that holds the children of an item: for a primitive its `_x` sibling. */
export function holderOf(item: Item): JsonObject | undefined {
  if (item instanceof Node) {
    if (item.type.isPrimitive) return item.sibling;
    return isObject(item.value) ? item.value : undefined;
  }
  return isObject(item) ? (item as JsonObject) : undefined;
}

/** Children of one element as a step. */
export function stepTo(element: ElementInfo, options: StepOptions): Step {
  const { variants } = element;
  if (variants.length === 1) return stepToVariant(variants[0], options);
  const steps = variants.map((variant) => stepToVariant(variant, { ...options, wrap: true }));
  if (variants.length < manyVariants) {
    return (item) => {
      for (const step of steps) {
        const found = step(item);
        if (found !== undefined) return found;
      }
      return undefined;
    };
  }
  const byKey = new Map(variants.flatMap((v, i) => [[v.key, steps[i]] as const, [v.sibling, steps[i]] as const]));
  return (item) => {
    const holder = holderOf(item);
    for (const key in holder) {
      const found = byKey.get(key)?.(item);
      if (found !== undefined) return found;
    }
    return undefined;
  };
}

/** Children under one key as a step. */
export function stepToVariant(variant: Variant, { wrap, locate }: StepOptions): Step {
  const { key, type, sibling } = variant;
  const wrapped = wrap || locate;
  if (!type.isPrimitive) {
    if (!wrapped) {
      return (item) => {
        const holder = holderOf(item);
        return holder === undefined ? undefined : tidy(holder[key]);
      };
    }
    return (item) => {
      const holder = holderOf(item);
      return holder === undefined ? undefined : nodes(holder, variant, holder[key], undefined, locate);
    };
  }
  const decimal = type.system === 'Decimal';
  return (item) => {
    const holder = holderOf(item);
    if (holder === undefined) return undefined;
    const value = holder[key];
    const beside = holder[sibling];
    if (beside === undefined && !wrapped && !(decimal && holder[EXACT] !== undefined)) return tidy(value);
    return nodes(holder, variant, value, beside, locate);
  };
}

/** A JSON member as a collection: without the nulls and empty arrays that malformed JSON has. */
export function tidy(value: unknown): Collection {
  if (!Array.isArray(value)) return value === null ? undefined : (value as Collection);
  if (value.length === 1) return (value[0] ?? undefined) as Collection;
  for (const item of value)
    if (item === null || item === undefined) return collectionOf(value.filter((v) => v != null));
  return value.length === 0 ? undefined : (value as readonly Item[]);
}

/** The value and its `_x` sibling, paired into nodes. */
export function nodes(
  holder: JsonObject,
  variant: Variant,
  value: unknown,
  beside: unknown,
  locate: boolean,
): Collection {
  if (value === undefined && beside === undefined) return undefined;
  if (!Array.isArray(value) && !Array.isArray(beside)) return node(holder, variant, value, beside, locate, undefined);
  const values = Array.isArray(value) ? (value as unknown[]) : [];
  const siblings = Array.isArray(beside) ? (beside as unknown[]) : [];
  const found: Item[] = [];
  for (let i = 0; i < Math.max(values.length, siblings.length); i += 1) {
    addTo(found, node(holder, variant, values[i], siblings[i], locate, i));
  }
  return collectionOf(found);
}

function node(
  holder: JsonObject,
  { key, type }: Variant,
  value: unknown,
  beside: unknown,
  locate: boolean,
  index: number | undefined,
): Node | undefined {
  const sibling = isObject(beside) && !Array.isArray(beside) ? beside : undefined;
  if (value == null && sibling === undefined) return undefined;
  let own = (value ?? undefined) as Item | undefined;
  const texts = holder[EXACT] as Record<string, unknown> | undefined;
  if (texts && type.system === 'Decimal' && typeof own === 'number' && typeof texts[key] === 'string') {
    own = Decimal.parse(texts[key] as string) ?? own;
  }
  return new Node(own, type, sibling, locate ? { parent: holder, key, index } : undefined);
}
