/** Parameters that some resources have no index entries of yet: uploaded, or brought by a package, when there were resources already. */
import type { SearchContext } from './context.js';
import type { Parameter } from './parameters.js';
import { notOffered } from './problems.js';
import { sourceKey } from './sources.js';

/** True when some resources lack the entries of the parameter; not when an older parameter selects the same. */
export function isUnindexed(context: SearchContext, type: string, parameter: Parameter): boolean {
  if (!context.opens?.(parameter)) return false;
  const older = [...context.parameters.parametersOf(type).values()].filter((one) => !context.opens?.(one));
  const keys = new Set(older.flatMap((one) => one.selections.map((selection) => sourceKey(selection, one.type))));
  return (
    parameter.composites.length > 0 ||
    parameter.selections.some((selection) => !keys.has(sourceKey(selection, parameter.type)))
  );
}

/** For what the store must do by itself. @throws FhirError 400 `not-supported` when the parameter is not indexed. */
export function refuseUnindexed(context: SearchContext, type: string, parameter: Parameter): void {
  if (!isUnindexed(context, type, parameter)) return;
  throw notOffered(
    `Search parameter ${parameter.code}: was added after resources were indexed, and cannot be followed before $reindex has made up for that`,
  );
}
