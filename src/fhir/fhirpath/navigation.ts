/** Steps from an item to its children. Spec: https://hl7.org/fhirpath/N1/#path-selection */
import { EXACT } from '../../base/json.js';
import type { Code, Shape } from './code.js';
import { emptyCode } from './code.js';
import { typeOf } from './convert.js';
import { Decimal } from './decimal.js';
import { FhirPathError } from './errors.js';
import { systemTypes, TypeInfo, type ElementInfo, type FhirModel, type Variant } from './model.js';
import {
  addTo,
  collectionOf,
  countOf,
  isObject,
  Node,
  TypeName,
  type Collection,
  type Item,
  type JsonObject,
} from './values.js';

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

function stepToVariant(variant: Variant, { wrap, locate }: StepOptions): Step {
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
function tidy(value: unknown): Collection {
  if (!Array.isArray(value)) return value === null ? undefined : (value as Collection);
  if (value.length === 1) return (value[0] ?? undefined) as Collection;
  for (const item of value)
    if (item === null || item === undefined) return collectionOf(value.filter((v) => v != null));
  return value.length === 0 ? undefined : (value as readonly Item[]);
}

/** The value and its `_x` sibling, paired into nodes. */
function nodes(holder: JsonObject, variant: Variant, value: unknown, beside: unknown, locate: boolean): Collection {
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

/** Children of any item, by its type at run time. */
export class Navigator {
  private readonly steps = new WeakMap<ElementInfo, Step>();
  private readonly members = new WeakMap<TypeInfo, ReadonlyMap<string, Variant>>();
  private readonly findType = (name: string) => this.model.type(name);

  constructor(
    readonly model: FhirModel,
    readonly locate: boolean,
  ) {}

  /** Static type of raw items given; the type of the item itself. */
  typeOf(item: Item, type: TypeInfo | undefined): TypeInfo | undefined {
    return typeOf(item, type, this.findType);
  }

  child(item: Item, type: TypeInfo | undefined, name: string): Collection {
    if (item instanceof TypeName) return name === 'name' || name === 'namespace' ? item[name] : undefined;
    const own = this.typeOf(item, type);
    if (own && !(isAbstract(own) && !own.elements.has(name))) {
      const element = own.elements.get(name);
      return element && this.stepOf(element)(item);
    }
    // Of an element of unknown type, only what JSON tells.
    const holder = holderOf(item);
    if (holder === undefined || !Object.hasOwn(holder, name)) return undefined;
    return tidy(holder[name]);
  }

  /** All children, in the order of the JSON. */
  children(item: Item, type: TypeInfo | undefined): Item[] {
    const found: Item[] = [];
    this.eachChild(item, type, (holder, variant) => {
      const beside = variant.type.isPrimitive ? holder[variant.sibling] : undefined;
      addTo(found, nodes(holder, variant, holder[variant.key], beside, this.locate));
    });
    if (item instanceof TypeName) found.push(item.namespace, item.name);
    return found;
  }

  /** How many `children` gives. */
  countChildren(item: Item, type: TypeInfo | undefined): number {
    let count = item instanceof TypeName ? 2 : 0;
    this.eachChild(item, type, (holder, variant) => {
      const value = holder[variant.key];
      const beside = variant.type.isPrimitive ? holder[variant.sibling] : undefined;
      if (!Array.isArray(value) && !Array.isArray(beside)) count += 1;
      else count += countOf(nodes(holder, variant, value, beside, false));
    });
    return count;
  }

  /** Each JSON member that is a child: a primitive and its `_x` sibling are one. */
  private eachChild(
    item: Item,
    type: TypeInfo | undefined,
    visit: (holder: JsonObject, variant: Variant) => void,
  ): void {
    const holder = holderOf(item);
    const own = holder && this.typeOf(item, type);
    if (!own) return;
    const members = this.membersOf(own);
    for (const key in holder) {
      const variant = members.get(key);
      if (variant === undefined || holder[key] === null) continue;
      if (key === variant.key || holder[variant.key] == null) visit(holder, variant);
    }
  }

  private membersOf(type: TypeInfo): ReadonlyMap<string, Variant> {
    let members = this.members.get(type);
    if (members) return members;
    const found = new Map<string, Variant>();
    for (const { variants } of type.elements.values()) {
      for (const variant of variants) {
        found.set(variant.key, variant);
        if (variant.type.isPrimitive) found.set(variant.sibling, variant);
      }
    }
    this.members.set(type, (members = found));
    return members;
  }

  private stepOf(element: ElementInfo): Step {
    let step = this.steps.get(element);
    if (!step) this.steps.set(element, (step = stepTo(element, { wrap: true, locate: this.locate })));
    return step;
  }

  /**
   * `target.name`.
   *
   * @param strict an unknown element is an error instead of empty.
   * @throws FhirPathError `semantic`
   */
  member(target: Code, name: string, at: number, strict: boolean): Code {
    if (target.isEmpty) return emptyCode;
    const types = target.type ? [target.type] : target.among;
    const elements = types?.map((type) => type.elements.get(name));
    const open = !types || types.some((type) => isAbstract(type) && !type.elements.has(name));
    if (!open && elements!.every((element) => element === undefined)) {
      if (strict) {
        throw new FhirPathError('semantic', `${types.map((type) => type.name).join(' or ')} has no ${name}`, at);
      }
      return emptyCode;
    }
    if (open) return this.dynamic(target, name, { type: undefined });
    const known = elements!.filter((element) => element !== undefined);
    const first = known[0];
    if (target.type) return this.fixed(target, first);
    const same = known.every((one) => one.variants.length === 1 && one.variants[0].type === first.variants[0].type);
    if (same && known.length === elements!.length && first.variants[0].type.isPrimitive) {
      return this.dynamic(target, name, { type: first.variants[0].type });
    }
    const all = [...new Set(known.flatMap((element) => element.variants.map((variant) => variant.type)))];
    return this.dynamic(target, name, { type: undefined, among: all }, !known.some((element) => element.repeats));
  }

  private dynamic(target: Code, name: string, shape: Shape, single = false): Code {
    const { run, type } = target;
    return {
      ...shape,
      single: single && target.single,
      run: (focus, scope) => {
        const from = run(focus, scope);
        if (from === undefined) return undefined;
        if (!Array.isArray(from)) return this.child(from, type, name);
        const found: Item[] = [];
        for (const item of from as readonly Item[]) addTo(found, this.child(item, type, name));
        return collectionOf(found);
      },
    };
  }

  /** A step of which all is known at compile time. */
  private fixed(target: Code, element: ElementInfo): Code {
    const shape = shapeOf(element.variants.map((variant) => variant.type));
    const wrap = shape.type === undefined && !element.variants.every((variant) => variant.type.name === 'Resource');
    const code = this.through(target, stepTo(element, { wrap, locate: this.locate }), shape, element);
    if (element.variants.length === 1) return code;
    return {
      ...code,
      narrow: (type) => {
        const variants = element.variants.filter((variant) => variant.type.isA(type));
        if (variants.length === 0) return emptyCode;
        if (variants.length > 1) return undefined;
        const step = stepToVariant(variants[0], { wrap: false, locate: this.locate });
        return this.through(target, step, { type: variants[0].type }, element);
      },
    };
  }

  private through(target: Code, step: Step, shape: Shape, element: ElementInfo): Code {
    const { run } = target;
    return {
      ...shape,
      single: target.single && !element.repeats,
      unordered: target.unordered,
      run: (focus, scope) => {
        const from = run(focus, scope);
        if (from === undefined) return undefined;
        if (!Array.isArray(from)) return step(from);
        const found: Item[] = [];
        for (const item of from as readonly Item[]) addTo(found, step(item));
        return found.length > 1 ? found : found[0];
      },
      exists: (focus, scope) => {
        const from = run(focus, scope);
        if (from === undefined) return false;
        if (!Array.isArray(from)) return step(from) !== undefined;
        for (const item of from as readonly Item[]) if (step(item) !== undefined) return true;
        return false;
      },
    };
  }
}

/** `namespace` and `name` of what `type()` gives. */
export const typeNameType: TypeInfo = namesType();

function namesType(): TypeInfo {
  const element = (name: string): ElementInfo => ({
    name,
    repeats: false,
    variants: [{ key: name, sibling: `_${name}`, type: systemTypes.string }],
  });
  const elements = new Map([element('namespace'), element('name')].map((one) => [one.name, one]));
  return new TypeInfo('TypeInfo', 'System', undefined, undefined, () => elements);
}
