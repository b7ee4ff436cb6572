/**
 * Code systems, value sets and concept maps: what they say of themselves and of code systems at hand.
 *
 * Spec: https://hl7.org/fhir/R4/codesystem.html, https://hl7.org/fhir/R4/valueset.html, https://hl7.org/fhir/R4/conceptmap.html
 */
import { objectsOf, textOf, type JsonObject } from './objects.js';
import { isAbsoluteUrl } from './primitives.js';
import { shown, type Frame, type Run } from './run.js';

/** `content`, `count` and `supplements` agree with each other and with the concepts. */
export function codeSystemRule(run: Run, { resource, path }: Frame): void {
  const { content, count, supplements, concept } = resource as JsonObject;
  const isSupplement = content === 'supplement';
  if (supplements !== undefined && !isSupplement) {
    run.error(
      'business-rule',
      'codesystem-content',
      `${path}.content`,
      `content is ${shown(content)}; expected 'supplement'`,
    );
  }
  if (isSupplement && supplements === undefined) {
    const text = "content is 'supplement', but supplements does not say of which code system";
    run.error('business-rule', 'codesystem-content', `${path}.content`, text);
  }
  if (content === 'not-present' && objectsOf(concept).length > 0) {
    run.error(
      'invalid',
      'codesystem-content',
      `${path}.concept[0]`,
      "content is 'not-present', but concepts are present",
    );
  }
  if (content === 'complete' && typeof count === 'number') {
    const found = countOf(concept);
    if (found !== count) {
      run.error(
        'invalid',
        'codesystem-count',
        `${path}.count`,
        `count is ${count}, but the code system has ${found} concepts`,
      );
    }
  }
}

const countOf = (concepts: unknown): number =>
  objectsOf(concepts).reduce((sum, { object }) => sum + 1 + countOf(object.concept), 0);

/** Systems of a value set are absolute, and code systems. */
export function valueSetRule(run: Run, { resource, path }: Frame): void {
  const compose = (resource as JsonObject).compose as JsonObject | undefined;
  for (const part of ['include', 'exclude']) {
    for (const { object, at } of objectsOf(compose?.[part])) {
      const system = textOf(object.system);
      if (system === undefined) continue;
      const where = `${path}.compose.${part}[${at}]`;
      if (!isAbsoluteUrl(system)) {
        run.error('invalid', 'valueset-system', where, `system is ${shown(system)}; expected an absolute URI`);
      } else if (!run.engine.definitions.codeSystem(system) && run.engine.definitions.valueSet(system)) {
        run.error('invalid', 'valueset-system', where, `${shown(system)} is a value set; expected a code system`);
      }
    }
  }
}

/** Codes exist in the systems that a group maps, and in the value sets that the map is for. */
export function conceptMapRule(run: Run, { resource, path }: Frame): void {
  const map = resource as JsonObject;
  const scopes = {
    source: textOf(map.sourceCanonical ?? map.sourceUri),
    target: textOf(map.targetCanonical ?? map.targetUri),
  };
  for (const [name, scope] of Object.entries(scopes)) {
    if (scope === undefined || run.engine.definitions.valueSet(scope) || !run.engine.definitions.codeSystem(scope))
      continue;
    run.error(
      'invalid',
      'conceptmap-scope',
      `${path}.${name}`,
      `${shown(scope)} is a code system; expected a value set`,
    );
  }
  for (const { object: group, at } of objectsOf(map.group)) {
    for (const { object: element, at: index } of objectsOf(group.element)) {
      const where = `${path}.group[${at}].element[${index}]`;
      checkMapped(run, textOf(group.source), scopes.source, element.code, `${where}.code`);
      for (const { object: target, at: place } of objectsOf(element.target)) {
        checkMapped(run, textOf(group.target), scopes.target, target.code, `${where}.target[${place}].code`);
      }
    }
  }
}

function checkMapped(
  run: Run,
  system: string | undefined,
  valueSet: string | undefined,
  code: unknown,
  path: string,
): void {
  if (system === undefined || typeof code !== 'string') return;
  if (run.engine.definitions.codeSystem(system)?.content !== 'complete') return;
  const { terminology } = run.engine.bindings;
  const inSystem = terminology.validateInSystem({ system, code });
  if (inSystem.result === 'out') {
    run.error('code-invalid', 'conceptmap-code', path, inSystem.message ?? '');
  } else if (valueSet !== undefined && terminology.knowsValueSet(valueSet)) {
    const inScope = terminology.validateCode({ system, code }, valueSet);
    if (inScope.result === 'out') run.error('code-invalid', 'conceptmap-code', path, inScope.message ?? '');
  }
}
