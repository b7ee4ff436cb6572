/**
 * Snapshots from differentials.
 *
 * Spec: https://hl7.org/fhir/R4/profiling.html#snapshot. The base's tree is copied, opened into the types of elements where the differential
 * goes deeper, and the differential's statements are laid over it.
 */
import type { Definitions } from '../definitions/definitions.js';
import type { ElementDefinition, StructureDefinition } from '../definitions/types.js';
import { profileTree, type ProfileNode } from './profile-tree.js';

/**
 * `definition` itself when it has a snapshot; else with one, generated.
 * @returns undefined when the definition has neither, or a base of it is not at hand.
 */
export function withSnapshot(
  definition: StructureDefinition,
  definitions: Definitions,
): StructureDefinition | undefined {
  return complete(definition, definitions, 0);
}

/** Places in the differential of elements that the base does not have; none when the base is not at hand. */
export function unmatchedElements(definition: StructureDefinition, definitions: Definitions): number[] {
  const base = definition.baseDefinition && definitions.structureDefinition(definition.baseDefinition);
  const elements = base && complete(base, definitions, 0)?.snapshot?.element;
  if (!elements || !definition.differential) return [];
  return new Overlay(profileTree(elements), definitions, 0).apply(definition.differential.element);
}

const maxBases = 30;

function complete(
  definition: StructureDefinition,
  definitions: Definitions,
  depth: number,
): StructureDefinition | undefined {
  if (definition.snapshot && definition.snapshot.element.length > 0) return definition;
  if (!definition.differential || !definition.baseDefinition || depth > maxBases) return undefined;
  const base = definitions.structureDefinition(definition.baseDefinition);
  const elements = base && complete(base, definitions, depth + 1)?.snapshot?.element;
  if (!elements) return undefined;
  const root = profileTree(elements);
  if (definition.derivation === 'specialization') rename(root, definition.type);
  new Overlay(root, definitions, depth).apply(definition.differential.element);
  return { ...definition, snapshot: { element: flat(root) } };
}

/** Lays a differential over a tree. */
class Overlay {
  /** The node that a path means at present: the slice that was named last. */
  private readonly current = new Map<string, ProfileNode>();

  constructor(
    private readonly root: ProfileNode,
    private readonly definitions: Definitions,
    private readonly depth: number,
  ) {}

  /** @returns the places of elements that the tree does not have. */
  apply(differential: readonly ElementDefinition[]): number[] {
    return differential.flatMap((element, at) => {
      const node = this.find(element);
      if (!node) return [at];
      (node as { element: ElementDefinition }).element = merged(node.element, element);
      return [];
    });
  }

  /** The node that `element` is about, made when it is new: a slice, or an element inside of a type. */
  private find(element: ElementDefinition): ProfileNode | undefined {
    const segments = segmentsOf(element);
    let node = this.root;
    let path = segments[0].name;
    for (const { name, slice } of segments.slice(1)) {
      path += `.${name}`;
      const child = this.child(node, name);
      if (!child) return undefined;
      const named = slice ?? child.slice;
      node = named === undefined ? child.node : sliceOf(child.node, named, child.type);
      if (element.id === undefined && named === undefined && path !== element.path)
        node = this.current.get(path) ?? node;
    }
    this.current.set(element.path, node);
    for (const key of this.current.keys()) if (key.startsWith(`${element.path}.`)) this.current.delete(key);
    return node;
  }

  private child(node: ProfileNode, name: string): { node: ProfileNode; slice?: string; type?: string } | undefined {
    if (node.children.size === 0) this.open(node);
    const own = node.children.get(name) ?? node.children.get(`${name}[x]`);
    if (own) return { node: own };
    for (const [key, choice] of node.children) {
      if (!key.endsWith('[x]') || !name.startsWith(key.slice(0, -3))) continue;
      const stem = key.slice(0, -3);
      const type = choice.element.type?.find(({ code }) => stem + code[0].toUpperCase() + code.slice(1) === name)?.code;
      if (type !== undefined) return { node: choice, slice: name, type };
    }
    return undefined;
  }

