/** Some search parameters alone, as if there were no others: what an extractor needs to make their entries only. */
import type { SearchParameter } from '../definitions/types.js';
import type { Parameter, SearchParameters } from '../search/parameters.js';

export function onlyParameters(all: SearchParameters, wanted: readonly SearchParameter[]): SearchParameters {
  const definitions = new Set(wanted);
  const byType = new Map<string, ReadonlyMap<string, Parameter>>();
  const some: SearchParameters = {
    definitions: all.definitions,
    model: all.model,
    parametersOf(type) {
      let parameters = byType.get(type);
      if (parameters === undefined) {
        const entries = [...all.parametersOf(type)].filter(([, { definition }]) => definitions.has(definition));
        byType.set(type, (parameters = new Map(entries)));
      }
      return parameters;
    },
    get: (type, code) => some.parametersOf(type).get(code),
    with: (custom) => onlyParameters(all.with(custom), [...wanted, ...custom]),
  };
  return some;
}
