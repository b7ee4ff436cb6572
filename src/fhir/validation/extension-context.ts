/** May an extension stand on this element? Spec: https://hl7.org/fhir/R4/defining-extensions.html#context */
import type { StructureDefinition } from '../definitions/types.js';
import type { Holder, Run } from './run.js';

/** Definitions, and the values that they give, may carry anything. */
const open = /^ElementDefinition\.(?:fixed|pattern|defaultValue|example\.value)/;

/** @param holder the element or resource that has the extension. */
export function isAllowedContext(run: Run, definition: StructureDefinition, holder: Holder): boolean {
  const contexts = definition.context ?? [];
  if (contexts.length === 0) return true;
  const paths = logicalPaths(run, holder);
  for (const path of paths) if (open.test(path)) return true;
  const isAllowed = contexts.some(({ type, expression }) => {
    if (type === 'extension') return extensionUrl(holder) === expression;
    if (type === 'fhirpath') return run.engine.invariants.selects(run, expression, holder.object);
    if (expression === 'CanonicalResource' || expression === 'MetadataResource') return isCanonical(run, holder.type);
    return expression === 'Element' || expression === 'Any' || paths.has(bare(expression));
  });
  return (
    isAllowed && (definition.contextInvariant ?? []).every((rule) => run.engine.invariants.holds(run, rule, holder))
  );
}

/** A resource type that is found by a URL of its own. */
export function isCanonical(run: Run, type: string): boolean {
  if (!run.engine.definitions.resourceTypes.has(type)) return false;
  const shape = run.engine.shapes.of(type);
  return type === 'NamingSystem' || ['url', 'version', 'status'].every((name) => shape?.properties.has(name));
}

/** `url#path` names a path of a profile: the path counts. */
const bare = (expression: string): string => expression.slice(expression.indexOf('#') + 1);

function extensionUrl(holder: Holder): unknown {
  if (holder.type === 'Extension') return holder.object.url;
  return holder.parent?.type === 'Extension' ? holder.parent.object.url : undefined;
}

/**
 * Every path by which the element can be named: its type and the types that it specialises, its place in the types around it.
 * For the period of a name of a Patient: Period, Element, HumanName.period, Patient.name.period.
 */
function logicalPaths(run: Run, holder: Holder): Set<string> {
  const paths = new Set<string>();
  for (let type: string | undefined = holder.type; type !== undefined; type = baseOf(run, type)) paths.add(type);
  if (holder.property) paths.add('Element');
  if (holder.property && holder.parent) {
    const { definedAt } = holder.property;
    const name = definedAt.slice(definedAt.lastIndexOf('.') + 1);
    for (const path of logicalPaths(run, holder.parent)) {
      paths.add(`${path}.${name}`);
      if (name.endsWith('[x]')) paths.add(`${path}.${name.slice(0, -3)}`);
    }
  }
  return paths;
}

function baseOf(run: Run, type: string): string | undefined {
  if (type.includes('.')) return 'BackboneElement';
  const base = run.engine.definitions.structureDefinition(type)?.baseDefinition;
  return base?.slice(base.lastIndexOf('/') + 1);
}
