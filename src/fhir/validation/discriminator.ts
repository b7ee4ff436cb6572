/**
 * Discriminators: the test that tells to which slice a value belongs, compiled from what the slice demands at the discriminator's path.
 *
 * Spec: https://hl7.org/fhir/R4/profiling.html#discriminator
 */
import type { ElementDefinition, Slicing } from '../definitions/types.js';
import { demandOf, meets, type Demand } from './fixed-pattern.js';
import type { Item } from './item.js';
import type { ProfileNode } from './profile-tree.js';
import type { Run } from './run.js';
import { parseSteps, select, type Step } from './select.js';

/** True when `item` belongs to the slice. `index`: its place among all values of the element. */
export type Matcher = (run: Run, item: Item, index: number) => boolean;

/** Trees of profiles by canonical URL; undefined when the profile is not at hand. */
export type Trees = (canonical: string) => ProfileNode | undefined;

type Discriminator = NonNullable<Slicing['discriminator']>[number];

/** The test for `slice`. `position`: its place among the slices. */
export function matcherOf(slicing: Slicing, slice: ProfileNode, position: number, trees: Trees): Matcher {
  const tests = (slicing.discriminator ?? [{ type: 'value', path: '$this' } as const]).map((discriminator) =>
    discriminatorTest(discriminator, slice, position, trees),
  );
  return (run, item, index) => tests.every((test) => test(run, item, index));
}

function discriminatorTest({ type, path }: Discriminator, slice: ProfileNode, position: number, trees: Trees): Matcher {
  if (type === 'position') return (_run, _item, index) => index === position;
  const steps = parseSteps(path);
  if (!steps) return () => false;
  switch (type) {
    case 'exists':
      return existsTest(slice, steps, trees);
    case 'type':
      return typeTest(slice, steps, trees);
    case 'profile':
      return profileTest(slice, steps, trees);
    case 'value':
    case 'pattern':
      return valueTest(slice, steps, trees);
  }
}

function valueTest(slice: ProfileNode, steps: readonly Step[], trees: Trees): Matcher {
  const found = locate(slice, steps, trees);
  if (found.demand) {
    const { demand } = found;
    return (run, item) => select(run, item, steps).some(({ value }) => meets(demand, value));
  }
  const tests = found.nodes.map((node) => contentTest(node, trees)).filter((test) => test !== undefined);
  if (tests.length > 0) {
    return (run, item) => select(run, item, steps).some((selected) => tests.some((test) => test(run, selected)));
  }
  if (found.nodes.some(({ element }) => element.max === '0'))
    return (run, item) => select(run, item, steps).length === 0;
  if (found.nodes.some(({ element }) => (element.min ?? 0) > 0))
    return (run, item) => select(run, item, steps).length > 0;
  return () => false;
}

/** What a node demands of a value: its own fixed value, pattern or required binding, else those of its children. */
function contentTest(node: ProfileNode, trees: Trees, depth = 0): ((run: Run, item: Item) => boolean) | undefined {
  const demand = demandOf(node.element);
  // What comes on top of a fixed complex value, say an extension, does not make it another slice.
  if (demand) return (_run, { value }) => meets({ kind: 'pattern', value: demand.value }, value);
  const { binding } = node.element;
  if (binding?.strength === 'required' && binding.valueSet !== undefined) {
    return (run, item) => run.engine.bindings.isIn(binding.valueSet as string, item.type, item.value);
  }
  if (depth > 8) return undefined;
  const inner: ((run: Run, item: Item) => boolean)[] = [];
  for (const child of node.children.values()) {
    for (const part of child.slices.length > 0 ? requiredSlices(child) : [child]) {
      const test = contentTest(part, trees, depth + 1);
      const steps: Step[] = [{ kind: 'name', name: child.name }];
      if (test) inner.push((run, item) => select(run, item, steps).some((selected) => test(run, selected)));
    }
  }
  return inner.length === 0 ? undefined : (run, item) => inner.every((test) => test(run, item));
}

const requiredSlices = (node: ProfileNode): ProfileNode[] =>
  node.slices.filter(({ element }) => (element.min ?? 0) > 0);

function existsTest(slice: ProfileNode, steps: readonly Step[], trees: Trees): Matcher {
  const { nodes } = locate(slice, steps, trees);
  const isAbsent = nodes.some(({ element }) => element.max === '0');
  return (run, item) => (select(run, item, steps).length === 0) === isAbsent;
}

