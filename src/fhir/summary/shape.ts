/**
 * `_summary` and `_elements`: parts of resources.
 *
 * Spec: https://hl7.org/fhir/R4/search.html#summary, #elements
 */
import { fhirError } from '../../base/outcome.js';
import type { Resource } from '../../base/resource.js';
import type { Definitions } from '../definitions/definitions.js';
import { subsetted } from '../inline-labels.js';
import { resourceOf, type JsonText } from '../json-text.js';
import type { FhirResponse, Query } from '../request.js';
import { summaryOf } from './summary-elements.js';

/** How much of each resource is wanted. */
export interface Shape {
  readonly summary?: 'true' | 'text' | 'data';
  /** Names of elements to keep. */
  readonly elements?: readonly string[];
}

const whole: Shape = {};

/** @throws FhirError 400 `invalid` for a `_summary` that is none of true, text, data, count, false. */
export function shapeOf(query: Query): Shape {
  let shape = whole;
  for (const [name, value] of query) {
    if (name === '_elements' && value !== '')
      shape = { ...shape, elements: value.split(',').map((part) => part.trim()) };
    if (name !== '_summary') continue;
    if (value === 'true' || value === 'text' || value === 'data') shape = { ...shape, summary: value };
    else if (value !== 'false' && value !== 'count') {
      throw fhirError(
        400,
        'invalid',
        `_summary is "${value.slice(0, 40)}"; expected true, text, data, count or false.`,
      );
    }
  }
  return shape;
}

/** An answer with the wanted parts of its resource. */
export function shaped(
  services: { readonly definitions: Definitions },
  shape: Shape,
  answer: FhirResponse,
): FhirResponse {
  if (shape === whole || answer.resource === undefined) return answer;
  return { ...answer, resource: shapeResource(services.definitions, shape, answer.resource) };
}

/** The wanted parts of one resource, marked SUBSETTED; the resource itself when all is wanted. */
export function shapeResource(
  definitions: Definitions,
  shape: Shape,
  resource: Resource | JsonText,
): Resource | JsonText {
  const { summary, elements } = shape;
  if (summary === undefined && elements === undefined) return resource;
  const value = resourceOf(resource);
  const mandatory = mandatoryElements(definitions, value.resourceType);
  let part: Resource = value;
  if (summary === 'text') part = pick(value, (name) => name === 'text' || mandatory.has(name));
  if (summary === 'data') part = pick(value, (name) => name !== 'text');
  if (summary === 'true') part = summaryOf(definitions, value);
  if (elements !== undefined) {
    const wanted = new Set(elements.map((name) => name.slice(name.indexOf('.') + 1).split('.')[0]));
    part = pick(
      part,
      (name) =>
        wanted.has(name) || wanted.has(choiceBase(definitions, value.resourceType, name)) || mandatory.has(name),
    );
  }
  return {
    ...part,
    meta: { ...part.meta, tag: [...(part.meta?.tag ?? []).filter(({ code }) => code !== subsetted.code), subsetted] },
  };
}

function pick(resource: Resource, keep: (name: string) => boolean): Resource {
  const part: Record<string | symbol, unknown> = {};
  for (const key of Object.getOwnPropertySymbols(resource))
    part[key] = (resource as unknown as Record<symbol, unknown>)[key];
  for (const key of Object.keys(resource)) {
    const name = key.startsWith('_') ? key.slice(1) : key;
    if (name === 'resourceType' || name === 'id' || name === 'meta' || name === 'implicitRules' || keep(name))
      part[key] = resource[key];
  }
  return part as unknown as Resource;
}

const remembered = new WeakMap<Definitions, Map<string, ReadonlySet<string>>>();

/** Names of the top-level elements that R4 demands. */
function mandatoryElements(definitions: Definitions, type: string): ReadonlySet<string> {
  const known = remembered.get(definitions) ?? new Map<string, ReadonlySet<string>>();
  remembered.set(definitions, known);
  let names = known.get(type);
  if (names === undefined) {
    const elements = definitions.structureDefinition(type)?.snapshot?.element ?? [];
    names = new Set(
      elements
        .filter(({ path, min }) => path.split('.').length === 2 && (min ?? 0) > 0)
        .map(({ path }) => path.split('.')[1].replace('[x]', '')),
    );
    known.set(type, names);
  }
  return names;
}

/** `value` for `valueQuantity`; the name itself when it is no choice. */
function choiceBase(definitions: Definitions, type: string, name: string): string {
  for (const { path } of definitions.structureDefinition(type)?.snapshot?.element ?? []) {
    if (!path.endsWith('[x]') || path.split('.').length !== 2) continue;
    const base = path.split('.')[1].slice(0, -3);
    if (name.startsWith(base) && /^[A-Z]/.test(name.slice(base.length))) return base;
  }
  return name;
}
