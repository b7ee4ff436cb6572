/** What refers to a resource that is about to be deleted. */
import type { Term } from '../../base/ids.js';
import type { VersionRow } from '../../commit/catalog.js';
import type { Principal } from '../../consent/gate.js';
import { isEqual, isWhole, visibleLinks, type PartialServices } from '../interactions/partial-match.js';
import { linksOfParameter } from '../search/compartment.js';
import type { SearchContext } from '../search/context.js';
import type { SearchParameters } from '../search/parameters.js';
import type { Plan } from '../search/plan.js';

const remembered = new WeakMap<SearchParameters, Map<string, readonly Term[]>>();

/** Finds current resources that refer to the one in `row` by any reference that can be searched. */
export function referringPlan({ parameters, blinder }: SearchContext, resourceType: string, row: VersionRow): Plan {
  const byType = remembered.get(parameters) ?? new Map<string, readonly Term[]>();
  remembered.set(parameters, byType);
  let params = byType.get(resourceType);
  if (params === undefined) byType.set(resourceType, (params = linksTo(parameters, blinder, resourceType)));
  if (params.length === 0) return { kind: 'none' };
  return { kind: 'link-to', params, target: { kind: 'resource', names: [row.resource] } };
}

/** Whether the principal sees the reference by which `referringPlan` found a version: it may stand in an element that is hidden. */
export async function seesReference(
  services: PartialServices,
  principal: Principal,
  row: VersionRow,
  plan: Plan,
): Promise<boolean> {
  if (isWhole(services, row) || plan.kind !== 'link-to' || plan.target.kind !== 'resource') return true;
  const { names } = plan.target;
  const links = await visibleLinks(services, principal, [row], plan.params);
  return links.some(({ target }) => names.some((name) => isEqual(name, target)));
}

function linksTo(
  parameters: SearchParameters,
  blinder: SearchContext['blinder'],
  resourceType: string,
): readonly Term[] {
  const links = new Map<string, Term>();
  for (const source of parameters.definitions.resourceTypes) {
    for (const parameter of parameters.parametersOf(source).values()) {
      if (parameter.type !== 'reference') continue;
      if (parameter.targets.length > 0 && !parameter.targets.includes(resourceType)) continue;
      for (const term of linksOfParameter(blinder, parameter)) links.set(Buffer.from(term).toString('hex'), term);
    }
  }
  return [...links.values()];
}