function typeTest(slice: ProfileNode, steps: readonly Step[], trees: Trees): Matcher {
  const types = new Set(locate(slice, steps, trees).nodes.flatMap(({ element }) => typeCodes(element)));
  return (run, item) =>
    select(run, item, steps).some(
      ({ type, property }) =>
        types.has(type) ||
        types.has('Resource') ||
        (property?.type === property?.definedAt && types.has('BackboneElement')),
    );
}

/** Types of an element; of the root of a resource's tree, the resource type itself. */
const typeCodes = (element: ElementDefinition): string[] =>
  element.type?.map(({ code }) => code) ?? (element.path.includes('.') ? [] : [element.path]);

function profileTest(slice: ProfileNode, steps: readonly Step[], trees: Trees): Matcher {
  const last = steps[steps.length - 1];
  const isTarget = last?.kind === 'resolve';
  const { nodes } = locate(slice, isTarget ? steps.slice(0, -1) : steps, trees);
  const profiles = nodes.flatMap(({ element }) =>
    (element.type ?? []).flatMap((type) => (isTarget ? type.targetProfile : type.profile) ?? []),
  );
  return (run, item) =>
    select(run, item, steps).some((selected) =>
      profiles.some((url) => run.engine.profiles.conforms(run, url, selected)),
    );
}

interface Located {
  readonly nodes: readonly ProfileNode[];
  /** Found inside of a fixed value or pattern further up. */
  readonly demand?: Demand;
}

/** The nodes at `steps` below `slice`, through the profiles of types and of references. */
function locate(slice: ProfileNode, steps: readonly Step[], trees: Trees): Located {
  let nodes: readonly ProfileNode[] = [slice];
  for (const [at, step] of steps.entries()) {
    for (const node of nodes) {
      const demand = demandOf(node.element);
      const part = demand && partOf(demand.value, steps.slice(at));
      if (part !== undefined) return { nodes: [], demand: { kind: 'pattern', value: part } };
    }
    nodes = nodes.flatMap((node) => follow(node, step, trees));
  }
  return { nodes };
}

function follow(node: ProfileNode, step: Step, trees: Trees): ProfileNode[] {
  switch (step.kind) {
    case 'name': {
      const own = childOf(node, step.name);
      if (own) {
        const inner = demandOf(own.element) ? [] : requiredSlices(own);
        return inner.length > 0 ? inner : [own];
      }
      if (step.name === 'url') {
        const url = node.element.type?.find(({ code }) => code === 'Extension')?.profile?.[0];
        if (url !== undefined) return [urlNode(url)];
      }
      return typeProfiles(node, trees).flatMap((tree) => childOf(tree, step.name) ?? []);
    }
    case 'extension': {
      const extensions = childOf(node, 'extension')?.slices ?? [];
      return extensions.flatMap((slice) => (isExtension(slice, step.url) ? innermost(slice) : []));
    }
    case 'ofType': {
      const slice = node.slices.find(({ element }) => typeCodes(element).includes(step.type));
      return [slice ?? node];
    }
    case 'resolve':
      return (node.element.type ?? []).flatMap((type) => type.targetProfile ?? []).flatMap((url) => trees(url) ?? []);
  }
}

const isExtension = ({ element }: ProfileNode, url: string): boolean =>
  element.type?.[0]?.profile?.includes(url) === true;

/** The slices of a slice say more than it does. */
const innermost = (slice: ProfileNode): ProfileNode[] =>
  slice.slices.length > 0 ? slice.slices.flatMap(innermost) : [slice];

const childOf = (node: ProfileNode, name: string): ProfileNode | undefined =>
  node.children.get(name) ?? node.children.get(`${name}[x]`);

/** Trees of the profiles, or else of the types, that an element may have. */
const typeProfiles = (node: ProfileNode, trees: Trees): ProfileNode[] =>
  (node.element.type ?? []).flatMap(({ code, profile }) => (profile ?? [code]).flatMap((url) => trees(url) ?? []));

/** The `url` of an extension is the canonical URL of its definition. */
function urlNode(url: string): ProfileNode {
  const element: ElementDefinition = { path: 'Extension.url', fixedUri: url.split('|')[0] };
  return { element, name: 'url', children: new Map(), slices: [] };
}

/** What a fixed value or pattern says at `steps`; of lists, of their first item. */
function partOf(value: unknown, steps: readonly Step[]): unknown {
  let part = value;
  for (const step of steps) {
    if (Array.isArray(part)) part = part[0] as unknown;
    if (step.kind !== 'name' || typeof part !== 'object' || part === null) return undefined;
    part = (part as Record<string, unknown>)[step.name];
  }
  return Array.isArray(part) ? (part[0] as unknown) : part;
}
