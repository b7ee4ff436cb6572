/**
 * Paths of discriminators: `$this`, names, `extension('url')`, `ofType(T)`, `resolve()`.
 *
 * Spec: https://hl7.org/fhir/R4/profiling.html#discriminator
 */
import { childrenOf, itemsOf, propertiesOf, type Item } from './item.js';
import { resolve } from './reference.js';
import type { Run } from './run.js';

export type Step =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'extension'; readonly url: string }
  | { readonly kind: 'ofType'; readonly type: string }
  | { readonly kind: 'resolve' };

const stepForm =
  /^(?:\$this|extension\(\s*['"]([^'"]+)['"]\s*\)|ofType\(\s*([\w.]+)\s*\)|(resolve)\(\)|as\(\s*([\w.]+)\s*\)|([A-Za-z_]\w*(?:\[x\])?))(?:\.|$)/;

/** @returns the steps of `path`, or undefined when it is no discriminator path. */
export function parseSteps(path: string): Step[] | undefined {
  const steps: Step[] = [];
  for (let rest = path.trim(); rest !== '';) {
    const match = stepForm.exec(rest);
    if (!match) return undefined;
    const [all, url, ofType, isResolve, as, name] = match;
    if (url !== undefined) steps.push({ kind: 'extension', url });
    else if (ofType !== undefined || as !== undefined) steps.push({ kind: 'ofType', type: ofType ?? as });
    else if (isResolve !== undefined) steps.push({ kind: 'resolve' });
    else if (name !== undefined) steps.push({ kind: 'name', name });
    rest = rest.slice(all.length);
  }
  return steps;
}

/** The items that `steps` lead to from `item`. */
export function select(run: Run, item: Item, steps: readonly Step[]): Item[] {
  let items = [item];
  for (const step of steps) items = items.flatMap((from) => follow(run, from, step));
  return items;
}

function follow(run: Run, item: Item, step: Step): Item[] {
  switch (step.kind) {
    case 'name':
      return named(run, item, step.name);
    case 'extension':
      return named(run, item, 'extension').filter(
        ({ value }) => (value as { url?: unknown } | undefined)?.url === step.url,
      );
    case 'ofType':
      return item.type === step.type ? [item] : [];
    case 'resolve':
      return resolved(run, item);
  }
}

function named(run: Run, item: Item, name: string): Item[] {
  const object = childrenOf(item);
  const shape = run.engine.shapes.of(item.property?.check ? 'Element' : item.type);
  if (!object || !shape) return [];
  const properties = propertiesOf(shape, name);
  return itemsOf(properties.length > 0 ? properties : propertiesOf(shape, `${name}[x]`), object, item.path);
}

/** The target of a reference: the resource, or an item that only has a type. */
function resolved(run: Run, item: Item): Item[] {
  const reference =
    typeof item.value === 'string' ? item.value : (item.value as { reference?: unknown } | undefined)?.reference;
  if (typeof reference !== 'string') return [];
  const target = resolve(run, reference);
  if (target === 'missing' || target.type === undefined) return [];
  return [{ value: target.resource, sibling: undefined, path: `${item.path}.resolve()`, type: target.type }];
}
