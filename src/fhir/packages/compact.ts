/**
 * What of a definition is kept in memory: all that validation, terminology and search evaluate, without narrative and prose.
 *
 * The same cut as that of profiles/r4-core; but designations stay, and a differential stays where there is no snapshot.
 */
import type { CanonicalResource } from '../definitions/types.js';

const droppedEverywhere = new Set([
  'text',
  'meta',
  'contact',
  'publisher',
  'mapping',
  'keyword',
  'date',
  'useContext',
  'jurisdiction',
  'purpose',
  'copyright',
  'extension',
  'xpath',
  'xpathUsage',
]);

const droppedInElements = new Set([
  'short',
  'definition',
  'comment',
  'requirements',
  'alias',
  'mapping',
  'example',
  'orderMeaning',
  'meaningWhenMissing',
  'label',
  'code',
  'condition',
  'isModifierReason',
]);

const structure = 'http://hl7.org/fhir/StructureDefinition/';
const keptExtensions = new Set(
  [
    'regex',
    'structuredefinition-fhir-type',
    'structuredefinition-hierarchy',
    'elementdefinition-maxValueSet',
    'elementdefinition-bestpractice',
    'elementdefinition-profile-element',
    'elementdefinition-maxDecimalPlaces',
  ].map((name) => structure + name),
);

type Fields = Record<string, unknown>;

/** The kinds of resource that are definitions here. */
export const definitionTypes: ReadonlySet<string> = new Set([
  'StructureDefinition',
  'ValueSet',
  'CodeSystem',
  'SearchParameter',
  'OperationDefinition',
  'CompartmentDefinition',
]);

/** A copy of `resource` without what is not evaluated; the argument is not changed. */
export function compact(resource: CanonicalResource): CanonicalResource {
  const kept = without(resource, droppedEverywhere);
  if (resource.resourceType === 'StructureDefinition') {
    delete kept.description;
    const snapshot = elementsOf(resource.snapshot);
    if (snapshot) {
      kept.snapshot = { element: snapshot.map(compactElement) };
      delete kept.differential;
    } else {
      const differential = elementsOf(resource.differential);
      if (differential) kept.differential = { element: differential.map(compactElement) };
    }
  }
  return kept as unknown as CanonicalResource;
}

function elementsOf(view: unknown): Fields[] | undefined {
  const elements = (view as { element?: unknown } | undefined)?.element;
  return Array.isArray(elements) && elements.length > 0 ? elements.filter(isObject) : undefined;
}

function compactElement(element: Fields): Fields {
  const kept = withKeptExtensions(without(element, droppedInElements));
  if (isObject(kept.slicing)) kept.slicing = without(kept.slicing, new Set(['description']));
  if (Array.isArray(kept.type)) kept.type = kept.type.filter(isObject).map(withKeptExtensions);
  if (isObject(kept.binding)) kept.binding = without(withKeptExtensions(kept.binding), new Set(['description']));
  if (Array.isArray(kept.constraint)) {
    const prose = new Set(['xpath', 'source', 'requirements']);
    kept.constraint = kept.constraint.filter(isObject).map((rule) => without(withKeptExtensions(rule), prose));
  }
  return kept;
}

function withKeptExtensions(value: Fields): Fields {
  if (!Array.isArray(value.extension)) return value;
  const extension = value.extension.filter(
    (entry) => isObject(entry) && typeof entry.url === 'string' && keptExtensions.has(entry.url),
  );
  const kept = { ...value };
  if (extension.length > 0) kept.extension = extension;
  else delete kept.extension;
  return kept;
}

function without(value: object, names: ReadonlySet<string>): Fields {
  const kept: Fields = {};
  for (const [name, field] of Object.entries(value)) if (!names.has(name)) kept[name] = field;
  return kept;
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
