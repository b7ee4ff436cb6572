/** Compartments. Spec: https://hl7.org/fhir/R4/compartmentdefinition.html */
import type { Resource } from '../../base/resource.js';
import { compartmentText, linkText, resourceName, termText, typeTerm, type TermSource } from './blind.js';
import { anyTerm, planAnd, planOr } from './bounds.js';
import type { Parameter, SearchParameters } from './parameters.js';
import type { Plan } from './plan.js';
import { targetTypeOf, parseLiteral } from './reference-text.js';
import { sourceKey } from './sources.js';

const membership = new WeakMap<SearchParameters, Map<string, readonly Parameter[]>>();

/** The parameters of `type` that put a resource into a compartment of the kind `code`. */
function parametersInto(parameters: SearchParameters, code: string, type: string): readonly Parameter[] {
  let byType = membership.get(parameters);
  if (!byType) membership.set(parameters, (byType = new Map()));
  const key = `${code}/${type}`;
  let found = byType.get(key);
  if (!found) {
    const codes = parameters.definitions.compartment(code).get(type) ?? [];
    found = codes.map((one) => parameters.get(type, one)).filter((one) => one !== undefined);
    byType.set(key, found);
  }
  return found;
}

/** Ids of the patients in whose compartments the resource is, sorted; a Patient is in its own. References must be literal. */
export function patientsOf(parameters: SearchParameters, resource: Resource): string[] {
  const patients = new Set<string>();
  if (resource.resourceType === 'Patient' && resource.id !== undefined) patients.add(resource.id);
  for (const { selections } of parametersInto(parameters, 'Patient', resource.resourceType)) {
    for (const selection of selections) {
      for (const { value } of selection.select(resource)) {
        if (targetTypeOf(value) !== 'Patient') continue;
        const id = parseLiteral(String((value as { reference?: unknown }).reference))?.id;
        if (id !== undefined) patients.add(id);
      }
    }
  }
  return [...patients].sort();
}

/**
 * Ids of the patients whom a resource is about, for consent: those of its compartments, of its parameters `patient` and `subject` (a Task is in
 * nobody's compartment), and of what a Bundle holds.
 */
export function concernedPatients(
  parameters: SearchParameters,
  resource: Resource,
  compartments: readonly string[],
): readonly string[] {
  const found = new Set(compartments);
  for (const code of ['patient', 'subject']) {
    for (const selection of parameters.get(resource.resourceType, code)?.selections ?? []) {
      for (const { value } of selection.select(resource)) {
        if (targetTypeOf(value) !== 'Patient') continue;
        const id = parseLiteral(String((value as { reference?: unknown }).reference))?.id;
        if (id !== undefined) found.add(id);
      }
    }
  }
  if (resource.resourceType === 'Bundle') {
    for (const { resource: inner } of (resource['entry'] ?? []) as { resource?: Resource }[]) {
      if (inner === undefined) continue;
      for (const id of concernedPatients(parameters, inner, patientsOf(parameters, inner))) found.add(id);
    }
  }
  return found.size === compartments.length ? compartments : [...found].sort();
}

/**
 * Every resource in the compartment of `kind/id`, of the given types (absent: of all).
 *
 * Patient compartments have a term; the others are found through the parameters that the definition names.
 */
export function compartmentPlan(
  { parameters, blinder }: { readonly parameters: SearchParameters; readonly blinder: TermSource },
  kind: string,
  id: string,
  types?: readonly string[],
): Plan {
  if (kind === 'Patient') {
    const inside: Plan = { kind: 'term', term: blinder.term(compartmentText(id)) };
    return types
      ? planAnd([planOr(types.map((type) => ({ kind: 'term', term: typeTerm(blinder, type) }))), inside])
      : inside;
  }
  const members = types ?? [...parameters.definitions.compartment(kind).keys()];
  const terms = members.flatMap((type) =>
    parametersInto(parameters, kind, type).flatMap(({ selections }) =>
      selections.map((selection) => blinder.term(termText(sourceKey(selection, 'reference'), 'r', `${kind}/${id}`))),
    ),
  );
  const self: Plan = { kind: 'resource', names: [resourceName(blinder, kind, id)] };
  return planOr([anyTerm(terms), ...(members.includes(kind) || !types ? [self] : [])]);
}

/** Blind names of the links of a reference parameter. */
export function linksOfParameter(blinder: TermSource, { selections }: Parameter) {
  return selections.map((selection) => blinder.term(linkText(sourceKey(selection, 'reference'))));
}
