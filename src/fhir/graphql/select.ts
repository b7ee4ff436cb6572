/**
 * Fields of resources and data types, with the arguments that narrow lists and the directives that flatten them.
 *
 * Spec: https://hl7.org/fhir/R4/graphql.html#fields, #list, #flattening
 */
import type { SelectionSetNode } from 'graphql';
import { numberText } from '../../base/exact-numbers.js';
import { fhirError } from '../../base/outcome.js';
import { compileFhirPath, FhirPathError } from '../fhirpath/fhirpath.js';
import { shapesOf } from '../format/xml-shapes.js';
import type { Property, Shape } from '../validation/shapes.js';
import { invalid, type Field } from './document.js';
import { Output, type Cardinality } from './output.js';
import { resolveReference } from './references.js';
import type { Run, Subject } from './run.js';
import { isSearchField, searchField } from './searches.js';
import { typeNameOf } from './type-names.js';

type JsonObject = Readonly<Record<string, unknown>>;

/** Where the selection stands. */
export interface Place {
  readonly subject: Subject;
  readonly shape: Shape;
  readonly depth: number;
  /** A parent was a flattened list: what is below becomes lists. */
  readonly isInList: boolean;
  /** What `@slice` of flattened parents adds to names: `.official`. */
  readonly suffix: string;
}

/** Puts the selected fields of a resource into `output`. */
export async function selectResource(
  run: Run,
  subject: Subject,
  selections: readonly SelectionSetNode[],
  output: Output,
  depth: number,
): Promise<void> {
  const shape = shapeOf(run, subject.resource.resourceType);
  const place = { subject, shape, depth, isInList: false, suffix: '' };
  await selectFrom(run, subject.resource, selections, output, place);
}

function shapeOf(run: Run, type: string): Shape {
  const shape = shapesOf(run.services.definitions).of(type);
  if (shape === undefined) throw invalid(`"${type}" is no type of R4`);
  return shape;
}

async function selectFrom(
  run: Run,
  object: JsonObject,
  selections: readonly SelectionSetNode[],
  output: Output,
  place: Place,
): Promise<void> {
  const { shape, suffix, isInList } = place;
  const isResource = object === place.subject.resource;
  for (const field of run.document.fields(selections, (condition) => isOfType(run, shape, condition))) {
    await run.count(place.depth);
    const { name } = field;
    if (name === '__typename' || (name === 'resourceType' && isResource)) {
      output.add(field.key + suffix, isInList ? 'list' : 'single', { value: typeNameOf(shape) });
    } else if (isResource && isSearchField(run, name)) {
      await searchField(run, field, output, place.depth, place.subject);
    } else if (name === 'resource' && shape.type === 'Reference') {
      await referencedResource(run, object, field, output, place);
    } else {
      const found = propertyOf(object, name, shape);
      if (found !== undefined) await selectElement(run, object, field, found, output, place);
    }
  }
}

async function referencedResource(run: Run, object: JsonObject, field: Field, output: Output, place: Place) {
  const target = await resolveReference(run, object.reference, field.args, place.subject);
  if (target === undefined) return;
  requireSelection(field);
  const inner = new Output();
  await selectResource(run, target, field.selections, inner, place.depth + 1);
  output.add(field.key + place.suffix, cardinalityOf(field, place.isInList), inner);
}

interface Found {
  readonly property: Property;
  /** Name in the JSON object. */
  readonly key: string;
  /** Asked for as `_birthDate`: id and extensions of a primitive. */
  readonly isSibling: boolean;
}

/** `value` stands for whichever `value[x]` is there; undefined when none is. @throws FhirError 400 for an unknown field. */
function propertyOf(object: JsonObject, name: string, shape: Shape): Found | undefined {
  const property = shape.properties.get(name);
  if (property !== undefined) return { property, key: name, isSibling: name !== property.name };
  const choices = [...shape.properties.values()].filter(({ definedAt }) => definedAt === `${shape.path}.${name}[x]`);
  if (choices.length === 0) throw invalid(`${shape.type} has no field "${name}"`);
  const present = choices.find((one) => object[one.name] !== undefined);
  return present && { property: present, key: present.name, isSibling: false };
}

