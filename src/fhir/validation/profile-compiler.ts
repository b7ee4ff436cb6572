/**
 * Profiles compiled to functions: only what a profile demands beyond the base type is checked, so elements that it leaves alone cost nothing.
 *
 * Spec: https://hl7.org/fhir/R4/profiling.html
 */
import type { Binding, Constraint, ElementDefinition, ElementType } from '../definitions/types.js';
import { demandOf, meets } from './fixed-pattern.js';
import { childrenOf, itemsOf, propertiesOf, type Item } from './item.js';
import type { ProfileNode } from './profile-tree.js';
import type { Trees } from './discriminator.js';
import { limitOf } from './limits.js';
import { checkTargets, conformsToOneTarget } from './reference.js';
import { shown, type Run } from './run.js';
import { universalConstraints, type Property, type Shape, type Shapes } from './shapes.js';
import { valueRule } from './value-rule.js';
import { compileSlicing, type ItemCheck } from './slicing.js';

/** Checks the children of one object. */
type MemberCheck = (run: Run, object: Readonly<Record<string, unknown>>, path: string) => void;

export class ProfileCompiler {
  constructor(
    /** Canonical URL, for messages. */
    private readonly profile: string,
    private readonly shapes: Shapes,
    private readonly trees: Trees,
  ) {}

  /**
   * The check of one value.
   * @param type type of the value: a type name, the path of a backbone element, or a resource type.
   * @param property where the base type has it; undefined for the root.
   * @returns undefined when the profile demands nothing beyond the base type.
   */
  item(node: ProfileNode, type: string, property: Property | undefined): ItemCheck | undefined {
    const checks = [
      this.demand(node),
      valueRule(node.element),
      limitOf(node.element, property),
      this.binding(node.element, property),
      this.constraints(node.element, type, property),
      this.typeProfile(node.element, type, property),
      this.targets(node.element, property),
      this.children(node, type, property),
    ].filter((check) => check !== undefined);
    if (checks.length === 0) return undefined;
    if (checks.length === 1) return checks[0];
    return (run, item) => {
      for (const check of checks) check(run, item);
    };
  }

  private demand({ element }: ProfileNode): ItemCheck | undefined {
    const demand = demandOf(element);
    if (!demand) return undefined;
    const expected = demand.kind === 'fixed' ? 'the fixed value' : 'the pattern';
    return (run, item) => {
      if (item.value === undefined) return; // extensions in the place of the value
      if (meets(demand, item.value) && !(demand.kind === 'fixed' && hasExtensions(item.sibling))) return;
      const text = `${element.path} is ${shown(item.value)}; ${this.profile} expects ${expected} ${shown(demand.value)}`;
      run.error('value', demand.kind, item.path, text);
    };
  }

  private binding({ binding }: ElementDefinition, property: Property | undefined): ItemCheck | undefined {
    const base = property?.binding;
    if (!binding || isSameBinding(binding, base)) return undefined;
    return (run, item) => run.engine.bindings.checkBinding(run, binding, item.type, item.value, item.path);
  }

  private constraints(element: ElementDefinition, type: string, property: Property | undefined): ItemCheck | undefined {
    const known = new Set(
      [...(property?.definition.constraint ?? []), ...this.typeConstraints(type)].map(({ key }) => key),
    );
    const added = (element.constraint ?? []).filter(({ key }) => !known.has(key) && !universalConstraints.has(key));
    if (added.length === 0) return undefined;
    const isPrimitive = property?.check !== undefined;
    return (run, item) => {
      const { invariants } = run.engine;
      const input = isPrimitive ? invariants.primitive(item.value, item.type, item.sibling) : item.value;
      if (input !== undefined) invariants.checkConstraints(run, added, item.type, input, item.path);
    };
  }

  private typeConstraints(type: string): readonly Constraint[] {
    return this.shapes.of(type)?.constraints ?? [];
  }

  /** Profiles on the value's type: it must follow one of them. */
  private typeProfile(element: ElementDefinition, type: string, property: Property | undefined): ItemCheck | undefined {
    if (property === undefined) return undefined;
    const elementType = typeOf(element, type, property);
    const profiles = (elementType?.profile ?? []).filter((url) => !property.profiles.includes(url));
    // An extension is checked by its own definition wherever it stands.
    if (profiles.length === 0 || elementType?.code === 'Extension') return undefined;
    return (run, item) => run.engine.profiles.checkOneOf(run, profiles, item);
  }

  private targets(element: ElementDefinition, property: Property | undefined): ItemCheck | undefined {
    const targets = element.type?.find(({ code }) => code === 'Reference')?.targetProfile ?? [];
    if (targets.length === 0 || property === undefined) return undefined;
    if (targets.length === property.targets.length && targets.every((url) => property.targets.includes(url)))
      return undefined;
    return (run, item) => {
      if (item.type !== 'Reference') return;
      checkTargets(run, targets, element.path, item.value, item.path);
      conformsToOneTarget(run, targets, element.path, item.value, item.path);
    };
  }

