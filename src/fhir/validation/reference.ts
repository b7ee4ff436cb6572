/**
 * References: where they lead inside the resource or Bundle, and whether their target has an allowed type.
 *
 * Spec: https://hl7.org/fhir/R4/references.html
 */
import type { Resource } from '../../base/resource.js';
import { coreStructure } from '../definitions/definitions.js';
import { shown, type Frame, type Run } from './run.js';
import type { TypeRule } from './type-rules.js';

/** What a reference leads to, as far as this document tells. */
export interface Target {
  /** Undefined when nothing in the document is meant and the text names no type. */
  readonly type?: string;
  /** The resource, when it is in the document. */
  readonly resource?: Resource;
  readonly place: 'contained' | 'bundled' | 'external';
}

export const referenceRule: TypeRule = (run, value, path, member) => {
  const { reference, type } = value as { reference?: unknown; type?: unknown };
  if (typeof type === 'string') checkStatedType(run, member.targets, type, path);
  if (typeof reference !== 'string' || reference.length === 0) return;
  if (/\s/.test(reference) || (conditional.test(reference) && !search.test(reference))) {
    run.error(
      'value',
      'reference-form',
      path,
      `${shown(reference)} is no reference; expected a URL or a search for one resource`,
    );
    return;
  }
  const target = resolve(run, reference);
  run.engine.bundles.check(run, reference, path);
  if (target === 'missing') {
    run.error('invariant', 'ref-1', path, `${shown(reference)} leads to no contained resource`);
    return;
  }
  if (typeof type === 'string' && target.type !== undefined && typeName(type) !== target.type) {
    const text = `Reference.type is ${shown(type)}, but ${shown(reference)} is a ${target.type}`;
    run.error('structure', 'reference-type', path, text);
  }
  const isInside = target.resource !== undefined;
  if (isInside || (run.options.checkReferenceTypes ?? true)) {
    checkTargetType(run, member.targets, member.definedAt, target, reference, path);
  }
};

/** A canonical that is a fragment leads to a contained resource. */
export const canonicalRule: TypeRule = (run, value, path) => {
  if (typeof value !== 'string' || !value.startsWith('#') || value.length === 1) return;
  if (resolve(run, value) === 'missing') {
    run.error('value', 'canonical-fragment', path, `${shown(value)} leads to no contained resource`);
  }
};

/** Where `reference` leads from the present resource; `missing` for a fragment without a target. */
export function resolve(run: Run, reference: string): Target | 'missing' {
  if (reference.startsWith('#')) {
    const { resource } = outermost(run.frame);
    if (reference.length === 1) {
      return run.frame.kind === 'contained' ? { type: typeOf(resource), resource, place: 'contained' } : 'missing';
    }
    const contained = (Array.isArray(resource.contained) ? resource.contained : []) as Resource[];
    const found = contained.find((inner) => inner?.id === reference.slice(1));
    return found ? { type: typeOf(found), resource: found, place: 'contained' } : 'missing';
  }
  const bundled = run.engine.bundles.find(run, reference);
  if (bundled) return { type: typeOf(bundled), resource: bundled, place: 'bundled' };
  return { type: typeInUrl(run, reference), place: 'external' };
}

const typeOf = ({ resourceType }: { resourceType: unknown }): string | undefined =>
  typeof resourceType === 'string' ? resourceType : undefined;

/** The resource that holds the `contained` list that `#id` means. */
export function outermost(frame: Frame): Frame {
  let at = frame;
  while (at.kind === 'contained' && at.parent) at = at.parent;
  return at;
}

const literal = /^(?:https?:\/\/\S+\/)?([A-Z][A-Za-z]+)\/[A-Za-z0-9\-.]{1,64}(?:\/_history\/[A-Za-z0-9\-.]{1,64})?$/;
const conditional = /^([A-Z][A-Za-z]+)\?/;
const search = /^[A-Z][A-Za-z]+\?[^=&]+=[^&]*(?:&[^=&]+=[^&]*)*$/;

function typeInUrl(run: Run, reference: string): string | undefined {
  const type = (literal.exec(reference) ?? conditional.exec(reference))?.[1];
  return type !== undefined && run.engine.definitions.resourceTypes.has(type) ? type : undefined;
}

const typeName = (type: string): string => (type.startsWith(coreStructure) ? type.slice(coreStructure.length) : type);

function checkStatedType(run: Run, targets: readonly string[], type: string, path: string): void {
  const allowed = targetTypes(run, targets);
  if (allowed === 'any' || allowed.has(typeName(type))) return;
  const text = `Reference.type is ${shown(type)}; expected ${[...allowed].join(', ')}`;
  run.error('structure', 'reference-type', path, text);
}

function checkTargetType(
  run: Run,
  targets: readonly string[],
  element: string,
  target: Target,
  reference: string,
  path: string,
): void {
  if (target.type === undefined) return;
  const allowed = targetTypes(run, targets);
  if (allowed === 'any' || allowed.has(target.type)) return;
  const text = `${shown(reference)} is a ${target.type}; ${element} may refer to ${[...allowed].join(', ')}`;
  run.error('structure', 'reference-target', path, text);
}

/** Checks the type of what the Reference `value` leads to by the target profiles of a profile. */
export function checkTargets(
  run: Run,
  targets: readonly string[],
  element: string,
  value: unknown,
  path: string,
): void {
  const { reference, type } = (value ?? {}) as { reference?: unknown; type?: unknown };
  if (typeof type === 'string') checkStatedType(run, targets, type, path);
  if (typeof reference !== 'string' || reference.length === 0) return;
  const target = resolve(run, reference);
  if (target === 'missing') return;
  if (target.resource || (run.options.checkReferenceTypes ?? true))
    checkTargetType(run, targets, element, target, reference, path);
}

/** Checks that a target inside the document follows one of the profiles `targets`, when one of them is more than a type. */
export function conformsToOneTarget(
  run: Run,
  targets: readonly string[],
  element: string,
  value: unknown,
  path: string,
): void {
  const { reference } = (value ?? {}) as { reference?: unknown };
  if (typeof reference !== 'string') return;
  const target = resolve(run, reference);
  if (target === 'missing' || !target.resource || target.type === undefined) return;
  const { resource, type } = target;
  const fitting = targets.filter((url) => run.engine.definitions.structureDefinition(url)?.type === type);
  if (fitting.length === 0 || fitting.includes(coreStructure + type)) return;
  const item = { value: resource, sibling: undefined, path: `${path}.resolve()`, type };
  if (fitting.some((url) => run.engine.profiles.conforms(run, url, item))) return;
  const text = `the target of ${shown(reference)} follows none of the profiles ${fitting.join(', ')} that ${element} asks for`;
  run.error('structure', 'reference-profile', path, text);
}

const targetSets = new WeakMap<readonly string[], ReadonlySet<string> | 'any'>();

/** Resource types that the profiles `targets` constrain; `any` when there is no limit (or one is not at hand). */
function targetTypes(run: Run, targets: readonly string[]): ReadonlySet<string> | 'any' {
  let found = targetSets.get(targets);
  if (found === undefined) {
    found = targets.length === 0 ? 'any' : new Set<string>();
    for (const url of targets) {
      const type = run.engine.definitions.structureDefinition(url)?.type;
      if (found === 'any') break;
      if (type === undefined || type === 'Resource') found = 'any';
      else (found as Set<string>).add(type);
    }
    targetSets.set(targets, found);
  }
  return found;
}