async function selectElement(
  run: Run,
  object: JsonObject,
  field: Field,
  { property, key, isSibling }: Found,
  output: Output,
  place: Place,
): Promise<void> {
  const isPrimitive = !isSibling && (property.check !== undefined || property.type === 'xhtml');
  if (isPrimitive && field.selections.length > 0) throw invalid(`"${field.name}" is a scalar and has no fields`);
  if (isPrimitive && field.args.size > 0) throw invalid(`"${field.name}" is a scalar and takes no arguments`);
  if (!isPrimitive) requireSelection(field);
  const raw = object[key];
  const values = raw === undefined ? [] : Array.isArray(raw) ? (raw as unknown[]) : [raw];
  const { directives } = field;
  const isFirst = directives.has('first');
  const isFlat = directives.has('flatten');
  if (isFlat && isPrimitive) throw invalid(`"${field.name}" is a scalar and cannot be flattened`);
  const narrowed = isPrimitive ? values : narrow(run, values as JsonObject[], field, property, place);
  const cardinality = cardinalityOf(field, (property.isList && !isFirst) || place.isInList);
  let index = 0;
  for (const value of narrowed) {
    const position = index;
    index += 1;
    if (value === null || value === undefined) continue;
    await run.count(place.depth);
    const slice = sliceOf(run, field, value, position, property);
    const name = field.key + place.suffix;
    if (isPrimitive) {
      const holder = Array.isArray(raw) ? raw : object;
      const text = typeof value === 'number' ? numberText(holder, Array.isArray(raw) ? position : key) : undefined;
      output.add(name + slice, cardinality, { value, text });
    } else {
      const inner = isFlat ? output : new Output();
      await selectFrom(run, value as JsonObject, field.selections, inner, {
        ...place,
        ...innerPlace(run, value as JsonObject, property, isSibling, place),
        depth: place.depth + 1,
        isInList: isFlat && ((property.isList && !isFirst) || place.isInList),
        suffix: isFlat ? place.suffix + slice : '',
      });
      if (!isFlat) output.add(name + slice, cardinality, inner);
    }
    if (isFirst) return;
  }
}

/** Resources inside resources are subjects of their own. */
function innerPlace(run: Run, value: JsonObject, property: Property, isSibling: boolean, { subject }: Place) {
  if (isSibling) return { subject, shape: shapeOf(run, 'Element') };
  if (property.shape !== undefined) return { subject, shape: property.shape() };
  const resource = value as Subject['resource'];
  return { subject: { resource }, shape: shapeOf(run, String(resource.resourceType)) };
}

function cardinalityOf({ directives }: Field, isList: boolean): Cardinality {
  if (directives.has('singleton')) return 'singleton';
  return isList ? 'list' : 'single';
}

/** What the arguments leave of a list: `fhirpath`, `[field]: value`, then `_offset` and `_count`. */
function narrow(run: Run, values: readonly JsonObject[], field: Field, property: Property, place: Place): JsonObject[] {
  let left = [...values];
  let offset = 0;
  let count = Infinity;
  for (const [name, wanted] of field.args) {
    if (name === '_offset' || name === '_count') {
      if (typeof wanted !== 'number' || wanted < 0 || !Number.isInteger(wanted)) {
        throw invalid(`${name} of "${field.name}" is expected to be a whole number`);
      }
      if (name === '_offset') offset = wanted;
      else count = wanted;
    } else if (name === 'fhirpath') {
      if (typeof wanted !== 'string') throw invalid('fhirpath is expected to be a text');
      left = left.filter((value) => evaluate(run, wanted, value, property, place.subject).some((one) => one === true));
    } else {
      const shape = property.shape?.();
      if (shape?.properties.has(name) !== true)
        throw invalid(`"${field.name}" has no field "${name}" to be narrowed by`);
      const texts = (Array.isArray(wanted) ? wanted : [wanted]).map(String);
      left = left.filter((value) =>
        [value[name]].flat().some((one) => one !== undefined && texts.includes(String(one))),
      );
    }
  }
  return left.slice(offset, offset + count);
}

function sliceOf(run: Run, { directives }: Field, value: unknown, index: number, property: Property): string {
  const slice = directives.get('slice');
  if (slice === undefined) return '';
  const path = slice.get('path') ?? slice.get('fhirpath');
  if (typeof path !== 'string') throw invalid('@slice needs a path, such as @slice(path: "use")');
  if (path === '$index') return `.${index}`;
  const [first = ''] = evaluate(run, path, value, property);
  return `.${typeof first === 'object' ? JSON.stringify(first) : String(first)}`;
}

function evaluate(run: Run, path: string, value: unknown, property: Property, subject?: Subject): unknown[] {
  try {
    const type = property.shape === undefined ? undefined : property.type;
    const compiled = compileFhirPath(path, run.services.search.parameters.model, type === undefined ? {} : { type });
    return compiled.evaluate(value, subject === undefined ? {} : { resource: subject.resource });
  } catch (error) {
    if (!(error instanceof FhirPathError)) throw error;
    throw fhirError(400, 'invalid', `GraphQL: the FHIRPath "${path.slice(0, 200)}" cannot be used: ${error.message}.`);
  }
}

function requireSelection({ name, selections }: Field): void {
  if (selections.length === 0) throw invalid(`"${name}" needs fields to be selected`);
}

const general = new Set(['Resource', 'DomainResource', 'Element', 'BackboneElement']);

function isOfType(run: Run, shape: Shape, condition: string): boolean {
  if (general.has(condition) || typeNameOf(shape) === condition) return true;
  const { definitions } = run.services;
  const isBackbone = /^[A-Z][a-z]+[A-Z]/.test(condition);
  if (definitions.structureDefinition(condition) === undefined && !isBackbone)
    throw invalid(`"${condition}" is no type of R4`);
  return false;
}
