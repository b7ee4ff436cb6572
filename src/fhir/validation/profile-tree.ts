/**
 * A snapshot as a tree: each element with its children by name and with its slices.
 *
 * Spec: https://hl7.org/fhir/R4/profiling.html, https://hl7.org/fhir/R4/elementdefinition.html#path
 */
import type { ElementDefinition } from '../definitions/types.js';

export interface ProfileNode {
  readonly element: ElementDefinition;
  /** Last segment of the path: `value[x]`. */
  readonly name: string;
  readonly children: Map<string, ProfileNode>;
  /** In the order of the snapshot; a re-slice stands under its slice. */
  readonly slices: ProfileNode[];
}

/** @returns the root. @throws Error when `elements` is empty. */
export function profileTree(elements: readonly ElementDefinition[]): ProfileNode {
  const root = nodeOf(elements[0]);
  /** From the root to the node that was added last. */
  let trail: ProfileNode[] = [root];
  for (const element of elements.slice(1)) {
    const { path } = element;
    const parentPath = path.slice(0, path.lastIndexOf('.'));
    while (trail.length > 1 && !isParent(trail[trail.length - 1], parentPath)) trail.pop();
    const parent = trail[trail.length - 1];
    const node = nodeOf(element);
    const present = parent.children.get(node.name) ?? choiceOf(parent, node.name);
    if (present && element.sliceName !== undefined) addSlice(present, node);
    else if (present === undefined || present.element.path === path) parent.children.set(node.name, node);
    else present.slices.push(node);
    trail = [...trail, node];
  }
  return root;
}

const nodeOf = (element: ElementDefinition): ProfileNode => ({
  element,
  name: element.path.slice(element.path.lastIndexOf('.') + 1),
  children: new Map(),
  slices: [],
});

const isParent = (node: ProfileNode, path: string): boolean => node.element.path === path;

/** `valueQuantity` in place of a slice of `value[x]`. */
function choiceOf(parent: ProfileNode, name: string): ProfileNode | undefined {
  for (const [key, node] of parent.children) {
    if (key.endsWith('[x]') && name.startsWith(key.slice(0, -3)) && /^[A-Z]/.test(name.slice(key.length - 3)))
      return node;
  }
  return undefined;
}

/** `a/b` is a slice of the slice `a`. */
function addSlice(node: ProfileNode, slice: ProfileNode): void {
  const name = slice.element.sliceName as string;
  const slash = name.lastIndexOf('/');
  const outer = slash < 0 ? undefined : findSlice(node, name.slice(0, slash));
  (outer ?? node).slices.push(slice);
}

function findSlice(node: ProfileNode, name: string): ProfileNode | undefined {
  for (const slice of node.slices) {
    if (slice.element.sliceName === name) return slice;
    const inner = findSlice(slice, name);
    if (inner) return inner;
  }
  return undefined;
}
