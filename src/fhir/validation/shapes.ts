/**
 * The base types of R4 compiled to shapes: what `check-object.ts` needs to walk an object of that type.
 *
 * A shape belongs to one path of a StructureDefinition that has children (`Patient`, `Patient.contact`, `HumanName`). Shapes are made when
 * they are first met and kept; recursion is by looking the shape up again.
 */
import type { Definitions } from '../definitions/definitions.js';
import type { Binding, Constraint, ElementDefinition, ElementType } from '../definitions/types.js';
import { primitiveCheck, type PrimitiveCheck } from './primitives.js';

/** One JSON property of a shape, e.g. `valueQuantity` of Observation. */
export interface Property {
  /** JSON name. */
  readonly name: string;
  /** JSON name of the companion that holds id and extensions of a primitive. */
  readonly sibling: string;
  /** What it adds to the FHIRPath of its parent: `name`, `value.ofType(Quantity)`. */
  readonly segment: string;
  /** Path of its definition: `Observation.value[x]`. */
  readonly definedAt: string;
  /** Type name, or the definition's path for a backbone element; `Resource` for any resource. */
  readonly type: string;
  readonly isList: boolean;
  readonly max: number;
  /** A bit of its own for each element with several types; 0 otherwise. */
  readonly choice: number;
  readonly check?: PrimitiveCheck;
  /** `undefined` for primitives, xhtml and resources. */
  readonly shape?: () => Shape;
  /** Profiles that the definition demands of the value (`SimpleQuantity`). */
  readonly profiles: readonly string[];
  /** Of a Reference or canonical. */
  readonly targets: readonly string[];
  readonly binding?: Binding;
  readonly constraints: readonly Constraint[];
  readonly definition: ElementDefinition;
  /** Notes of the compilers of bindings and invariants; theirs alone. */
  readonly compiled: { binding?: unknown; invariants?: unknown };
}

/** An element that must be there: under one of these names. */
export interface Required {
  /** As in the definition: `value[x]`. */
  readonly element: string;
  readonly names: readonly string[];
  readonly min: number;
}

/** The compiled form of an object. */
export interface Shape {
  /** `Patient.contact`, `HumanName`. */
  readonly path: string;
  /** Type name, or the path of a backbone element. */
  readonly type: string;
  /** By JSON name; companions of primitives (`_birthDate`) lead to the same Property. */
  readonly properties: ReadonlyMap<string, Property>;
  readonly required: readonly Required[];
  /** Invariants of the type itself (of backbone elements: those of the element), without the universal ones. */
  readonly constraints: readonly Constraint[];
  readonly compiled: { invariants?: unknown };
}

/** Checked by hand in check-object.ts, extension.ts, contained.ts, narrative.ts, reference.ts and bundle.ts. */
export const universalConstraints: ReadonlySet<string> = new Set([
  'ele-1',
  'ext-1',
  'dom-2',
  'dom-3',
  'dom-4',
  'dom-5',
  'dom-6',
  'txt-1',
  'txt-2',
  'ref-1',
  'bdl-3',
  'bdl-4',
  'bdl-7',
]);

const systemTypes = 'http://hl7.org/fhirpath/System.';
const maxInfinite = Number.MAX_SAFE_INTEGER;

export class Shapes {
  private readonly shapes = new Map<string, Shape>();

  constructor(private readonly definitions: Definitions) {}

  /** The shape of a type name (`Patient`, `HumanName`) or a backbone path (`Patient.contact`); undefined when there is none. */
  of(typeOrPath: string): Shape | undefined {
    let shape = this.shapes.get(typeOrPath);
    if (!shape) {
      shape = this.compile(typeOrPath);
      if (shape) this.shapes.set(typeOrPath, shape);
    }
    return shape;
  }

