/**
 * The walk over a resource by the shapes of its base types: structure, cardinality, choice types, primitive formats; for each value then the
 * rules of its type, its binding and its invariants.
 *
 * Spec: https://hl7.org/fhir/R4/json.html
 */
import { checkResource } from './check-resource.js';
import { shown, type Run } from './run.js';
import type { Property, Required, Shape } from './shapes.js';
import { typeRules } from './type-rules.js';

type JsonObject = Record<string, unknown>;

/**
 * Checks `object` by `shape`.
 * @param property where the object stands, undefined for a resource.
 * @param path FHIRPath of the object.
 */
export function checkObject(run: Run, shape: Shape, object: JsonObject, path: string, property?: Property): void {
  let choices = 0;
  let content = 0;
  const outer = run.holder;
  run.holder = {
    object,
    type: shape.type === 'Element' && property ? property.type : shape.type,
    property,
    parent: outer,
  };
  for (const key in object) {
    if (object[key] === undefined) continue;
    const member = shape.properties.get(key);
    if (member === undefined) {
      if (key === 'resourceType' && property === undefined) continue;
      unknownMember(run, shape, key, path);
      content += 1;
      continue;
    }
    const isSibling = key !== member.name;
    if (isSibling && object[member.name] !== undefined) continue; // checked with its value
    if (key !== 'id') content += 1;
    if (member.choice !== 0) {
      if ((choices & member.choice) !== 0) {
        const text = `${member.definedAt} may have one type, but "${key}" is a second value`;
        run.error('structure', 'choice', path, text);
      }
      choices |= member.choice;
    }
    checkMember(run, member, object, isSibling, path);
  }
  run.holder = outer;
  if (content === 0 && property !== undefined) emptyObject(run, property, object, path);
  for (const required of shape.required) checkRequired(run, shape, required, object, path);
  run.engine.invariants.checkShape(run, shape, object, path);
}

/** ele-1. A complex element with nothing but an id is what the HL7 validator lets pass, so it is a warning. */
function emptyObject(run: Run, property: Property, object: JsonObject, path: string): void {
  if (object.id === undefined) {
    run.error('structure', 'ele-1', path, `${property.definedAt} is an empty object; expected a value or children`);
  } else {
    run.warning(
      'structure',
      'ele-1',
      path,
      `${property.definedAt} has nothing but an id; expected a value or children`,
    );
  }
}

function unknownMember(run: Run, shape: Shape, key: string, path: string): void {
  const known = key.startsWith('_') && shape.properties.has(key.slice(1));
  const text = known
    ? `${shape.path} has a property "${key}", but ${key.slice(1)} is no primitive element`
    : `${shape.path} has no property "${key}" in R4`;
  run.error('structure', 'unknown-element', path, text);
}

function checkRequired(run: Run, shape: Shape, required: Required, object: JsonObject, path: string): void {
  for (const name of required.names) if (object[name] !== undefined && !isEmptyList(object[name])) return;
  const text = `${shape.path}.${required.element} is missing; at least ${required.min} expected, found 0`;
  run.error('required', 'cardinality-min', path, text);
}

const isEmptyList = (value: unknown): boolean => Array.isArray(value) && value.length === 0;

function checkMember(run: Run, member: Property, object: JsonObject, isSibling: boolean, path: string): void {
  const memberPath = `${path}.${member.segment}`;
  const value = isSibling ? undefined : object[member.name];
  const sibling = member.check ? object[member.sibling] : undefined;
  if (!member.isList) {
    const given = value ?? sibling;
    if (sibling === null) {
      run.error('structure', 'null', memberPath, `${member.sibling} is null; expected an object or no property`);
    } else if (Array.isArray(given)) {
      run.error('structure', 'not-a-list', memberPath, `${member.definedAt} is an array; expected a single value`);
    } else if (member.check) {
      checkPrimitive(run, member, object, member.name, value, sibling, memberPath);
    } else {
      checkComplex(run, member, value, memberPath);
    }
    return;
  }
  checkList(run, member, value, sibling, memberPath);
}

