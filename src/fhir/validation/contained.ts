/**
 * Contained resources: ids, and that each is used (dom-2 to dom-5).
 *
 * Spec: https://hl7.org/fhir/R4/references.html#contained, https://hl7.org/fhir/R4/domainresource.html
 */
import type { Resource } from '../../base/resource.js';
import type { Frame, Run } from './run.js';

/** Checks the `contained` list of the resource of `frame`; resources without one cost a look-up. */
export function checkContained(run: Run, frame: Frame): void {
  const { resource, path } = frame;
  if (frame.kind === 'contained') checkInner(run, resource, path);
  const contained = resource.contained;
  if (!Array.isArray(contained) || contained.length === 0) return;
  if (frame.kind === 'contained') {
    run.error('invariant', 'dom-2', path, 'a contained resource has contained resources; expected none');
    return;
  }
  const resources = contained.filter((inner): inner is Resource => typeof inner === 'object' && inner !== null);
  checkIds(run, contained as unknown[], path);
  checkUsed(run, resource, resources, contained as unknown[], path);
}

function checkInner(run: Run, resource: Resource, path: string): void {
  if (resource.id === undefined) {
    run.error('required', 'contained-id', path, 'a contained resource has no id; expected one, to refer to it');
  }
  const meta = resource.meta;
  if (typeof meta !== 'object' || meta === null) return;
  if (meta.versionId !== undefined || meta.lastUpdated !== undefined) {
    run.error(
      'invariant',
      'dom-4',
      path,
      'a contained resource has meta.versionId or meta.lastUpdated; expected neither',
    );
  }
  if (meta.security !== undefined) {
    run.error('invariant', 'dom-5', path, 'a contained resource has a security label; expected none');
  }
}

function checkIds(run: Run, contained: readonly unknown[], path: string): void {
  const seen = new Set<string>();
  contained.forEach((inner, at) => {
    const id = (inner as Resource | null)?.id;
    if (typeof id !== 'string') return;
    if (seen.has(id)) {
      run.error(
        'duplicate',
        'contained-duplicate',
        `${path}.contained[${at}]`,
        `a second contained resource has the id '${id}'`,
      );
    }
    seen.add(id);
  });
}

/** dom-3: each contained resource is referred to, or refers to the container itself, or is used by one that is. */
function checkUsed(run: Run, root: Resource, resources: Resource[], all: readonly unknown[], path: string): void {
  const used = new Set<string>();
  for (const [name, value] of Object.entries(root)) if (name !== 'contained') fragments(value, used);
  const inner = new Map(resources.map((resource) => [resource, fragments(resource, new Set<string>())]));
  for (let grew = true; grew;) {
    grew = false;
    for (const [resource, refers] of inner) {
      if (!used.has(resource.id ?? '') || refers.size === 0) continue;
      for (const id of refers) if (!used.has(id)) grew = Boolean(used.add(id));
      refers.clear();
    }
  }
  for (const resource of resources) {
    if (used.has(resource.id ?? '') || inner.get(resource)?.has('') || refersToContainer(resource)) continue;
    const at = all.indexOf(resource);
    const text = `the contained resource '${resource.id ?? ''}' is not referred to from the resource that contains it`;
    run.error('invariant', 'dom-3', `${path}.contained[${at}]`, text);
  }
}

const refersToContainer = (resource: Resource): boolean => fragments(resource, new Set()).has('');

const narrativeLink = /(?:href|src)\s*=\s*["']#([^"'\s]+)["']/g;

/** Ids after `#` in every text below `value` that is nothing but a fragment, and in the links of narratives. */
function fragments(value: unknown, into: Set<string>): Set<string> {
  if (typeof value === 'string') {
    if (value.charCodeAt(0) === 0x23 && !/\s/.test(value)) into.add(value.slice(1));
    else if (value.charCodeAt(0) === 0x3c && value.includes('#')) {
      for (const [, id] of value.matchAll(narrativeLink)) into.add(id);
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const inner of Object.values(value)) fragments(inner, into);
  }
  return into;
}