  private compile(path: string): Shape | undefined {
    const dot = path.indexOf('.');
    const definition = this.definitions.structureDefinition(dot < 0 ? path : path.slice(0, dot));
    if (!definition?.snapshot || definition.kind === 'primitive-type' || definition.derivation === 'constraint') return;
    const elements = definition.snapshot.element;
    const own = elements.find((element) => element.path === path);
    if (!own) return undefined;
    const children = elements.filter((element) => element.path.startsWith(`${path}.`) && isChild(element.path, path));
    const properties = new Map<string, Property>();
    const required: Required[] = [];
    let choices = 0;
    for (const element of children) {
      const isChoice = element.path.endsWith('[x]');
      const made = propertiesOf(this, element, isChoice ? 1 << choices++ : 0);
      for (const property of made) {
        properties.set(property.name, property);
        if (property.check ?? property.type === 'xhtml') properties.set(property.sibling, property);
      }
      if (element.min && element.min > 0) {
        const name = element.path.slice(path.length + 1);
        required.push({ element: name, names: made.flatMap((property) => namesOf(property)), min: element.min });
      }
    }
    return {
      path,
      type: path,
      properties,
      required,
      constraints: ownConstraints(own),
      compiled: {},
    };
  }
}

const isChild = (path: string, parent: string): boolean => !path.includes('.', parent.length + 1);

const namesOf = (property: Property): string[] =>
  property.check ? [property.name, property.sibling] : [property.name];

function propertiesOf(shapes: Shapes, element: ElementDefinition, choice: number): Property[] {
  const last = element.path.slice(element.path.lastIndexOf('.') + 1);
  if (element.contentReference) {
    const target = element.contentReference.slice(element.contentReference.indexOf('#') + 1);
    return [property(shapes, element, last, last, target, undefined, 0)];
  }
  const types = element.type ?? [];
  if (choice === 0)
    return types.slice(0, 1).map((type) => property(shapes, element, last, last, typeName(type), type, 0));
  const stem = last.slice(0, -3);
  return types.map((type) => {
    const name = stem + type.code[0].toUpperCase() + type.code.slice(1);
    return property(shapes, element, name, `${stem}.ofType(${type.code})`, type.code, type, choice);
  });
}

function property(
  shapes: Shapes,
  element: ElementDefinition,
  name: string,
  segment: string,
  typeOrPath: string,
  elementType: ElementType | undefined,
  choice: number,
): Property {
  const type = elementTypeOf(element, typeOrPath);
  const check = primitiveCheck(type);
  const isObject = !check && type !== 'xhtml' && !isResourceType(type);
  const max = element.max ?? element.base?.max ?? '*';
  return {
    name,
    sibling: `_${name}`,
    segment,
    definedAt: element.path,
    type,
    isList: (element.base?.max ?? max) !== '1',
    max: max === '*' ? maxInfinite : Number(max),
    choice,
    check,
    shape: isObject ? () => requireShape(shapes, type) : undefined,
    profiles: elementType?.profile ?? [],
    targets: elementType?.targetProfile ?? [],
    binding: element.binding,
    // A backbone element's own invariants are those of its shape.
    constraints: type === element.path ? [] : ownConstraints(element),
    definition: element,
    compiled: {},
  };
}

function elementTypeOf(element: ElementDefinition, type: string): string {
  if (type === 'BackboneElement' || type === 'Element') return element.path;
  return element.base?.path === 'Resource.id' ? 'id' : type;
}

function requireShape(shapes: Shapes, type: string): Shape {
  const shape = shapes.of(type);
  if (!shape) throw new Error(`the definitions lack the type ${type}`);
  return shape;
}

const isResourceType = (type: string): boolean => type === 'Resource' || type === 'DomainResource';

/** `id` and `url` of elements are strings of FHIRPath's own type system. */
function typeName(type: ElementType): string {
  if (!type.code.startsWith(systemTypes)) return type.code;
  const fhirType = type.extension?.find(({ url }) => url.endsWith('structuredefinition-fhir-type'));
  const name = (fhirType?.valueUrl ?? fhirType?.valueUri ?? 'string') as string;
  return name === 'http://hl7.org/fhirpath/System.String' ? 'string' : name;
}

function ownConstraints(element: ElementDefinition): Constraint[] {
  return (element.constraint ?? []).filter(({ key }) => !universalConstraints.has(key));
}
