/**
 * Slicing: values are sorted into slices, counted, and each is checked by its slice.
 *
 * Spec: https://hl7.org/fhir/R4/profiling.html#slicing
 */
import type { Slicing } from '../definitions/types.js';
import { matcherOf, type Matcher, type Trees } from './discriminator.js';
import type { Item } from './item.js';
import type { ProfileNode } from './profile-tree.js';
import type { Run } from './run.js';

/** Checks an item by its slice. */
export type ItemCheck = (run: Run, item: Item) => void;
/** Checks all values of an element together; `path` is that of their parent. */
export type ItemsCheck = (run: Run, items: readonly Item[], path: string) => void;

interface CompiledSlice {
  readonly name: string;
  readonly min: number;
  readonly max: number;
  readonly matches: Matcher;
  readonly check: ItemCheck | undefined;
  readonly inner: ItemsCheck | undefined;
}

/**
 * Compiles the slices of `node`; undefined when it has none.
 * @param checkOf compiles what a slice demands of one item.
 */
export function compileSlicing(
  node: ProfileNode,
  profile: string,
  trees: Trees,
  checkOf: (slice: ProfileNode) => ItemCheck | undefined,
): ItemsCheck | undefined {
  if (node.slices.length === 0) return undefined;
  const slicing = node.element.slicing ?? byType;
  const slices = node.slices.map((slice, position): CompiledSlice => {
    const { sliceName, min, max } = slice.element;
    return {
      name: sliceName ?? slice.name,
      min: min ?? 0,
      max: max === undefined || max === '*' ? Number.MAX_SAFE_INTEGER : Number(max),
      matches: matcherOf(slicing, slice, position, trees),
      check: checkOf(slice),
      inner: compileSlicing(slice, profile, trees, checkOf),
    };
  });
  const element = node.element.path;
  const absent = node.slices.flatMap((slice) => absentExtension(slice, trees))[0];
  return (run, items, path) => {
    if (absent !== undefined) for (const item of items) unresolved(run, absent, element, item.path);
    const members = slices.map((): Item[] => []);
    let last = -1;
    let sawOther = false;
    items.forEach((item, index) => {
      const at = slices.findIndex((slice) => slice.matches(run, item, index));
      if (at < 0) {
        sawOther = true;
        if (slicing.rules === 'closed') {
          const text = `${element} matches none of the slices ${names(slices)} of ${profile}, and no others are allowed`;
          run.error('structure', 'slicing-closed', item.path, text);
        }
        return;
      }
      if (slicing.ordered && at < last) {
        const text = `the slice ${slices[at].name} of ${element} stands after ${slices[last].name}; ${profile} gives the order ${names(slices)}`;
        run.error('structure', 'slicing-order', item.path, text);
      }
      if (slicing.rules === 'openAtEnd' && sawOther) {
        const text = `the slice ${slices[at].name} of ${element} stands after values of no slice; ${profile} allows those at the end`;
        run.error('structure', 'slicing-order', item.path, text);
      }
      last = Math.max(last, at);
      members[at].push(item);
    });
    slices.forEach((slice, at) => checkSlice(run, slice, members[at], element, profile, path));
  };
}

/** The profile of an extension slice that is not at hand, so that nobody can tell what the slice is. */
function absentExtension({ element }: ProfileNode, trees: Trees): string[] {
  const [type] = element.type ?? [];
  const url = type?.code === 'Extension' ? type.profile?.[0] : undefined;
  return url !== undefined && !trees(url) ? [url] : [];
}

function unresolved(run: Run, url: string, element: string, path: string): void {
  const text = `the extension ${url} that ${element} is sliced by is not at hand, so its slices cannot be told apart`;
  if ((run.options.unknownProfile ?? 'error') === 'error') run.error('not-found', 'slicing-unresolved', path, text);
  else run.warning('not-found', 'slicing-unresolved', path, text);
}

/** A slicing without description tells its slices apart by their types. */
const byType: Slicing = { discriminator: [{ type: 'type', path: '$this' }], rules: 'open' };

const names = (slices: readonly CompiledSlice[]): string => slices.map(({ name }) => name).join(', ');

function checkSlice(
  run: Run,
  slice: CompiledSlice,
  items: readonly Item[],
  element: string,
  profile: string,
  path: string,
): void {
  const { name, min, max } = slice;
  if (items.length < min) {
    const text = `${element}:${name} is missing; at least ${min} expected by ${profile}, found ${items.length}`;
    run.error('required', 'cardinality-min', path, text);
  } else if (items.length > max) {
    const text = `${element}:${name} has ${items.length} values; at most ${max} allowed by ${profile}`;
    run.error('structure', 'cardinality-max', path, text);
  }
  if (slice.check) for (const item of items) slice.check(run, item);
  slice.inner?.(run, items, path);
}
