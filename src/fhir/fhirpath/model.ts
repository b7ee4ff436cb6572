/**
 * The types of FHIR as FHIRPath sees them: which elements a type has, of which types, under which JSON keys.
 *
 * Derived from the snapshots of the base StructureDefinitions, each type on its first use.
 * Spec: https://hl7.org/fhir/R4/fhirpath.html#types
 */
import type { ElementDefinition, StructureDefinition } from '../definitions/types.js';

/** What the value of a primitive is in FHIRPath's own type system. */
export type SystemKind = 'Boolean' | 'String' | 'Integer' | 'Decimal' | 'Date' | 'DateTime' | 'Time' | 'Quantity';

/** One way in which an element appears in JSON: `value[x]` has one per type, all others have exactly one. */
export interface Variant {
  readonly key: string;
  /** `_` and the key: where a primitive keeps its id and extensions. */
  readonly sibling: string;
  readonly type: TypeInfo;
}

/** One child element of a type. */
export interface ElementInfo {
  /** As FHIRPath writes it: `value`, not `value[x]`. */
  readonly name: string;
  readonly variants: readonly Variant[];
  /** It may occur more than once. */
  readonly repeats: boolean;
}

/** A type: `Patient`, `HumanName`, `string`, `System.String`; a backbone element goes by its path, `Patient.contact`. */
export class TypeInfo {
  private found: ReadonlyMap<string, ElementInfo> | undefined;
  private keys: ReadonlyMap<string, Variant> | undefined;

  constructor(
    /** Name or, for backbone elements, path. */
    readonly name: string,
    readonly namespace: 'FHIR' | 'System',
    readonly base: TypeInfo | undefined,
    /** What a raw JSON value of this type is in FHIRPath; undefined for complex types. */
    readonly system: SystemKind | undefined,
    private readonly derive: () => ReadonlyMap<string, ElementInfo> = () => new Map(),
  ) {}

  /** The name that `type()` tells: backbone elements have no name of their own. */
  get typeName(): string {
    return this.name.includes('.') ? (this.base?.name ?? 'BackboneElement') : this.name;
  }

  get isPrimitive(): boolean {
    return this.system !== undefined && this.system !== 'Quantity';
  }

  get elements(): ReadonlyMap<string, ElementInfo> {
    return (this.found ??= this.derive());
  }

  /** What each JSON key of an object of this type stands for; a primitive's `_x` for the same as its `x`. */
  get members(): ReadonlyMap<string, Variant> {
    if (this.keys) return this.keys;
    const found = new Map<string, Variant>();
    for (const { variants } of this.elements.values()) {
      for (const variant of variants) {
        found.set(variant.key, variant);
        if (variant.type.isPrimitive) found.set(variant.sibling, variant);
      }
    }
    return (this.keys = found);
  }

  /** True when this is `other` or derives from it. */
  isA(other: TypeInfo): boolean {
    return this === other || (this.base?.isA(other) ?? false);
  }
}

/** The types of FHIRPath itself; the same for every model. */
export const systemTypes = {
  any: new TypeInfo('Any', 'System', undefined, undefined),
  boolean: new TypeInfo('Boolean', 'System', undefined, 'Boolean'),
  string: new TypeInfo('String', 'System', undefined, 'String'),
  integer: new TypeInfo('Integer', 'System', undefined, 'Integer'),
  decimal: new TypeInfo('Decimal', 'System', undefined, 'Decimal'),
  date: new TypeInfo('Date', 'System', undefined, 'Date'),
  dateTime: new TypeInfo('DateTime', 'System', undefined, 'DateTime'),
  time: new TypeInfo('Time', 'System', undefined, 'Time'),
  quantity: new TypeInfo('Quantity', 'System', undefined, 'Quantity'),
} as const;

const systemByName = new Map(Object.values(systemTypes).map((type) => [type.name, type]));

/** Kinds of the primitive types that are not strings in FHIRPath. */
const primitiveKinds: Readonly<Record<string, SystemKind>> = {
  boolean: 'Boolean',
  integer: 'Integer',
  unsignedInt: 'Integer',
  positiveInt: 'Integer',
  decimal: 'Decimal',
  date: 'Date',
  dateTime: 'DateTime',
  instant: 'DateTime',
  time: 'Time',
};

/** R4's snapshots give these only as System.String. */
const wellKnown: Readonly<Record<string, string>> = { 'Resource.id': 'id', 'Extension.url': 'uri' };

