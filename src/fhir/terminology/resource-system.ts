/**
 * A code system from its CodeSystem resource.
 *
 * Spec: https://hl7.org/fhir/R4/codesystem.html
 */
import type { CodeSystem, CodeSystemConcept } from '../definitions/types.js';
import type { Concept, KnownSystem } from './known-system.js';
import type { Membership } from './verdict.js';

interface Node extends Concept {
  readonly parents: Node[];
  readonly children: Node[];
  source: CodeSystemConcept;
}

/**
 * The system that `resource` defines. Concepts are indexed at the first question.
 *
 * An absent `caseSensitive` means that case does not matter, as in the HL7 validator. `content` `example` counts as complete, also as there.
 * @param supplements CodeSystems with content `supplement` for it: their designations and properties are added.
 * @returns undefined when the resource holds no content (`not-present`) or is itself a supplement.
 */
export function systemOf(resource: CodeSystem, supplements: readonly CodeSystem[] = []): KnownSystem | undefined {
  const content = resource.content;
  if (content === 'not-present' || content === 'supplement') return undefined;
  const isCaseSensitive = resource.caseSensitive === true;
  const isComplete = content !== 'fragment';
  const keyOf = (code: string) => (isCaseSensitive ? code : code.toLowerCase());
  let byKey: Map<string, Node> | undefined;
  let list: readonly Node[] | undefined;
  const index = () => (byKey ??= indexOf(resource, supplements, keyOf));
  return {
    url: resource.url,
    version: resource.version,
    name: resource.name,
    status: isComplete ? 'complete' : 'fragment',
    isCaseSensitive,
    contains(code): Membership {
      if (index().has(keyOf(code))) return 'in';
      return isComplete ? 'out' : 'unknown';
    },
    find: (code) => index().get(keyOf(code)),
    concepts: () => (list ??= [...index().values()]),
  };
}

function indexOf(
  resource: CodeSystem,
  supplements: readonly CodeSystem[],
  keyOf: (code: string) => string,
): Map<string, Node> {
  const nodes = new Map<string, Node>();
  const visit = (concepts: readonly CodeSystemConcept[] | undefined, parent: Node | undefined) => {
    for (const source of concepts ?? []) {
      if (typeof source.code !== 'string') continue;
      const key = keyOf(source.code);
      let node = nodes.get(key);
      if (!node) {
        node = { code: source.code, display: source.display, source, parents: [], children: [], ...flagsOf(source) };
        nodes.set(key, node);
      }
      if (parent) link(parent, node);
      visit(source.concept, node);
    }
  };
  visit(resource.concept, undefined);
  for (const node of nodes.values()) {
    for (const property of node.source.property ?? []) {
      const other = nodes.get(keyOf(String(property.valueCode ?? '')));
      if (!other) continue;
      if (property.code === 'parent' || property.code === 'subsumedBy') link(other, node);
      else if (property.code === 'child') link(node, other);
    }
  }
  for (const supplement of supplements) supplementConcepts(supplement.concept, nodes, keyOf);
  return nodes;
}

function link(parent: Node, child: Node): void {
  if (parent === child || child.parents.includes(parent)) return;
  child.parents.push(parent);
  parent.children.push(child);
}

/** Replaces `source` of the supplemented concepts by one that also has what the supplement says. */
function supplementConcepts(
  concepts: readonly CodeSystemConcept[] | undefined,
  nodes: Map<string, Node>,
  keyOf: (code: string) => string,
): void {
  for (const extra of concepts ?? []) {
    const node = nodes.get(keyOf(extra.code));
    if (node) {
      const designation = [...designationsOf(node.source), ...designationsOf(extra)];
      const property = [...(node.source.property ?? []), ...(extra.property ?? [])];
      const merged = {
        ...node.source,
        ...(designation.length > 0 ? { designation } : {}),
        ...(property.length > 0 ? { property } : {}),
      };
      node.source = merged;
    }
    supplementConcepts(extra.concept, nodes, keyOf);
  }
}

/** https://hl7.org/fhir/R4/codesystem-definitions.html#CodeSystem.concept.designation */
export interface Designation {
  readonly language?: string;
  readonly use?: { readonly system?: string; readonly code?: string; readonly display?: string };
  readonly value: string;
}

/** Designations of a concept; none when it has none. */
export function designationsOf(source: CodeSystemConcept): readonly Designation[] {
  return (source as { designation?: readonly Designation[] }).designation ?? [];
}

const retired = new Set(['retired', 'deprecated', 'inactive', 'withdrawn']);

function flagsOf(source: CodeSystemConcept): { isAbstract: boolean; isInactive: boolean } {
  let isAbstract = false;
  let isInactive = false;
  for (const { code, ...value } of source.property ?? []) {
    const isTrue = value.valueBoolean === true || value.valueString === 'true' || value.valueCode === 'true';
    if (isTrue && (code === 'notSelectable' || code === 'abstract')) isAbstract = true;
    else if (isTrue && code === 'inactive') isInactive = true;
    else if (code === 'status' && retired.has(String(value.valueCode ?? value.valueString))) isInactive = true;
  }
  return { isAbstract, isInactive };
}