function checkList(run: Run, member: Property, value: unknown, sibling: unknown, path: string): void {
  for (const list of [value, sibling]) {
    if (list === undefined || Array.isArray(list)) continue;
    run.error('structure', 'not-an-array', path, `${member.definedAt} is ${kindOf(list)}; expected an array`);
    return;
  }
  const values = (value ?? []) as unknown[];
  const siblings = (sibling ?? []) as unknown[];
  const length = Math.max(values.length, siblings.length);
  if (length === 0) {
    run.error(
      'structure',
      'empty-array',
      path,
      `${member.definedAt} is an empty array; expected values or no property`,
    );
  }
  for (let at = 0; at < length; at += 1) {
    const itemPath = `${path}[${at}]`;
    if (member.check)
      checkPrimitive(run, member, values, at, values[at] ?? undefined, siblings[at] ?? undefined, itemPath);
    else checkComplex(run, member, values[at], itemPath);
  }
}

function checkPrimitive(
  run: Run,
  member: Property,
  holder: object,
  key: string | number,
  value: unknown,
  sibling: unknown,
  path: string,
): void {
  if (value === undefined && sibling === undefined) {
    run.error('structure', 'null', path, `${member.definedAt} is null without an extension; expected a value`);
    return;
  }
  if (value === null) {
    run.error('structure', 'null', path, `${member.definedAt} is null; expected a value or no property`);
    return;
  }
  if (value !== undefined) {
    if (typeof value === 'object') {
      run.error(
        'structure',
        'not-a-primitive',
        path,
        `${member.definedAt} is ${kindOf(value)}; expected a ${member.type}`,
      );
      return;
    }
    const expected = (member.check as NonNullable<Property['check']>)(value, holder, key);
    if (expected !== undefined) {
      run.error('value', `format-${member.type}`, path, `${member.definedAt} is ${shown(value)}; expected ${expected}`);
      if (sibling !== undefined) checkSibling(run, member, sibling, path, true);
      return;
    }
  }
  if (sibling !== undefined) checkSibling(run, member, sibling, path, value !== undefined);
  typeRules[member.type]?.(run, value, path, member);
  if (member.binding) run.engine.bindings.check(run, member, value, path);
  if (member.constraints.length > 0) run.engine.invariants.checkProperty(run, member, value, sibling, path);
}

/** Id and extensions of a primitive. */
function checkSibling(run: Run, member: Property, sibling: unknown, path: string, hasValue: boolean): void {
  if (typeof sibling !== 'object' || sibling === null || Array.isArray(sibling)) {
    const text = `${member.sibling} is ${kindOf(sibling)}; expected an object with id or extension`;
    run.error('structure', 'not-an-object', path, text);
    return;
  }
  const shape = run.engine.shapes.of('Element');
  if (shape) checkObject(run, shape, sibling as JsonObject, path, member);
  if (!hasValue && (sibling as JsonObject).id !== undefined && (sibling as JsonObject).extension === undefined) {
    run.error(
      'structure',
      'ele-1',
      path,
      `${member.definedAt} has nothing but an id; expected a value or an extension`,
    );
  }
}

/** Checks one value of `member`, which is no primitive. */
export function checkComplex(run: Run, member: Property, value: unknown, path: string): void {
  if (member.type === 'xhtml') {
    typeRules.xhtml(run, value, path, member);
    return;
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const text = `${member.definedAt} is ${kindOf(value)}; expected an object of type ${member.type}`;
    run.error('structure', value === null ? 'null' : 'not-an-object', path, text);
    return;
  }
  if (!member.shape) {
    checkResource(run, value as JsonObject, path, member);
    return;
  }
  if (member.definedAt === 'Bundle.entry' && run.checkedEntries.has(value)) return;
  const mark = run.issues.length;
  checkObject(run, member.shape(), value as JsonObject, path, member);
  typeRules[member.type]?.(run, value, path, member);
  if (member.binding && !run.failedSince(mark)) run.engine.bindings.check(run, member, value, path);
  if (member.constraints.length > 0) run.engine.invariants.checkProperty(run, member, value, undefined, path);
  for (const profile of member.profiles) run.engine.profiles.checkElement(run, profile, value, path);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : shown(value);
}