/** Finds the base StructureDefinition of a type by the type's name. */
export type FindDefinition = (name: string) => StructureDefinition | undefined;

/** All types of one set of definitions. One per set: types are compared by identity. */
export class FhirModel {
  private readonly types = new Map<string, TypeInfo | null>();

  constructor(private readonly find: FindDefinition) {}

  /** @param name `Patient`, `string`, or the path of a backbone element, `Patient.contact`. */
  type(name: string): TypeInfo | undefined {
    let type = this.types.get(name);
    if (type === undefined) {
      type = (name.includes('.') ? this.backbone(name) : this.named(name)) ?? null;
      this.types.set(name, type);
    }
    return type ?? undefined;
  }

  /** A type specifier: FHIR's types come first, then System's, as the specification orders them. */
  specified(name: string, namespace?: string): TypeInfo | undefined {
    if (namespace === 'System') return systemByName.get(name);
    if (namespace !== undefined && namespace !== 'FHIR') return undefined;
    return this.type(name) ?? (namespace === undefined ? systemByName.get(name) : undefined);
  }

  private named(name: string): TypeInfo | undefined {
    const definition = this.find(name);
    if (!definition || (definition.type !== name && definition.id !== name)) return undefined;
    const base = definition.baseDefinition?.split('/').pop();
    const system =
      definition.kind === 'primitive-type' ? (primitiveKinds[name] ?? 'String') : kindOfComplex(name, base);
    return new TypeInfo(name, 'FHIR', base ? this.type(base) : undefined, system, () =>
      this.children(name, definition.snapshot?.element ?? [], definition.kind === 'primitive-type'),
    );
  }

  private backbone(path: string): TypeInfo | undefined {
    const definition = this.find(path.slice(0, path.indexOf('.')));
    const elements = definition?.snapshot?.element;
    const own = elements?.find((element) => element.path === path);
    if (!elements || !own) return undefined;
    if (own.contentReference) return this.type(targetOf(own.contentReference));
    const code = own.type?.[0]?.code;
    return new TypeInfo(path, 'FHIR', code ? this.type(code) : undefined, undefined, () =>
      this.children(path, elements),
    );
  }

  private children(
    parent: string,
    elements: readonly ElementDefinition[],
    primitive = false,
  ): ReadonlyMap<string, ElementInfo> {
    const found = new Map<string, ElementInfo>();
    for (const element of elements) {
      const { path } = element;
      const isChild = path.startsWith(parent) && path.lastIndexOf('.') === parent.length;
      // A primitive's `value` is the JSON value itself, not a child.
      if (!isChild || element.sliceName !== undefined || (primitive && path === `${parent}.value`)) continue;
      const info = this.elementInfo(element, path.slice(parent.length + 1), elements);
      if (info && !found.has(info.name)) found.set(info.name, info);
    }
    return found;
  }

  private elementInfo(
    element: ElementDefinition,
    last: string,
    elements: readonly ElementDefinition[],
  ): ElementInfo | undefined {
    const choice = last.endsWith('[x]');
    const name = choice ? last.slice(0, -3) : last;
    const variants: Variant[] = [];
    for (const code of this.typeNames(element, elements)) {
      const type = this.type(code) ?? systemByName.get(code.replace('http://hl7.org/fhirpath/System.', ''));
      if (!type) continue;
      const key = choice ? name + code[0].toUpperCase() + code.slice(1) : name;
      if (!variants.some((variant) => variant.key === key)) variants.push({ key, sibling: `_${key}`, type });
    }
    if (variants.length === 0) return undefined;
    return { name, variants, repeats: (element.base?.max ?? element.max) !== '1' && element.max !== '0' };
  }

  private typeNames(element: ElementDefinition, elements: readonly ElementDefinition[]): string[] {
    if (element.contentReference) return [targetOf(element.contentReference)];
    const codes = (element.type ?? []).map((type) => type.code);
    const inner = elements.some((other) => other.path.startsWith(`${element.path}.`));
    if (inner) return [element.path];
    return codes.map((code) => {
      if (!code.startsWith('http://hl7.org/fhirpath/')) return code;
      return wellKnown[element.base?.path ?? element.path] ?? 'string';
    });
  }
}

function targetOf(contentReference: string): string {
  return contentReference.slice(contentReference.indexOf('#') + 1);
}

/** Quantity and its specialisations convert to System.Quantity. */
function kindOfComplex(name: string, base: string | undefined): SystemKind | undefined {
  return name === 'Quantity' || base === 'Quantity' ? 'Quantity' : undefined;
}
