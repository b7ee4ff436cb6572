/** Profiles that are validated themselves: their type, and what their differential is about. */
import type { StructureDefinition } from '../definitions/types.js';
import { objectsOf, textOf, type JsonObject } from './objects.js';
import { isAbsoluteUrl } from './primitives.js';
import { shown, type Frame, type Run } from './run.js';
import { unmatchedElements } from './snapshot.js';

/** Spec: https://hl7.org/fhir/R4/structuredefinition.html */
export function structureDefinitionRule(run: Run, { resource, path }: Frame, isSound: boolean): void {
  if (!isSound) return;
  const definition = resource as unknown as StructureDefinition;
  const type = textOf(definition.type);
  if (type === undefined) return;
  const { definitions } = run.engine;
  if (!isAbsoluteUrl(type) && !definitions.structureDefinition(type) && definition.derivation !== 'specialization') {
    run.error(
      'invalid',
      'profile-type',
      `${path}.type`,
      `type is ${shown(type)}; expected a type of R4 or an absolute URL`,
    );
  }
  const base =
    textOf(definition.baseDefinition) && definitions.structureDefinition(definition.baseDefinition as string);
  if (definition.derivation !== 'constraint' || !base) return;
  if (base.type !== type) {
    run.error(
      'invalid',
      'profile-type',
      path,
      `type is ${shown(type)}, but the base definition is for ${shown(base.type)}`,
    );
    return;
  }
  checkDifferential(run, definition, path);
}

function checkDifferential(run: Run, definition: StructureDefinition, path: string): void {
  const differential = definition.differential as unknown as JsonObject | undefined;
  const elements = objectsOf(differential?.element);
  for (const { object, at } of elements) {
    const element = textOf(object.path);
    if (element === undefined || element === definition.type || element.startsWith(`${definition.type}.`)) continue;
    const text = `the path ${shown(element)} does not begin with the type ${definition.type}`;
    run.error('invalid', 'profile-path', `${path}.differential.element[${at}]`, text);
    return;
  }
  if (elements.length === 0) return;
  for (const at of unmatchedElements(definition, run.engine.definitions)) {
    const text = `${shown(elements[at]?.object.path)} is no element of ${definition.baseDefinition ?? ''}`;
    run.error('invalid', 'profile-path', `${path}.differential.element[${elements[at]?.at ?? at}]`, text);
  }
}
