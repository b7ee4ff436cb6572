/** Paths: from a collection to the children of its items. Spec: https://hl7.org/fhirpath/N1/#path-selection */
import type { Code, Shape } from './code.js';
import { emptyCode } from './code.js';
import { systemValue, typeOf } from './convert.js';
import { FhirPathError } from './errors.js';
import { systemTypes, TypeInfo, type ElementInfo, type FhirModel, type Variant } from './model.js';
import { holderOf, isAbstract, nodes, shapeOf, stepTo, stepToVariant, tidy, type Step } from './steps.js';
import {
  addTo,
  collectionOf,
  countOf,
  hasContent,
  itemsOf,
  TypeName,
  type Collection,
  type Item,
  type JsonObject,
} from './values.js';

/** Children of any item, by its type at run time. */
export class Navigator {
  private readonly steps = new WeakMap<ElementInfo, Step>();
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
    if (own?.isPrimitive && name === 'value') return systemValue(item, own);
    if (own && !(isAbstract(own) && !own.elements.has(name))) {
      const element = own.elements.get(name) ?? elementWithKey(own, name);
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
    const { members } = own;
    for (const key in holder) {
      const variant = members.get(key);
      if (variant === undefined || holder[key] === null) continue;
      if (key === variant.key || holder[variant.key] == null) visit(holder, variant);
    }
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
    if (types?.every((type) => isValueOf(type, name))) return valueCode(target);
    const find = (type: TypeInfo) => type.elements.get(name) ?? (strict ? undefined : elementWithKey(type, name));
    const elements = types?.map(find);
    const open =
      !types || types.some((type) => (isAbstract(type) && !type.elements.has(name)) || isValueOf(type, name));
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
        if (!Array.isArray(from)) return hasContent(step(from));
        for (const item of from as readonly Item[]) if (hasContent(step(item))) return true;
        return false;
      },
    };
  }
}

/** `valueQuantity` for `value`: no FHIRPath, but written and evaluated everywhere. */
function elementWithKey(type: TypeInfo, key: string): ElementInfo | undefined {
  for (const { variants, repeats } of type.elements.values()) {
    const variant = variants.length > 1 && variants.find((one) => one.key === key);
    if (variant) return { name: key, variants: [variant], repeats };
  }
  return undefined;
}

/** `value` of a primitive, which is no element of its definition. */
function isValueOf(type: TypeInfo, name: string): boolean {
  return name === 'value' && type.isPrimitive;
}

/** The value of a primitive, as System type. */
function valueCode(target: Code): Code {
  return {
    type: undefined,
    single: target.single,
    run: (focus, scope) => {
      const found: Item[] = [];
      for (const item of itemsOf(target.run(focus, scope))) {
        const value = systemValue(item, target.type);
        if (value !== undefined) found.push(value);
      }
      return collectionOf(found);
    },
  };
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
