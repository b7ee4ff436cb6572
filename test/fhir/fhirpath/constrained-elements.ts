/** Every element of a resource together with the invariants that R4 states for it. */
import type { Definitions } from '../../../src/fhir/definitions/definitions.js';
import type { Constraint } from '../../../src/fhir/definitions/types.js';
import type { FhirModel, TypeInfo } from '../../../src/fhir/fhirpath/model.js';
import { Navigator } from '../../../src/fhir/fhirpath/navigation.js';
import { isObject, Node } from '../../../src/fhir/fhirpath/values.js';

/** One invariant at one element. */
export interface ConstrainedElement {
  readonly key: string;
  readonly expression: string;
  readonly type: string;
  readonly value: object;
  /** `%resource`: a contained resource is its own. */
  readonly resource: object;
}

/** Complex elements only; `ele-1` once for each type. */
export function constrainedElements(
  resource: object,
  definitions: Definitions,
  model: FhirModel,
): ConstrainedElement[] {
  const navigator = new Navigator(model, true);
  const found: ConstrainedElement[] = [];
  const visit = (value: object, type: TypeInfo, own: object, at: readonly Constraint[]) => {
    const stated = new Map<string, Constraint>();
    for (const constraint of [...at, ...constraintsOf(type.name, definitions)]) stated.set(constraint.key, constraint);
    for (const { key, expression } of stated.values()) {
      if (expression) found.push({ key, expression, type: type.name, value, resource: own });
    }
    for (const child of navigator.children(new Node(value, type), undefined)) {
      const node = child as Node;
      if (!isObject(node.value) || node.type.isPrimitive) continue;
      const inner = navigator.typeOf(node.value, node.type) ?? node.type;
      const isResource = 'resourceType' in node.value;
      const path = `${type.name}.${node.place!.key}`;
      visit(node.value, inner, isResource ? node.value : own, isResource ? [] : constraintsOf(path, definitions));
    }
  };
  const root = model.type((resource as { resourceType: string }).resourceType);
  if (root) visit(resource, root, resource, []);
  return found;
}

const cache = new Map<string, readonly Constraint[]>();

function constraintsOf(path: string, definitions: Definitions): readonly Constraint[] {
  let found = cache.get(path);
  if (!found) {
    const elements = definitions.structureDefinition(path.split('.')[0])?.snapshot?.element ?? [];
    const element = elements.find((one) => one.path === path || one.path === choicePath(path, one.path));
    cache.set(path, (found = element?.constraint ?? []));
  }
  return found;
}

/** `Observation.value[x]` for `Observation.valueQuantity`. */
function choicePath(path: string, candidate: string): string | undefined {
  return candidate.endsWith('[x]') && path.startsWith(candidate.slice(0, -3)) ? candidate : undefined;
}