  private children(node: ProfileNode, type: string, property: Property | undefined): ItemCheck | undefined {
    if (node.children.size === 0) return undefined;
    if (property && !property.check && !property.shape && property.type !== 'xhtml') return this.resourceChildren(node);
    const shape = this.shapes.of(property?.check ? 'Element' : type);
    if (!shape) return undefined;
    const members = [...node.children.values()]
      .map((child) => this.member(child, shape))
      .filter((member) => member !== undefined);
    if (members.length === 0) return undefined;
    return (run, item) => {
      const object = childrenOf(item) ?? (property?.check ? {} : undefined);
      if (object) for (const member of members) member(run, object, item.path);
    };
  }

  /** An element of type Resource: its children depend on the resource that stands there. */
  private resourceChildren(node: ProfileNode): ItemCheck {
    const byType = new Map<string, ItemCheck | undefined>();
    return (run, item) => {
      if (!byType.has(item.type)) byType.set(item.type, this.children(node, item.type, undefined));
      byType.get(item.type)?.(run, item);
    };
  }

  private member(node: ProfileNode, shape: Shape): MemberCheck | undefined {
    const { element } = node;
    const properties = propertiesOf(shape, node.name);
    const base = properties[0]?.definition;
    if (!base) return undefined;
    const min = element.min ?? 0;
    const max = element.max === undefined || element.max === '*' ? Number.MAX_SAFE_INTEGER : Number(element.max);
    const isCounted = min > (base.min ?? 0) || max < properties[0].max;
    const allowed = this.allowedTypes(element, properties);
    const checks = this.checksByType(node, properties, allowed);
    const slices = compileSlicing(node, this.profile, this.trees, (slice) => this.sliceCheck(slice, properties));
    if (!isCounted && !allowed && checks.size === 0 && !slices) return undefined;
    return (run, object, path) => {
      const items = itemsOf(properties, object, path);
      if (isCounted) this.count(run, element, items.length, min, max, path);
      for (const item of items) {
        if (allowed && !allowed.has(item.type)) this.wrongType(run, element, item, allowed);
        checks.get(item.property as Property)?.(run, item);
      }
      slices?.(run, items, path);
    };
  }

  private count(run: Run, element: ElementDefinition, found: number, min: number, max: number, path: string): void {
    if (found < min) {
      const text = `${element.path} is missing; at least ${min} expected by ${this.profile}, found ${found}`;
      run.error('required', 'cardinality-min', path, text);
    } else if (found > max) {
      run.error(
        'structure',
        'cardinality-max',
        path,
        `${element.path} has ${found} values; at most ${max} allowed by ${this.profile}`,
      );
    }
  }

  private wrongType(run: Run, element: ElementDefinition, item: Item, allowed: ReadonlySet<string>): void {
    const text = `${element.path} is a ${item.type}; ${this.profile} allows ${[...allowed].join(', ')}`;
    run.error('structure', 'type', item.path, text);
  }

  /** The types that a profile leaves of a choice or of `Resource`; undefined when it leaves all. */
  private allowedTypes(element: ElementDefinition, properties: readonly Property[]): ReadonlySet<string> | undefined {
    const codes = (element.type ?? []).map(({ code }) => code);
    if (codes.length === 0 || codes.includes('Resource') || codes.includes('DomainResource')) return undefined;
    const isResource = properties.length === 1 && properties[0].type === 'Resource';
    if (!isResource && (properties.length < 2 || codes.length >= properties.length)) return undefined;
    return new Set(codes);
  }

  private checksByType(
    node: ProfileNode,
    properties: readonly Property[],
    allowed: ReadonlySet<string> | undefined,
  ): Map<Property, ItemCheck> {
    const checks = new Map<Property, ItemCheck>();
    for (const property of properties) {
      if (allowed && property.type !== 'Resource' && !allowed.has(property.type)) continue;
      const check = this.item(node, property.type, property);
      if (check) checks.set(property, check);
    }
    return checks;
  }

  private sliceCheck(slice: ProfileNode, properties: readonly Property[]): ItemCheck | undefined {
    const allowed = this.allowedTypes(slice.element, properties);
    const checks = this.checksByType(slice, properties, allowed);
    if (checks.size === 0 && !allowed) return undefined;
    return (run, item) => {
      if (allowed && !allowed.has(item.type)) this.wrongType(run, slice.element, item, allowed);
      checks.get(item.property as Property)?.(run, item);
    };
  }
}

/** The type of `element` that a value of `type` has. */
function typeOf(element: ElementDefinition, type: string, property: Property): ElementType | undefined {
  const types = element.type ?? [];
  return (
    types.find(({ code }) => code === type) ??
    (types.length === 1 || property.type === 'Resource' ? types[0] : undefined)
  );
}

/** A fixed primitive has no extensions. */
const hasExtensions = (sibling: unknown): boolean =>
  (sibling as { extension?: unknown } | undefined)?.extension !== undefined;

/** True when a profile's binding adds nothing to that of the base. */
const isSameBinding = (binding: Binding, base: Binding | undefined): boolean =>
  binding.strength === base?.strength && binding.valueSet === base.valueSet && binding.extension === undefined;
