/**
 * Security labels of single elements, and resources without the elements that a reader may not see.
 *
 * Spec: https://hl7.org/fhir/uv/security-label-ds4p/ (inline security labels), https://hl7.org/fhir/R4/security-labels.html#hcs
 */
import type { Coding, Resource } from '../base/resource.js';
import type { Definitions } from './definitions/definitions.js';

const inlineLabelUrl = 'http://hl7.org/fhir/uv/security-label-ds4p/StructureDefinition/extension-inline-sec-label';

type Labels = readonly Coding[];
type Fields = Record<string, unknown>;

const masked = {
  extension: [{ url: 'http://hl7.org/fhir/StructureDefinition/data-absent-reason', valueCode: 'masked' }],
};

/** Each distinct set of labels that stands at some element, inside a labelled element together with those around it. */
export function elementLabelsOf(resource: Resource): readonly Labels[] {
  const known = remembered.get(resource);
  if (known !== undefined) return known;
  const found = new Map<string, Labels>();
  collect(resource as unknown as Fields, [], found);
  const labels = [...found.values()];
  remembered.set(resource, labels);
  return labels;
}

/** A write asks twice: for the header and for the index. */
const remembered = new WeakMap<Resource, readonly Labels[]>();

/** Names a set of labels; equal sets have equal names. */
export function labelKey(labels: Labels): string {
  return labels
    .map(({ system = '', code = '' }) => `${system}|${code}`)
    .sort()
    .join(' ');
}

function collect(element: Fields, around: Labels, found: Map<string, Labels>): void {
  for (const name of Object.keys(element)) {
    const value = element[name];
    if (typeof value !== 'object' || value === null || name === 'extension') continue;
    for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) {
      if (typeof child !== 'object' || child === null) continue;
      const own = labelsAt(child as Fields);
      const labels = own.length === 0 ? around : [...around, ...own];
      if (own.length > 0) found.set(labelKey(labels), labels);
      collect(child as Fields, labels, found);
    }
  }
}

/** The labels at an element itself. */
function labelsAt({ extension }: Fields): Coding[] {
  if (!Array.isArray(extension)) return [];
  return (extension as { url?: unknown; valueCoding?: Coding }[])
    .filter(({ url, valueCoding }) => url === inlineLabelUrl && typeof valueCoding === 'object')
    .map(({ valueCoding }) => ({
      ...(valueCoding?.system === undefined ? {} : { system: valueCoding.system }),
      ...(valueCoding?.code === undefined ? {} : { code: valueCoding.code }),
    }));
}

/**
 * The resource without the elements whose labels are hidden, and without its narrative, which may say the same again.
 * @param isHidden told the labels of an element (with those around it).
 * @param isMandatory whether R4 demands the element at a path such as `Observation.code`: it is left behind, empty and marked as masked.
 */
export function redacted(
  resource: Resource,
  isHidden: (labels: Labels) => boolean,
  isMandatory: (path: string) => boolean,
): Resource {
  const cut = (element: Fields, path: string, around: Labels): Fields => {
    const kept: Fields = {};
    for (const key of Object.getOwnPropertySymbols(element)) {
      (kept as Record<symbol, unknown>)[key] = (element as Record<symbol, unknown>)[key];
    }
    const names = new Set(Object.keys(element).map((name) => (name.startsWith('_') ? name.slice(1) : name)));
    for (const name of names) {
      const [value, beside] = [element[name], element[`_${name}`]];
      const place = `${path}.${name}`;
      if (value === undefined && beside === undefined) continue;
      if (Array.isArray(value) || Array.isArray(beside)) {
        cutList(kept, name, (value ?? []) as unknown[], (beside ?? []) as unknown[], place, around);
        continue;
      }
      const labels = [...around, ...ownLabels(value, beside)];
      if (labels.length > around.length && isHidden(labels)) {
        if (isMandatory(place)) kept[isObject(value) ? name : `_${name}`] = masked;
        continue;
      }
      if (value !== undefined) kept[name] = isObject(value) ? cut(value, place, labels) : value;
      if (beside !== undefined) kept[`_${name}`] = beside;
    }
    return kept;
  };
  const cutList = (
    kept: Fields,
    name: string,
    values: readonly unknown[],
    besides: readonly unknown[],
    place: string,
    around: Labels,
  ) => {
    const pairs: [unknown, unknown][] = [];
    for (let i = 0; i < Math.max(values.length, besides.length); i += 1) {
      const [value, beside] = [values[i], besides[i]];
      const labels = [...around, ...ownLabels(value, beside)];
      if (labels.length > around.length && isHidden(labels)) continue;
      pairs.push([isObject(value) ? cut(value, place, labels) : (value ?? null), beside ?? null]);
    }
    if (pairs.length === 0) {
      if (isMandatory(place)) kept[name] = [masked];
      return;
    }
    if (pairs.some(([value]) => value !== null)) kept[name] = pairs.map(([value]) => value);
    if (pairs.some(([, beside]) => beside !== null)) kept[`_${name}`] = pairs.map(([, beside]) => beside);
  };
  const part = cut(
    { ...(resource as unknown as Fields), text: undefined },
    resource.resourceType,
    [],
  ) as unknown as Resource;
  return { ...part, meta: { ...part.meta, tag: [...(part.meta?.tag ?? []), subsetted] } };
}

/** Marks a resource that is not whole. Spec: https://hl7.org/fhir/R4/valueset-observation-value.html */
export const subsetted: Coding = {
  system: 'http://terminology.hl7.org/CodeSystem/v3-ObservationValue',
  code: 'SUBSETTED',
  display: 'subsetted',
};

function ownLabels(value: unknown, beside: unknown): Coding[] {
  return [...(isObject(value) ? labelsAt(value) : []), ...(isObject(beside) ? labelsAt(beside) : [])];
}

function isObject(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whether R4 demands the element at a path such as `Observation.code`. */
export function isMandatoryIn(definitions: Definitions, resourceType: string): (path: string) => boolean {
  const elements = definitions.structureDefinition(resourceType)?.snapshot?.element ?? [];
  const least = new Map(elements.map(({ path, min }) => [path, min ?? 0]));
  return (path) => (least.get(path) ?? 0) > 0;
}
