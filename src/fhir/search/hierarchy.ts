/**
 * `:above` and `:below` on references: along the reference by which a type refers to itself (`Location.partOf`), and along canonical versions.
 *
 * Spec: https://hl7.org/fhir/R4/search.html#recursive
 */
import { exactly, nothing, or, type Bounds } from './bounds.js';
import { resourceName } from './blind.js';
import { linksOfParameter } from './compartment.js';
import type { ParameterCondition } from './condition.js';
import { parentParameter } from './parent.js';
import { targetTypesOf } from './parse.js';
import type { Plan } from './plan.js';
import type { Planning } from './plan-of.js';
import { planSelections } from './plan-value.js';
import { notOffered } from './problems.js';
import type { ReferenceValue } from './reference.js';

/** Steps that a hierarchy is followed. */
const deepest = 8;

/** @throws FhirError 400 `not-supported` where there is no hierarchy. */
export function planHierarchy(
  planning: Planning,
  condition: ParameterCondition,
  value: ReferenceValue,
  direction: 'above' | 'below',
): Bounds {
  const { context } = planning;
  const { parameter } = condition;
  const { id } = value;
  const types = value.type === undefined ? targetTypesOf(context, parameter) : [value.type];
  const parts = types.map((type) => {
    const parent = parentParameter(context.parameters, type);
    if (!parent || id === undefined) return nothing;
    const params = linksOfParameter(context.blinder, parent);
    const self: Plan = { kind: 'resource', names: [resourceName(context.blinder, type, id)] };
    const links = linksOfParameter(context.blinder, parameter);
    let level: Plan = self;
    const levels: Plan[] = [];
    for (let depth = 0; depth < deepest; depth += 1) {
      level =
        direction === 'below'
          ? { kind: 'link-to', params, target: level }
          : { kind: 'linked-from', params, source: level };
      levels.push({ kind: 'link-to', params: links, target: level });
    }
    return exactly({ kind: 'or', of: levels });
  });
  const below = or(...parts, nothing);
  if (below.may.kind === 'none') {
    throw notOffered(`Search parameter ${parameter.code}:${direction}: its targets have no hierarchy`);
  }
  return or(planSelections(planning, parameter, 'reference', parameter.selections, value), below);
}