  /** Gives a node the children of its type. */
  private open(node: ProfileNode): void {
    const { contentReference, type, path } = node.element;
    if (contentReference !== undefined) {
      const target = this.byPath(contentReference.slice(contentReference.indexOf('#') + 1));
      if (target) copyChildren(target, node, path);
      return;
    }
    const [first] = type ?? [];
    if (!first) return;
    const profile = first.profile?.length === 1 ? this.definitions.structureDefinition(first.profile[0]) : undefined;
    const definition = profile ?? this.definitions.structureDefinition(first.code);
    const elements = definition && complete(definition, this.definitions, this.depth + 1)?.snapshot?.element;
    if (elements) copyChildren(profileTree(elements), node, path);
  }

  private byPath(path: string): ProfileNode | undefined {
    let node: ProfileNode | undefined = this.root;
    for (const name of path.split('.').slice(1)) node = node?.children.get(name);
    return node;
  }
}

/** Names along an element's path, with the slices that its id names. */
function segmentsOf({ id, path, sliceName }: ElementDefinition): { name: string; slice?: string }[] {
  const names = path.split('.');
  const parts = id?.split('.');
  if (parts?.length === names.length) {
    return names.map((name, at) => {
      const colon = parts[at].indexOf(':');
      return { name, slice: colon < 0 ? undefined : parts[at].slice(colon + 1) };
    });
  }
  return names.map((name, at) => ({ name, slice: at === names.length - 1 ? sliceName : undefined }));
}

/** The slice `name` of `node`: found, or copied from the element that is sliced. */
function sliceOf(node: ProfileNode, name: string, type?: string): ProfileNode {
  const slash = name.lastIndexOf('/');
  const holder = slash < 0 ? node : sliceOf(node, name.slice(0, slash));
  const found = holder.slices.find(({ element }) => element.sliceName === name);
  if (found) return found;
  const slice = copy(node, node.element.path);
  const types = type === undefined ? slice.element.type : slice.element.type?.filter(({ code }) => code === type);
  const element = { ...slice.element, sliceName: name, min: 0, type: types };
  delete (element as { slicing?: unknown }).slicing;
  const made = { ...slice, element, slices: [] };
  holder.slices.push(made);
  return made;
}

/** What the differential says, over what the base says. Constraints add up. */
function merged(base: ElementDefinition, differential: ElementDefinition): ElementDefinition {
  const constraints = [...(base.constraint ?? [])];
  for (const constraint of differential.constraint ?? []) {
    const at = constraints.findIndex(({ key }) => key === constraint.key);
    if (at < 0) constraints.push(constraint);
    else constraints[at] = constraint;
  }
  const element = { ...base, ...differential, path: base.path, id: differential.id ?? base.id };
  return constraints.length > 0 ? { ...element, constraint: constraints } : element;
}

function copy(node: ProfileNode, path: string): ProfileNode {
  const made: ProfileNode = { element: { ...node.element, path }, name: node.name, children: new Map(), slices: [] };
  copyChildren(node, made, path);
  return made;
}

function copyChildren(from: ProfileNode, to: ProfileNode, path: string): void {
  for (const [name, child] of from.children) {
    const made = copy(child, `${path}.${name}`);
    for (const slice of child.slices) made.slices.push(copy(slice, `${path}.${name}`));
    to.children.set(name, made);
  }
}

function rename(root: ProfileNode, type: string): void {
  const visit = (node: ProfileNode): void => {
    const path = type + node.element.path.slice(node.element.path.split('.', 1)[0].length);
    (node as { element: ElementDefinition }).element = { ...node.element, path };
    for (const child of [...node.children.values(), ...node.slices]) visit(child);
  };
  visit(root);
}

/** Elements in the order of a snapshot: a slice after the children of what it slices. */
function flat(node: ProfileNode, id: string = node.name): ElementDefinition[] {
  const own = { ...node.element, id };
  const children = [...node.children.values()].flatMap((child) => flat(child, `${id}.${child.name}`));
  const slices = node.slices.flatMap((slice) => flat(slice, `${id}:${slice.element.sliceName ?? slice.name}`));
  return [own, ...children, ...slices];
}
