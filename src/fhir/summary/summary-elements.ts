/** `_summary=true`: the elements that the definitions mark as summary. Spec: https://hl7.org/fhir/R4/search.html#summary */
import type { Resource } from '../../base/resource.js';
import type { Definitions } from '../definitions/definitions.js';

/** Element path (choice types without `[x]`) to whether it is part of the summary. */
type SummaryPaths = ReadonlyMap<string, boolean>;

const remembered = new WeakMap<Definitions, Map<string, SummaryPaths>>();

/** The summary of a resource; elements of data types are kept whole. */
export function summaryOf(definitions: Definitions, resource: Resource): Resource {
  const paths = pathsOf(definitions, resource.resourceType);
  if (paths.size === 0) return resource;
  const { resourceType } = resource;
  return Object.assign({ resourceType }, prune(resource, resourceType, paths));
}

function pathsOf(definitions: Definitions, type: string): SummaryPaths {
  const ofDefinitions = remembered.get(definitions) ?? new Map<string, SummaryPaths>();
  remembered.set(definitions, ofDefinitions);
  let paths = ofDefinitions.get(type);
  if (paths === undefined) {
    const elements = definitions.structureDefinition(type)?.snapshot?.element ?? [];
    paths = new Map(elements.map(({ path, isSummary }) => [path.replace('[x]', ''), isSummary === true]));
    ofDefinitions.set(type, paths);
  }
  return paths;
}

function prune(node: Record<string, unknown>, path: string, paths: SummaryPaths): Record<string, unknown> {
  const part: Record<string | symbol, unknown> = {};
  for (const symbol of Object.getOwnPropertySymbols(node)) part[symbol] = (node as Record<symbol, unknown>)[symbol];
  for (const key of Object.keys(node)) {
    const elementPath = known(path, key.startsWith('_') ? key.slice(1) : key, paths);
    if (elementPath === undefined || paths.get(elementPath) !== true) continue;
    part[key] = below(node[key], elementPath, paths);
  }
  return part;
}

function below(value: unknown, path: string, paths: SummaryPaths): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => below(item, path, paths));
  if (typeof value !== 'object' || value === null || !hasChildren(path, paths)) return value;
  return prune(value as Record<string, unknown>, path, paths);
}

function hasChildren(path: string, paths: SummaryPaths): boolean {
  return paths.has(`${path}.id`);
}

/** The path of a member: itself, or the choice element that it is one type of. */
function known(path: string, name: string, paths: SummaryPaths): string | undefined {
  let candidate = `${path}.${name}`;
  if (paths.has(candidate)) return candidate;
  for (let end = name.length - 1; end > 0; end -= 1) {
    if (!/[A-Z]/.test(name.charAt(end))) continue;
    candidate = `${path}.${name.slice(0, end)}`;
    if (paths.has(candidate)) return candidate;
  }
  return undefined;
}
