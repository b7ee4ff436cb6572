/**
 * Filters of ValueSet.compose over the concepts of a code system.
 *
 * Spec: https://hl7.org/fhir/R4/valueset.html#compositions, https://hl7.org/fhir/R4/codesystem.html#defined-props
 */
import type { Concept, KnownSystem } from './known-system.js';
import { linearPattern } from './linear-pattern.js';
import { designationsOf } from './resource-system.js';

export interface ConceptFilter {
  readonly property: string;
  readonly op: string;
  readonly value: string;
}

/** Does the concept pass? undefined: cannot be said. */
export type ConceptTest = (concept: Concept) => boolean | undefined;

/** The test that `filter` stands for within `system`. A filter that is not understood answers undefined for every concept. */
export function filterTest(filter: ConceptFilter, system: KnownSystem): ConceptTest {
  const { property, op, value } = filter;
  const same = system.isCaseSensitive
    ? (a: string, b: string) => a === b
    : (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  const valuesOf = (concept: Concept) => valuesOfProperty(concept, property);
  switch (op) {
    case '=':
      return (concept) => valuesOf(concept).some((found) => same(found, value));
    case 'in':
    case 'not-in': {
      const listed = value.split(',').map((item) => item.trim());
      const isIn = (concept: Concept) => valuesOf(concept).some((found) => listed.some((item) => same(found, item)));
      return op === 'in' ? isIn : (concept) => !isIn(concept);
    }
    case 'exists':
      return (concept) => valuesOf(concept).length > 0 === (value === 'true');
    case 'regex': {
      const matches = linearPattern(system.isCaseSensitive ? value : value.toLowerCase());
      if (!matches) return () => undefined;
      return (concept) =>
        valuesOf(concept).some((found) => matches(system.isCaseSensitive ? found : found.toLowerCase()));
    }
    default:
      return hierarchyTest(op, system.find(value));
  }
}

function hierarchyTest(op: string, anchor: Concept | undefined): ConceptTest {
  switch (op) {
    case 'is-a':
      return (concept) => anchor !== undefined && (concept === anchor || isBelow(concept, anchor));
    case 'descendent-of':
      return (concept) => anchor !== undefined && isBelow(concept, anchor);
    case 'is-not-a':
      return (concept) => anchor === undefined || !(concept === anchor || isBelow(concept, anchor));
    case 'generalizes':
      return (concept) => anchor !== undefined && (concept === anchor || isBelow(anchor, concept));
    case 'child-of':
      return (concept) => anchor !== undefined && concept.parents.includes(anchor);
    case 'descendent-leaf':
      return (concept) => anchor !== undefined && concept.children.length === 0 && isBelow(concept, anchor);
    default:
      return () => undefined;
  }
}

/** True when `concept` is under `ancestor`, at any depth; false for the concept itself. */
export function isBelow(concept: Concept, ancestor: Concept): boolean {
  const seen = new Set<Concept>();
  const open = [...concept.parents];
  for (let at = open.pop(); at; at = open.pop()) {
    if (at === ancestor) return true;
    if (seen.has(at)) continue;
    seen.add(at);
    open.push(...at.parents);
  }
  return false;
}

/** Texts of a property: one that every concept has (`code`, `display`, `parent`, ...) or one of its own. */
function valuesOfProperty(concept: Concept, property: string): readonly string[] {
  switch (property) {
    case 'concept':
    case 'code':
      return [concept.code];
    case 'display':
      return concept.display === undefined ? [] : [concept.display];
    case 'definition':
      return concept.source.definition === undefined ? [] : [concept.source.definition];
    case 'designation':
      return designationsOf(concept.source).map(({ value }) => value);
    case 'parent':
      return concept.parents.map(({ code }) => code);
    case 'child':
      return concept.children.map(({ code }) => code);
    case 'inactive':
      return [String(concept.isInactive)];
    case 'notSelectable':
    case 'abstract':
      return [String(concept.isAbstract)];
  }
  return (concept.source.property ?? [])
    .filter(({ code }) => code === property)
    .map((found) => textOf(Object.entries(found).find(([key]) => key.startsWith('value'))?.[1]));
}

function textOf(value: unknown): string {
  if (typeof value === 'object' && value !== null) return String((value as { code?: unknown }).code ?? '');
  return String(value);
}
